"""What a query may do: read the table and the views, and nothing else on this machine.

Three fences, each sufficient for most attempts: the database instance has no access to files, network, extensions
or its own settings; the statement must be one SELECT whose syntax tree names no function that reaches outside, runs
text as SQL, or acts; and it runs in a read-only transaction.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from obra.shared.store.errors import QueryFailed, QueryRefused
from obra.shared.store.schema import views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL_CHARS_MAX = 256 * 1024
THREADS = 2
MEMORY_MAX = "3GB"
SPILL_MAX = "4GB"
WAL_MAX = "128MB"
"""How much is written ahead before it is folded into the file: some 90,000 events, nearly a row group. Folded in
sooner, the same row group would be compressed over and over, which takes most of the time that storing takes."""
NO_SHREDDING = "-1"
"""Bodies of sixty types of event share few fields: taking them apart costs as much as all else that storing does."""

TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "duckdb_tables", "duckdb_columns",
    "duckdb_views", "duckdb_functions", "duckdb_types", "duckdb_keywords", "pragma_table_info", "pragma_version",
})  # fmt: skip
"""Functions that a query may read rows from, beside the views themselves."""

FORBIDDEN = frozenset({
    "getenv", "current_setting", "nextval", "currval", "pg_sleep", "sleep_ms", "write_log", "query", "query_table",
    "json_execute_serialized_sql", "variant_bytes_to_variant", "checkpoint", "force_checkpoint",
})  # fmt: skip
"""Functions that a query may not call anywhere."""

_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+|\([^)]*\)\s*)?", re.IGNORECASE)


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


def checked(db: "DuckDBPyConnection", sql: str) -> tuple[str, bool]:
    """Return the one statement in *sql* without its semicolon, and whether it may stand inside another SELECT.

    Raises `QueryRefused` for anything that is not a single SELECT that only reads, `QueryFailed` where it is no SQL.
    """
    if len(sql) > SQL_CHARS_MAX:
        raise QueryRefused(reason=f"it is longer than {SQL_CHARS_MAX:,} characters")
    if "\0" in sql:
        raise QueryRefused(reason="it holds a NUL character")
    statement = _only(db, sql)
    kind = statement.type.name
    text = _bare(db, statement.query)
    if kind == "EXPLAIN":
        explained, _ = checked(db, _EXPLAIN.sub("", text, count=1))
        if _EXPLAIN.match(explained):
            raise QueryRefused(reason="EXPLAIN inside EXPLAIN")
        return text, False
    if kind != "SELECT":
        raise QueryRefused(reason=f"only a SELECT may be asked, this is {kind}")
    _check_tree(db, text)
    return text, True


def _only(db: "DuckDBPyConnection", sql: str) -> Any:
    import duckdb  # noqa: PLC0415 - heavy, and only whoever asks needs it

    try:
        statements = db.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryFailed(reason=str(error)) from error
    if len(statements) != 1:
        raise QueryRefused(reason=f"one statement is allowed, these are {len(statements)}")
    return statements[0]


def _bare(db: "DuckDBPyConnection", text: str) -> str:
    """Return the statement *text* without the semicolons that end it and the comments after them."""
    while True:
        head, semicolon, tail = text.rpartition(";")
        if not semicolon or not _is_empty(db, tail):
            return text
        text = head


def _is_empty(db: "DuckDBPyConnection", text: str) -> bool:
    """Return whether *text* is blank, or comments; a piece of a text or a comment that was cut open is not."""
    import duckdb  # noqa: PLC0415 - heavy

    try:
        return not db.extract_statements(text)
    except duckdb.Error:
        return False


def _check_tree(db: "DuckDBPyConnection", sql: str) -> None:
    row = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True, "error_message": "no syntax tree"}
    if tree["error"]:
        raise QueryRefused(reason=f"its syntax can't be checked: {tree.get('error_message')}")
    tables = TABLE_FUNCTIONS | set(views())
    for node in _nodes(tree):
        name = str(node.get("function_name", "")).casefold()
        if name in FORBIDDEN:
            raise QueryRefused(reason=f"the function {name} is not allowed")
        if node.get("type") == "TABLE_FUNCTION":
            called = str(node.get("function", {}).get("function_name", "")).casefold()
            if called not in tables:
                raise QueryRefused(reason=f"the table function {called} is not allowed")


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object of a JSON document, however deep."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
