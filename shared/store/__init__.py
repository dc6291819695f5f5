"""The store: one append-only table in DuckDB and the views over it. log-sink is its only writer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from obra.shared.store.chain import GENESIS, Broken, first_broken, link
from obra.shared.store.confine import configure
from obra.shared.store.derived import SETTLE_BEHIND, SETTLE_EVERY, settle, take_back, type_batch, unsettled
from obra.shared.store.errors import StoreDamaged, StoreFailed, StoreLocked
from obra.shared.store.incoming import BATCH, Incoming, columns, let_in
from obra.shared.store.row import Row
from obra.shared.store.schema import SCHEMA, prepare

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Lost", "Row", "Store", "opened"]

LOCK_TRIES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.5)
VERIFY_ROWS = 5_000
CLOSE_TRIES, CLOSE_PAUSE_S = 20, 0.05
UNCOMMITTED_MAX = 122_880
"""Rows in one transaction: as many as DuckDB compresses together, so that what comes in bulk is compressed once, and
never written to the write-ahead log."""
NOWHERE = -1
"""Where a store has come to that failed: nothing can be added behind it, whoever has made something ready."""
LACKING = (
    "Permission denied", "No space left", "Read-only file system", "Too many open files", "invalidated",
    "Out of Memory",
)  # fmt: skip
"""What DuckDB says where the machine is at fault, and not the file."""

_ADD = f"INSERT INTO event FROM {BATCH}"
_UNREPORTED = """
SELECT position, project, task, coalesce(type, ''), problem, raw[:200] FROM event
WHERE problem IS NOT NULL AND type NOT LIKE 'message.%' AND position NOT IN (
    SELECT TRY_CAST(body_json->>'position' AS UBIGINT) FROM event
    WHERE type = 'message.rejected' AND problem IS NULL AND TRY_CAST(body_json->>'position' AS UBIGINT) IS NOT NULL
) ORDER BY position LIMIT ?
"""


def opened(path: Path, *, read_only: bool = False) -> "DuckDBPyConnection":
    """Return a confined connection to the file *path*.

    Raises `StoreLocked` after 3 s if another process has it open, `StoreDamaged` if it is no readable database.
    """
    import duckdb  # noqa: PLC0415 - heavy, and the console reaches this module

    problem: duckdb.Error | None = None
    for wait_s in LOCK_TRIES:
        time.sleep(wait_s)
        try:
            db = duckdb.connect(path, read_only=read_only)
        except duckdb.Error as error:
            problem = error
            if "lock" not in str(error):
                raise _unreadable(path, error) from error
        else:
            configure(db)
            return db
    raise StoreLocked(path=path, holder=_holder(str(problem))) from problem


def _unreadable(path: Path, error: Exception) -> StoreDamaged | StoreFailed:
    text = str(error).splitlines()[0]
    lacking = any(sign in text for sign in LACKING)
    return StoreFailed(path=path, reason=text) if lacking else StoreDamaged(path=path, reason=text)


def _holder(message: str) -> str:
    """Return who has the file, from DuckDB's message: ``… is held in /usr/bin/python (PID 7) …``."""
    found = message.partition("PID ")[2].partition(")")[0]
    return f"process {found}" if found.isdigit() else "unknown"


@dataclass(frozen=True, slots=True)
class Lost:
    """A stored message that is no event; ``raw`` is its beginning."""

    position: int
    project: str | None
    task: str | None
    type: str
    problem: str
    raw: bytes


class Store:
    """The writer's end of the file *path*: rows go in by the batch, and the watermark moves with them.

    Opening raises as `opened` does. Not safe for use by two threads at once; queries use a `cursor` each.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        import duckdb  # noqa: PLC0415 - heavy

        self.path = path
        self.db = opened(path)
        path.chmod(0o600)
        try:
            prepare(self.db)
            self._ready = self.watermark, _ = self._end()
            self._at, self._uncommitted = self.watermark, 0
            self.db.execute("SET VARIABLE storing = true")
        except (duckdb.Error, OverflowError) as error:
            self.db.close()
            raise _unreadable(path, error) from error
        except StoreDamaged:
            self.db.close()
            raise

    def _end(self) -> tuple[int, bytes]:
        """Return the watermark and the newest hash; `StoreDamaged` if they and the rows disagree."""
        row = self.db.execute("SELECT watermark, schema FROM sink").fetchall()
        newest = self.db.execute("SELECT position, raw, hash FROM event ORDER BY position DESC LIMIT 2").fetchall()
        if len(row) != 1 or row[0][1] != SCHEMA:
            raise StoreDamaged(path=self.path, reason=f"it is laid out for another version ({row})")
        watermark = int(row[0][0])
        if watermark != (newest[0][0] if newest else 0):
            raise StoreDamaged(path=self.path, reason=f"its rows end elsewhere than its watermark {watermark}")
        if not newest:
            return 0, GENESIS
        position, raw, head = newest[0]
        if link(newest[1][2] if len(newest) > 1 else GENESIS, position, raw) != head:
            raise StoreDamaged(path=self.path, reason=f"the hash of position {position} is not that of its message")
        return watermark, head

    def append(self, rows: Sequence[Row], *, more: bool = False) -> None:
        """Make *rows* ready, add them, and settle; see `ready`, `add` and `settle`."""
        self.add(self.ready(rows), more=more)
        self.settle(behind=more)

    def ready(self, rows: Sequence[Row]) -> Incoming:
        """Return *rows*, in order and behind those that were made ready before, as what can be added.

        It can be made in one thread while another one adds what was made ready before.
        """
        (at, head), hashes = self._ready, list[bytes]()
        for row in rows:
            if row.position <= at:
                raise ValueError(f"position {row.position} comes after {at}")
            at, head = row.position, link(head, row.position, row.raw)
            hashes.append(head)
        made = Incoming(self._ready[0], at, head, len(rows), columns(rows, hashes))
        self._ready = at, head
        return made

    def add(self, incoming: Incoming, *, more: bool = False) -> None:
        """Add what is *incoming*, all or none; it is committed unless *more* follows at once.

        With *more* it is committed with a later call, or once there are `UNCOMMITTED_MAX`; the watermark tells.
        Raises `StoreFailed` where the file can't be written; the store must then be closed and opened again.
        """
        import duckdb  # noqa: PLC0415 - heavy

        if incoming.after != self._at:
            raise ValueError(f"what comes after {incoming.after} can't be added after {self._at}")
        try:
            if not self._uncommitted:
                self.db.begin()
            with let_in(self.db, incoming):
                self.db.execute(_ADD)
                type_batch(self.db, self._at)
            self._at, self._uncommitted = incoming.last, self._uncommitted + incoming.size
            if not more or self._uncommitted >= UNCOMMITTED_MAX:
                self._commit()
        except duckdb.Error as error:
            self._at = NOWHERE
            raise StoreFailed(path=self.path, reason=str(error).splitlines()[0]) from error

    def _commit(self) -> None:
        """Commit, with what the rows take back of all that came before: that is looked for once a transaction."""
        take_back(self.db, self.watermark)
        self.db.execute("UPDATE sink SET watermark = ?", [self._at])
        self.db.commit()
        self.watermark, self._uncommitted = self._at, 0

    def settle(self, *, behind: bool = False) -> None:
        """Settle in a transaction of its own, if all is committed and much is unsettled; no answer depends on it.

        Where the store is far *behind* the stream that is done more rarely. Raises `StoreFailed` as `add` does.
        """
        import duckdb  # noqa: PLC0415 - heavy

        if self._uncommitted:
            return
        try:
            if unsettled(self.db, self._at, SETTLE_BEHIND if behind else SETTLE_EVERY):
                self.db.begin()
                settle(self.db)
                self.db.commit()
        except duckdb.Error as error:
            self._at = NOWHERE
            raise StoreFailed(path=self.path, reason=str(error).splitlines()[0]) from error

    def unreported(self, rows_max: int) -> list[Lost]:
        """Return what is no event and for which no message.rejected is stored: the first *rows_max*, in order.

        What came as `message.*` is never among it: nothing is said about what is said about messages.
        """
        import duckdb  # noqa: PLC0415 - heavy

        try:
            found = self.db.execute(_UNREPORTED, [rows_max]).fetchall()
        except duckdb.Error as error:
            raise _unreadable(self.path, error) from error
        return [Lost(*row) for row in found]

    def raw(self, position: int) -> bytes | None:
        """Return the message at *position* as it came, or None."""
        found = self.db.execute("SELECT raw FROM event WHERE position = ?", [position]).fetchall()
        return bytes(found[0][0]) if found else None

    def cursor(self) -> "DuckDBPyConnection":
        """Return a connection of its own to the same database, for a thread that reads."""
        return self.db.cursor()

    def checkpoint(self) -> None:
        """Commit what is not, settle, and write everything into the file itself, so that a copy of it is whole."""
        if self._uncommitted:
            self._commit()
        self.settle()
        self.db.execute("CHECKPOINT")

    def verify(self) -> Broken | None:
        """Return where the chain of hashes breaks first, or None: every message is as it came."""
        reader = self.cursor()
        try:
            reader.execute("SELECT position, raw, hash FROM event ORDER BY position")
            return first_broken(row for rows in iter(lambda: reader.fetchmany(VERIFY_ROWS), []) for row in rows)
        finally:
            reader.close()

    def close(self) -> None:
        """Write everything into the file itself and let go of it."""
        import duckdb  # noqa: PLC0415 - heavy

        for left in reversed(range(CLOSE_TRIES)):  # DuckDB refuses while another thread is about to let go of it
            try:
                self.db.close()
                return
            except duckdb.Error:
                if not left:
                    raise
                time.sleep(CLOSE_PAUSE_S)
