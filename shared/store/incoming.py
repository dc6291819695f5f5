"""Rows on their way into DuckDB: columns in Arrow's form, which DuckDB reads where they lie.

Its appender takes rows value by value and keeps a copy of them: three times the processor time, and all of it while
Python's lock is held.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from obra.shared.store.row import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = {
    "position": "uint64", "id": "string", "project": "string", "task": "string", "type": "string",
    "happened_us": "int64", "cause": "string", "correlation": "string", "service": "string", "body": "large_string",
    "raw": "large_binary", "problem": "string", "stored_us": "int64", "hash": "binary",
}  # fmt: skip
"""The fields of `Row`, but for the log's line, and the hash. Bodies may come to more than 2 GiB together."""
assert tuple(_COLUMNS)[:-1] == Row._fields[: len(_COLUMNS) - 1]

BATCH = """(
SELECT position, id::UUID AS id, project, task, type, make_timestamptz(happened_us) AS happened_at,
    cause::UUID AS cause, correlation::UUID AS correlation, service, body AS body_json, raw, hash, problem,
    make_timestamptz(stored_us) AS stored_at
FROM incoming)
"""
"""What was let in, as a source in SQL: the columns of the table `event`, in its order and with its types."""


class Incoming(NamedTuple):
    """Rows that were made ready to be added: behind position ``after``, up to ``last``, whose hash is ``head``."""

    after: int
    last: int
    head: bytes
    size: int
    columns: Any


def columns(rows: Sequence[Row], hashes: Sequence[bytes]) -> Any:
    """Return *rows* and their *hashes*, column by column; there is at least one."""
    import nanoarrow  # noqa: PLC0415 - 40 ms that only a writer needs

    schema, values = _schema(), [*list(zip(*rows, strict=True))[: len(_COLUMNS) - 1], hashes]
    children = [nanoarrow.c_array(column, kind) for column, kind in zip(values, schema.fields, strict=True)]
    return nanoarrow.Array(nanoarrow.c_array_from_buffers(schema, len(rows), [None], children=children))


@contextlib.contextmanager
def let_in(db: "DuckDBPyConnection", incoming: Incoming) -> Iterator[None]:
    """Have `BATCH` mean what is *incoming* while the block runs."""
    db.register("incoming", incoming.columns)
    yield
    db.unregister("incoming")


@cache
def _schema() -> Any:
    import nanoarrow  # noqa: PLC0415 - see above

    return nanoarrow.struct({name: getattr(nanoarrow, kind)() for name, kind in _COLUMNS.items()})
