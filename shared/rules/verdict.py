"""Whether rules were kept, as far as evidence can say: pure, and never by anybody's opinion."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from obra.events import Finding, WorkspaceCheckpointed

Verdict = Literal["kept", "broken", "unknown"]
Seen = tuple[WorkspaceCheckpointed | None, tuple[Finding, ...]]
"""The tree that an attempt left, if it was recorded, and what the inspection found in it."""

TEST_FILE = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|/)(test_[^/]*|[^/]*(_test|\.test|_spec|\.spec))\.\w+$")


def _absent(*kinds: str) -> Callable[[Seen], Verdict]:
    def verdict(seen: Seen) -> Verdict:
        tree, findings = seen
        if any(finding.kind in kinds and finding.blocks for finding in findings):
            return "broken"
        return "kept" if tree else "unknown"

    return verdict


def _changed(seen: Seen) -> Verdict:
    tree, _ = seen
    return "unknown" if tree is None else "kept" if tree.files_total else "broken"


def _tests_changed(seen: Seen) -> Verdict:
    tree, _ = seen
    if tree is None or len(tree.files) < tree.files_total:
        return "unknown"
    return "kept" if any(TEST_FILE.search(file.path) for file in tree.files if file.kind != "deleted") else "broken"


CHECKS: Mapping[str, Callable[[Seen], Verdict]] = {
    "something-changed": _changed,
    "not-destructive": _absent("destructive"),
    "tests-not-weakened": _absent("tests_deleted", "tests_weakened", "checks_altered"),
    "not-hard-coded": _absent("hard_coded", "fitted"),
    "tests-changed": _tests_changed,
}
"""Each check by the name that rules use."""


def verdict(check: str, tree: WorkspaceCheckpointed | None, findings: Iterable[Finding]) -> Verdict:
    """Return what the evidence says of a rule with that *check*; `unknown` where it has none, or evidence lacks."""
    held = CHECKS.get(check)
    return held((tree, tuple(findings))) if held else "unknown"
