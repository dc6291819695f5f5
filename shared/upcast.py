"""Upcasters: how an event that was stored in an older form becomes one of today.

Fields are added with defaults and need nothing here. Where a field must be split, renamed or retyped, the event's type
gets the next schema number, and an upcaster takes the JSON object of the number before to it. Upcasters are pure, are
applied one after the other when an event is read, and never change what is stored. They must leave an object alone
that has today's form already: foreign clients need not know of schema numbers.
"""

from collections.abc import Callable
from typing import Any

FIRST = 1
"""The schema number of a type that never changed, and of an envelope that names none."""

Document = dict[str, Any]
BY = "cancelled by "


def _who_cancelled(event: Document) -> Document:
    """task.cancelled 1 → 2: who cancelled stood in the text of the reason, and has a field of its own now."""
    reason = event.get("reason", "")
    if "by" in event or not isinstance(reason, str) or not reason.startswith(BY):
        return event
    return {**event, "reason": "", "by": reason.removeprefix(BY)}


UPCASTERS: dict[tuple[str, int], Callable[[Document], Document]] = {
    ("task.cancelled", 1): _who_cancelled,
}
"""What takes an event of a type from a schema number to the next one."""


def current(kind: str) -> int:
    """Return today's schema number of the event type *kind*."""
    return max((schema + 1 for name, schema in UPCASTERS if name == kind), default=FIRST)


CHANGED = {kind: current(kind) for kind, _ in UPCASTERS}
"""Types that have changed, and today's number of each."""


def upcast(kind: str, schema: int, event: Document) -> Document:
    """Return the JSON object of an event of type *kind*, stored as *schema*, in today's form."""
    for number in range(max(schema, FIRST), current(kind)):
        event = UPCASTERS[kind, number](event)
    return event
