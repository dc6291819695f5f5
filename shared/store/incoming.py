"""Rows on their way into DuckDB: columns in Arrow's form, which DuckDB reads where they lie.

Its appender takes rows value by value and keeps a copy of them: three times the processor time, and all of it while
Python's lock is held.
"""

import contextlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from obra.shared.store.row import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NIL = "0" * 32
_COLUMNS = {
    "position": "uint64", "id": "uuid", "project": "string", "task": "string", "type": "string",
    "happened_us": "int64", "cause": "uuid", "correlation": "uuid", "service": "string", "body": "json",
    "raw": "bytes", "problem": "string", "stored_us": "int64", "hash": "bytes",
}  # fmt: skip
"""The fields of `Row`, but for the log's line, and the hash."""
assert tuple(_COLUMNS)[:-1] == Row._fields[: len(_COLUMNS) - 1]

BATCH = """(
SELECT position, id, project, task, type, make_timestamptz(happened_us) AS happened_at, cause, correlation, service,
    body AS body_json, raw, hash, problem, make_timestamptz(stored_us) AS stored_at
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
    children = [
        _MADE.get(kind, nanoarrow.c_array)(column, field)
        for column, kind, field in zip(values, _COLUMNS.values(), schema.fields, strict=True)
    ]
    return nanoarrow.Array(nanoarrow.c_array_from_buffers(schema, len(rows), [None], children=children))


def _uuids(values: Sequence[str | None], field: Any) -> Any:
    """Return texts of UUIDs as DuckDB keeps them: to have it read the texts would cost more than all else here."""
    import nanoarrow  # noqa: PLC0415 - see above

    packed = bytes.fromhex("".join(one or NIL for one in values).replace("-", ""))
    return nanoarrow.c_array_from_buffers(field, len(values), [_validity(values), packed])


def _pieces(values: Sequence[bytes | None], field: Any) -> Any:
    """Return bytes one after the other, and where each of them begins. They may come to more than 2 GiB together."""
    import nanoarrow  # noqa: PLC0415 - see above

    begins = array("q", accumulate((len(one) if one else 0 for one in values), initial=0))
    joined = b"".join([one or b"" for one in values])
    return nanoarrow.c_array_from_buffers(field, len(values), [_validity(values), begins, joined])


def _validity(values: Sequence[object]) -> bytes | None:
    """Return a bit for each value, the lowest first: whether it is there. None where all are."""
    if None not in values:
        return None
    bits = "".join("0" if one is None else "1" for one in reversed(values))
    return int(bits, 2).to_bytes(-(-len(values) // 8), "little")


_MADE: dict[str, Callable[[Sequence[Any], Any], Any]] = {"uuid": _uuids, "json": _pieces, "bytes": _pieces}


@contextlib.contextmanager
def let_in(db: "DuckDBPyConnection", incoming: Incoming) -> Iterator[None]:
    """Have `BATCH` mean what is *incoming* while the block runs."""
    db.register("incoming", incoming.columns)
    yield
    db.unregister("incoming")


@cache
def _schema() -> Any:
    import nanoarrow  # noqa: PLC0415 - see above

    kinds = {
        "uuid": nanoarrow.extension_type(nanoarrow.fixed_size_binary(16), "arrow.uuid"),
        "json": nanoarrow.large_string(), "bytes": nanoarrow.large_binary(), "string": nanoarrow.string(),
        "uint64": nanoarrow.uint64(), "int64": nanoarrow.int64(),
    }  # fmt: skip
    return nanoarrow.struct({name: kinds[kind] for name, kind in _COLUMNS.items()})
