"""Rows on their way into DuckDB: columns in Arrow's form, which DuckDB reads where they lie.

Its appender takes rows value by value and keeps a copy of them: three times the processor time, and all of it while
Python's lock is held.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

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


def let_in(db: "DuckDBPyConnection", rows: Sequence[Row], hashes: Sequence[bytes]) -> None:
    """Have `BATCH` mean *rows* and their *hashes*, until `let_go`; there is at least one."""
    import nanoarrow  # noqa: PLC0415 - 40 ms that only a writer needs

    schema, values = _schema(), [*list(zip(*rows, strict=True))[: len(_COLUMNS) - 1], hashes]
    children = [nanoarrow.c_array(column, kind) for column, kind in zip(values, schema.fields, strict=True)]
    whole = nanoarrow.c_array_from_buffers(schema, len(rows), [None], children=children)
    db.register("incoming", nanoarrow.Array(whole))


def let_go(db: "DuckDBPyConnection") -> None:
    """Keep nothing of what was let in."""
    db.unregister("incoming")


@cache
def _schema() -> Any:
    import nanoarrow  # noqa: PLC0415 - see above

    return nanoarrow.struct({name: getattr(nanoarrow, kind)() for name, kind in _COLUMNS.items()})
