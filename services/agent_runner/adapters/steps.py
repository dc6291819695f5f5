"""What an agent did, step by step, kept small: enough to see circles, and to know how its own tests went."""

import hashlib
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from obra.events import SelfTest
from obra.shared.testing import runs_tests, summary_line

STEPS_MAX = 2_000
OPEN_MAX = 1_000
TESTED_MAX = 20
SHOWN_CHARS = 200
OUTCOME_CHARS = 64 * 1024
TIMES = re.compile(r"\b\d+(?:\.\d+)?\s?(?:m?s|sec(?:ond)?s?)\b|\b\d\d?:\d\d(?::\d\d)?(?:\.\d+)?\b")
"""What differs between two outcomes that are the same. Other numbers may be progress."""

NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{7,40}\b|\d+(?:\.\d+)?", re.IGNORECASE)
"""What differs between two errors that are the same: line numbers, addresses, ids."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool with its outcome; texts as digests. ``said`` alone: words without a call.

    ``before`` and ``after`` are of an edit: the text that was replaced and the one put in its place.
    """

    tool: str = ""
    target: str = ""
    call: str = ""
    outcome: str = ""
    wrong: bool = False
    said: str = ""
    path: str = ""
    before: str = ""
    after: str = ""


@dataclass(slots=True)
class Steps:
    """The newest steps of each thread: the agent's own, and one for each agent that it started."""

    threads: dict[str, "deque[Step]"] = field(default_factory=dict)
    tested: "deque[SelfTest]" = field(default_factory=lambda: deque(maxlen=TESTED_MAX))
    _open: dict[str, tuple[str, Step]] = field(default_factory=dict)

    def call(self, thread: str, identity: str, tool: str, target: str, wanted: Mapping[str, Any]) -> None:
        """Take in that a tool is called with *wanted*."""
        text = json.dumps(wanted, sort_keys=True, default=str)
        before, after = wanted.get("old_string", ""), wanted.get("new_string", wanted.get("content", ""))
        edits = isinstance(wanted.get("file_path"), str) and ("new_string" in wanted or "content" in wanted)
        step = Step(
            tool=tool, target=target, call=digest(f"{tool} {text}"),
            path=wanted["file_path"] if edits else "", before=digest(str(before)) if edits else "",
            after=digest(str(after)) if edits else "",
        )  # fmt: skip
        if len(self._open) < OPEN_MAX:
            self._open[identity] = (thread, step)

    def result(self, identity: str, said: str, *, wrong: bool) -> None:
        """Take in what came of a call."""
        if identity not in self._open:
            return
        thread, step = self._open.pop(identity)
        alike = NUMBERS if wrong else TIMES
        outcome = digest(alike.sub("#", said[:OUTCOME_CHARS]))
        self._add(thread, replace(step, outcome=outcome, wrong=wrong, path="" if wrong else step.path))
        if step.tool == "Bash" and runs_tests(step.target):
            line = summary_line(said)
            self.tested.append(SelfTest(command=step.target[:SHOWN_CHARS], failed=wrong, said=line[:SHOWN_CHARS]))

    def says(self, thread: str, text: str) -> None:
        """Take in words of the agent."""
        self._add(thread, Step(said=digest(" ".join(text.split())), target=text[:SHOWN_CHARS]))

    def _add(self, thread: str, step: Step) -> None:
        if thread in self.threads or len(self.threads) < OPEN_MAX:
            self.threads.setdefault(thread, deque(maxlen=STEPS_MAX)).append(step)


def digest(text: str) -> str:
    """Return a short digest of *text*."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
