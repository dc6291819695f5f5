"""A DuckDB of our own for work on files: never for what a user asks, so it may read and write where it is told."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from obra.shared.errors import EnvironmentLacks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY, THREADS = "2GB", 2


class ArchiveFailed(EnvironmentLacks):
    """DuckDB can't do it: {reason}"""


@contextlib.contextmanager
def workbench(**files: Path) -> Iterator["DuckDBPyConnection"]:
    """Yield a connection with each of *files* attached under its name, read-only, but for one called ``target``.

    What DuckDB refuses becomes `ArchiveFailed`: a full disk, a file that is no database.
    """
    import duckdb  # noqa: PLC0415 - heavy

    db = duckdb.connect()
    try:
        settings = {
            "TimeZone": "UTC", "memory_limit": MEMORY, "threads": str(THREADS), "enable_progress_bar": "false",
            "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }  # fmt: skip
        for name, value in settings.items():
            db.execute(f"SET {name} = '{value}'")
        for name, path in files.items():
            mode = "" if name == "target" else " (READ_ONLY)"
            db.execute(f"ATTACH {literal(path)} AS {name}{mode}")
        yield db
    except duckdb.Error as error:
        raise ArchiveFailed(reason=str(error).splitlines()[0]) from error
    finally:
        db.close()


def literal(value: object) -> str:
    """Return *value* as an SQL text."""
    return "'" + str(value).replace("'", "''") + "'"
