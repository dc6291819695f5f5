"""Shuts a database instance in: no files, no network, no extensions, no settings, bounded memory and threads.

The first of three fences around a query, each sufficient for most attempts; the second is the check of its syntax
(`syntax.py`), the third that it runs in a read-only transaction, for a bounded time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

THREADS = 2
MEMORY_MAX = "3GB"
SPILL_MAX = "4GB"
WAL_MAX = "128MB"
"""How much is written ahead before it is folded into the file: some 90,000 events, nearly a row group. Folded in
sooner, the same row group would be compressed over and over, which takes most of the time that storing takes."""
NO_SHREDDING = "-1"
"""Bodies of sixty types of event share few fields: taking them apart costs as much as all else that storing does."""


def configure(db: "DuckDBPyConnection") -> None:
    """Shut *db* in for good: the whole instance, cursors included."""
    if db.execute("SELECT current_setting('lock_configuration')").fetchone() == (True,):
        return  # this process has the file open already, and the instance is shared
    settings = {
        "TimeZone": "UTC", "memory_limit": MEMORY_MAX, "wal_autocheckpoint": WAL_MAX,
        "variant_minimum_shredding_size": NO_SHREDDING, "threads": str(THREADS),
        "max_temp_directory_size": SPILL_MAX, "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
        "allow_community_extensions": "false", "enable_external_access": "false",
    }  # fmt: skip
    for name, value in settings.items():
        db.execute(f"SET GLOBAL {name} = '{value}'")
    db.execute("SET allowed_configs = ['operator_memory_limit']")
    db.execute("SET lock_configuration = true")


def bound(reader: "DuckDBPyConnection", query_memory: str) -> None:
    """Let what runs on *reader* use at most *query_memory*, e.g. ``1GB``, so that no query starves the writer."""
    reader.execute(f"SET SESSION operator_memory_limit = '{query_memory}'")
