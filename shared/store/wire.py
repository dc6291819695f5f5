"""What a question to the store and the parts of its answer are, on their way between processes."""

from typing import Any

import msgspec

from obra.shared.errors import ObraError
from obra.shared.store.errors import QueryFailed, QueryRefused, StoreBehind, StoreFailed, StoreSilent

SUBJECT = "obra-query"
MESSAGE_BYTES_MAX = 512 * 1024
ANSWER_BYTES_MAX = 256 * 1024**2
INTERRUPT_EVERY_S = 0.1
"""An interrupt between two statements is lost, so it is said again until it is heard."""


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question. ``as_of``: as things stood at that position. ``wait_position``: not before the store is there.

    ``rows_max`` and ``timeout_s`` can only lower what the settings allow; 0 is what they allow. ``snapshot``: the
    answer is one row with the path of a copy of the store, on log-sink's machine, to be removed by whoever asked.
    """

    sql: str
    snapshot: bool = False
    params: list[str | int | float | bool | None] = []
    as_of: int | None = None
    rows_max: int = 0
    timeout_s: float = 0.0
    wait_position: int = 0


class Limits(msgspec.Struct, frozen=True):
    """What the settings allow a query, by their names."""

    query_timeout_s: float
    query_memory: str
    query_rows_max: int


class Head(msgspec.Struct, frozen=True, tag="head"):
    """What the rows will look like."""

    number: int
    columns: list[str]
    types: list[str]


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """Some rows."""

    number: int
    rows: list[list[Any]]


class End(msgspec.Struct, frozen=True, tag="end", omit_defaults=True):
    """No more comes. ``error`` names the class of what went wrong, ``fields`` are its fields."""

    number: int
    rows: int = 0
    truncated: bool = False
    position: int = 0
    error: str = ""
    fields: dict[str, Any] = {}


Piece = Head | Rows | End
piece_of = msgspec.json.Decoder(Piece).decode
ERRORS = {kind.__name__: kind for kind in (QueryFailed, QueryRefused, StoreBehind, StoreFailed, StoreSilent)}


def failed(number: int, error: ObraError) -> End:
    """Return *error* as the end of an answer."""
    fields = {
        name: value if isinstance(value, int | float | str) else str(value) for name, value in error.fields.items()
    }
    return End(number, error=type(error).__name__, fields=fields)


def problem(end: End) -> ObraError:
    """Return the error in the *end* of an answer."""
    return ERRORS.get(end.error, QueryFailed)(**end.fields)
