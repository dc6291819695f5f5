"""What the evidence says to a claim: a verdict, and the observation that it rests on."""

from typing import Literal

from obra.events import FileChange
from obra.shared.evidence import Evidence, said_of
from obra.shared.testing import Counts, counts, runs_tests

Kind = Literal["tests", "count", "created", "changed", "deleted", "work", "nothing", "ran"]
Held = tuple[Literal["supported", "contradicted", "unverified"], str]

READERS = frozenset({
    "Read", "Write", "Edit", "MultiEdit", "NotebookEdit", "NotebookRead", "Glob", "Grep", "LS", "TodoWrite", "WebFetch",
    "WebSearch", "AskUserQuestion", "ExitPlanMode", "EnterPlanMode",
})  # fmt: skip
"""Tools that run nothing."""

OUTSIDE = ("/tmp/", "/var/", "/dev/", "/etc/", "~")
UNKNOWN: Held = ("unverified", "")


def of_tests(evidence: Evidence, *, any_check: bool) -> Held:
    """Hold "the tests pass" against our own checks, and where those are no tests, against the agent's last run."""
    failed = [check for check in evidence.failing if any_check or runs_tests(check.command)]
    if failed:
        return "contradicted", f"`{failed[0].command}` {said_of(failed[0])}"
    ran = [check for check in (evidence.checks.checks if evidence.checks else ()) if runs_tests(check.command)]
    if ran or (any_check and evidence.passed):
        return "supported", f"`{ran[0].command}` exited 0" if ran else "every check exited 0"
    own = evidence.exited.tested[-1] if evidence.exited and evidence.exited.tested else None
    if own is None:
        return UNKNOWN
    if own.failed:
        said = f": {own.said}" if own.said else ""
        return "contradicted", f"its own last run of tests failed: `{own.command}`{said}"
    return "supported", f"its own last run of tests did not fail: `{own.command}`"


def of_count(evidence: Evidence, claimed: int, sentence: str) -> Held:
    """Hold "86 tests pass" against what runs of tests counted: ours, and the agent's own as far as they were seen.

    Several runs may have been added up, each of another part of the tests.
    """
    held = of_tests(evidence, any_check="checks" in sentence.lower())
    if held[0] == "contradicted":
        return held
    seen = _counted(evidence)
    if any(found.passed == claimed for _, found in seen):
        return "supported", f"a run of tests counted {claimed} passed"
    most: dict[str, int] = {}
    for command, found in seen:
        most[command] = max(found.passed, most.get(command, 0))
    if not most or sum(most.values()) >= claimed or _may_have_run_others(evidence):
        return UNKNOWN
    said = "no run of tests" if len(most) == 1 else "no run of tests, and not all of them together,"
    return "contradicted", f"{said} counted more than {max(most.values())} passed"


def of_running(evidence: Evidence) -> Held:
    """Hold "I ran the tests" against the tools that the agent called, and was allowed to."""
    exited = evidence.exited
    if exited is None or not exited.tools:
        return UNKNOWN
    calls = sum(count for tool, count in exited.tools.items() if tool not in READERS)
    denied = sum(denial.tool not in READERS for denial in exited.denials)
    if not calls:
        return "contradicted", "it called no tool that runs anything"
    if denied >= calls:
        return "contradicted", "every command that it tried was denied"
    return "supported", f"it ran {calls - denied} {'command' if calls - denied == 1 else 'commands'}"


def of_nothing(evidence: Evidence) -> Held:
    """Hold "no changes were needed" against the files."""
    if evidence.checkpoint is None:
        return UNKNOWN
    if evidence.changed:
        files = evidence.checkpoint.files_total
        said = "1 file differs" if files == 1 else f"{files} files differ"
        return "contradicted", f"{said} from the commit that the task grew from"
    return "supported", "nothing differs from the commit that the task grew from"


def of_work(evidence: Evidence) -> Held:
    """Hold "I fixed it" against there being any change at all."""
    if not evidence.changed:
        return "contradicted", "nothing differs from the commit that the task grew from"
    return "supported", "files differ from the commit that the task grew from"


def of_path(evidence: Evidence, path: str) -> Held:
    """Hold "created a.py" against the changed files. What lies outside of the workspace is not seen."""
    if path.startswith(OUTSIDE):
        return UNKNOWN
    if any(file.kind != "deleted" for file in _named(evidence, path)):
        return "supported", f"{path} is among the changed files"
    return ("contradicted", f"{path} is not among the changed files") if _whole(evidence) else UNKNOWN


def of_deletion(evidence: Evidence, path: str) -> Held:
    """Hold "deleted a.py" against the changed files. A file that the agent had made itself leaves no trace."""
    found = _named(evidence, path)
    if any(file.kind in ("deleted", "renamed") for file in found):
        return "supported", f"{path} is gone"
    return ("contradicted", f"{path} is still there") if found else UNKNOWN


def _named(evidence: Evidence, path: str) -> list[FileChange]:
    files = evidence.checkpoint.files if evidence.checkpoint else ()
    name = path.rsplit("/", 1)[-1]
    return [file for file in files if file.path.rsplit("/", 1)[-1] == name]


def _whole(evidence: Evidence) -> bool:
    """Return whether the list of changed files is not cut."""
    return evidence.checkpoint is not None and len(evidence.checkpoint.files) >= evidence.checkpoint.files_total


def _counted(evidence: Evidence) -> list[tuple[str, Counts]]:
    """Return the counts of each run of tests that was seen, with its command."""
    outputs = [(check.command, check.output.text) for check in (evidence.checks.checks if evidence.checks else ())]
    outputs += [(own.command, own.said) for own in (evidence.exited.tested if evidence.exited else ())]
    return [(command, found) for command, output in outputs if (found := counts(output)) is not None]


def _may_have_run_others(evidence: Evidence) -> bool:
    """Return whether the agent could run tests that nobody saw: it ran commands, and none was seen to be tests."""
    if evidence.exited is None or evidence.exited.tested:
        return False
    return not evidence.exited.tools or any(tool not in READERS for tool in evidence.exited.tools)
