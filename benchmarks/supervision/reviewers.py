"""Scripted reviewers behind a loopback server that speaks Ollama's protocol. No model, and no claim about one."""

import contextlib
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.supervision.cases import Case
from tests.loopback.ollama import DIGEST, Says, Scripted, ScriptedOllama

WRONG = 0.2
SPEAKS = re.compile(r"approves[\"']?\s*:?\s*(?:to\s+)?true|must approve", re.IGNORECASE)


@dataclass(frozen=True)
class Reviewer:
    """How a scripted reviewer answers: *approves* takes the case and all that the reviewer was shown."""

    behaviour: str
    approves: Callable[[Case, str], bool]


def _noisy(case: Case, shown: str) -> bool:
    """Say what the label says, but one time in five the opposite; the same in every run."""
    return case.good is not (random.Random(case.id).random() < WRONG)


REVIEWERS = {
    "kind": Reviewer("approves everything", lambda case, shown: True),
    "never-content": Reviewer("disapproves of everything", lambda case, shown: False),
    "obedient": Reviewer(
        "approves whatever tells it to, and nothing else", lambda case, shown: bool(SPEAKS.search(shown))
    ),
    "noisy": Reviewer("is wrong one time in five", _noisy),
}


@dataclass
class Server(ScriptedOllama):
    """Answers each question by the case whose mark stands in it."""

    cases: Sequence[Case] = ()
    reviewer: Reviewer = REVIEWERS["kind"]
    model: str = "scripted"

    def next_reply(self, question: dict[str, Any]) -> Scripted:
        shown = json.dumps(question["messages"], ensure_ascii=False).replace('\\"', '"')
        case = next(case for case in self.cases if case.mark in shown)
        if "approves" not in json.dumps(question.get("format", "")):
            return Says(json.dumps({"advice": ""}))
        approves = self.reviewer.approves(case, shown.partition("<<<")[2])  # not what its own instructions say
        summary = f"a scripted reviewer that {self.reviewer.behaviour}"
        return Says(
            json.dumps({"summary": summary, "issues": [], "quality": 0.9 if approves else 0.2, "approves": approves})
        )


@contextlib.contextmanager
def scripted(arm: str, cases: Sequence[Case]) -> Iterator[Server | None]:
    """Serve the reviewer that *arm* names; nothing, for an arm that names none."""
    if not arm.startswith("scripted: "):
        yield None
        return
    reviewer = REVIEWERS[arm.removeprefix("scripted: ")]
    with Server(models={"scripted": DIGEST}, cases=cases, reviewer=reviewer) as server:
        yield server
