"""Where each event travels.

An event has one name: ``attempt.scored`` in the log, the last tokens of its subject on the bus, and
``AttemptScored`` in Python. A law test keeps them equal.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from obra.events import Event

STREAM = "OBRA"
OUTPUT_STREAM = "OBRA_OUTPUT"
BLOBS = "OBRA_BLOBS"
PRESENCE = "OBRA_SERVICES"
EVERYTHING = "obra.>"
PROJECT_LEVEL = "-"
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Scope(NamedTuple):
    """The stream of events of one task; task ``-`` holds what concerns the whole project."""

    project: str
    task: str

    @property
    def everything(self) -> str:
        """Return the filter that matches this scope's entire past."""
        return f"obra.{self.project}.{self.task}.>"


PLATFORM = Scope(PROJECT_LEVEL, PROJECT_LEVEL)
"""Holds what concerns all projects: policies, calibrations."""


def name(event: Event | type[Event]) -> str:
    """Return the one name of an event or of an event type."""
    return str(event.__struct_config__.tag)


def subject(scope: Scope, event: Event | type[Event]) -> str:
    """Return the subject that *event* of *scope* is published on."""
    return f"obra.{scope.project}.{scope.task}.{name(event)}"


def parse(subject: str) -> tuple[Scope, str]:
    """Return the scope and the event name in *subject*; ValueError if it is none of ours."""
    parts = subject.split(".", 3)
    if len(parts) != 4 or parts[0] != "obra":  # noqa: PLR2004 - obra, project, task, event
        raise ValueError(f"{subject!r} is not obra.PROJECT.TASK.EVENT")
    return Scope(parts[1], parts[2]), parts[3]


def heard(kinds: Iterable[type[Event]]) -> list[str]:
    """Return the filters that a consumer of *kinds* gives JetStream, and a publisher its permissions."""
    return [f"obra.*.*.{name(kind)}" for kind in kinds]


def output_subject(scope: Scope, attempt: int) -> str:
    """Return the subject of an attempt's live output."""
    return f"obra-out.{scope.project}.{scope.task}.{attempt}"


def matches(pattern: str, subject: str) -> bool:
    """Return whether *subject* is one that NATS would deliver on *pattern*: ``*`` is one token, ``>`` all the rest."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, given, rest = wanted[:-1], given[: len(wanted) - 1], len(given) - len(wanted) + 1
        if rest < 1:
            return False
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))
