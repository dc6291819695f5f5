"""Which events `obra events` shows: by project, task, type, and a span of positions or time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from obra.events.subjects import TOKEN, parse
from obra.shared.bus import Raw
from obra.shared.envelope import type_of
from obra.shared.moment import moment_of

SIMPLE = re.compile(r"[a-z_]+\.(?:[a-z_]+|\*)")

Bound = int | datetime | None
"""A position, a moment, or no bound."""


def bound(text: str | None, now: datetime, option: str) -> Bound:
    """Return what *text* means: digits are a position, `10m` is ten minutes before *now*, else ISO 8601.

    A time without a zone is local. `BadUsage` names *option*.
    """
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    return moment_of(text, now, option)


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over messages. ``since`` is included, as is ``until``.

    ``project`` and ``task`` are names or globs, ``types`` globs over event names.
    """

    project: str = ""
    task: str = ""
    types: tuple[str, ...] = ()
    since: Bound = None
    until: Bound = None

    @property
    def subjects(self) -> list[str]:
        """Return the subjects that let the server do most of the filtering; `holds` does the rest.

        Types narrow them only where each is a name or `family.*`, since other globs are no subjects.
        """
        scope = f"obra.{self.only(self.project) or '*'}.{self.only(self.task) or '*'}"
        if not self.types or not all(SIMPLE.fullmatch(glob) for glob in self.types):
            return [f"{scope}.>"]
        whole = {glob for glob in self.types if glob.endswith("*")}
        names = {glob for glob in self.types if not glob.endswith("*") and f"{glob.partition('.')[0]}.*" not in whole}
        return [f"{scope}.{glob}" for glob in sorted(whole | names)]

    @staticmethod
    def only(glob: str) -> str:
        """Return the one name that *glob* matches; empty where it may match several, or everything."""
        return glob if TOKEN.fullmatch(glob) else ""

    @property
    def after(self) -> int:
        """Return the position after which the first selected event may stand."""
        return max(0, self.since - 1) if isinstance(self.since, int) else 0

    def holds(self, raw: Raw) -> bool:
        """Return whether *raw* is selected."""
        scope, name = place(raw)
        if not (fnmatchcase(scope[0], self.project or "*") and fnmatchcase(scope[1], self.task or "*")):
            return False
        if self.types and not any(fnmatchcase(name, glob) for glob in self.types):
            return False
        return not _before(raw, self.since) and not self.past(raw)

    def past(self, raw: Raw) -> bool:
        """Return whether *raw* comes after everything that is selected."""
        if isinstance(self.until, int):
            return raw.position > self.until
        return isinstance(self.until, datetime) and happened(raw) > self.until


def _before(raw: Raw, since: Bound) -> bool:
    if isinstance(since, int):
        return raw.position < since
    return isinstance(since, datetime) and happened(raw) < since


def happened(raw: Raw) -> datetime:
    """Return when the event was said, or the message stored where it is no event."""
    return raw.envelope.at if raw.envelope else datetime.fromtimestamp(raw.stored_at_ns / 1e9, UTC)


def place(raw: Raw) -> tuple[Sequence[str], str]:
    """Return (project, task) and type of *raw*, from its subject where it is no event."""
    if raw.envelope:
        return raw.envelope.scope, type_of(raw.envelope)
    try:
        return parse(raw.subject)
    except ValueError:
        return ("-", "-"), raw.subject
