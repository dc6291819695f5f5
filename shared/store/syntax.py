"""What a query may say: one SELECT that calls nothing that reaches outside, runs text as SQL, acts, or never stops.

The second of the fences around a query; see `confine.py`. The syntax tree is DuckDB's own, so that nothing is
guessed from the text.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from obra.shared.store.bounds import excess
from obra.shared.store.errors import QueryFailed, QueryRefused, QueryUnstoppable
from obra.shared.store.plan import check_plan, suspected
from obra.shared.store.schema import views
from obra.shared.store.tree import depth, nodes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL_CHARS_MAX = 256 * 1024
DEPTH_MAX = 800
"""Of the syntax tree. Python 3.11 reads a JSON document no deeper than about 990; later versions do."""

TABLE_FUNCTIONS = frozenset({
    "range", "generate_series", "unnest", "repeat", "json_each", "duckdb_tables", "duckdb_columns",
    "duckdb_views", "duckdb_functions", "duckdb_types", "duckdb_keywords", "pragma_table_info", "pragma_version",
})  # fmt: skip
"""Functions that a query may read rows from, beside the views themselves."""

FORBIDDEN = frozenset({
    "getenv", "current_setting", "nextval", "currval", "setval", "setseed", "pg_sleep", "sleep_ms", "write_log",
    "query", "query_table", "json_execute_serialized_sql", "json_serialize_plan", "json_deserialize_sql",
    "variant_bytes_to_variant", "variant_to_parquet_variant", "checkpoint", "force_checkpoint",
    "cast_to_type", "replace_type",
})  # fmt: skip
"""Functions that a query may not call anywhere."""

BUILT_IN = frozenset({
    "pg_settings", "pg_prepared_statements", "pragma_database_list", "duckdb_databases", "duckdb_logs",
})  # fmt: skip
"""DuckDB's own views that tell of the machine: settings, paths, what others ask."""

_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+|\([^)]*\)\s*)?", re.IGNORECASE)


def checked(db: "DuckDBPyConnection", sql: str, *, alone: bool = False) -> tuple[str, bool]:
    """Return the one statement in *sql* without its semicolon, and whether it may stand inside another SELECT.

    Raises `QueryRefused` for anything that is not a single SELECT that only reads, `QueryFailed` where it is no SQL,
    and `QueryUnstoppable` where nothing is wrong but that it needs a process of its own, unless it is *alone* in one.
    """
    if len(sql) > SQL_CHARS_MAX:
        raise QueryRefused(reason=f"it is longer than {SQL_CHARS_MAX:,} characters")
    if "\0" in sql:
        raise QueryRefused(reason="it holds a NUL character")
    statement = _only(db, sql)
    kind = _kind(statement)
    text = _bare(db, statement.query)
    if kind == "EXPLAIN":
        explained, _ = checked(db, _EXPLAIN.sub("", text, count=1), alone=alone)
        if _EXPLAIN.match(explained):
            raise QueryRefused(reason="EXPLAIN inside EXPLAIN")
        return text, False
    if kind != "SELECT":
        raise QueryRefused(reason=f"only a SELECT may be asked, this is {kind}")
    _check_tree(db, text, alone=alone)
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


def _kind(statement: Any) -> str:
    try:
        return str(statement.type.name)
    except ValueError:  # DuckDB knows more kinds of statement than its Python has names for
        return "no question"


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


def _check_tree(db: "DuckDBPyConnection", sql: str, *, alone: bool) -> None:
    text, tree = _tree(db, sql)
    tables, streamed = TABLE_FUNCTIONS | set(views()), set[int]()
    for node in nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            streamed.add(id(node.get("function")))
            called = _name(node.get("function", {}))
            if called not in tables:
                raise QueryRefused(reason=f"the table function {called} is not allowed")
        if node.get("type") == "BASE_TABLE" and (read := str(node.get("table_name")).casefold()) in BUILT_IN:
            raise QueryRefused(reason=f"the view {read} is not for queries")
        if reason := _objection(node):
            raise QueryRefused(reason=reason)
    if not alone and (reason := excess(tree, streamed)):
        raise QueryUnstoppable(reason=reason)
    if suspected(text):
        check_plan(db, sql, tree)


def _tree(db: "DuckDBPyConnection", sql: str) -> tuple[str, Any]:
    """Return the syntax tree of *sql* as JSON, and what that says."""
    row = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    text = row[0] if row else '{"error": true, "error_message": "no syntax tree"}'
    try:
        tree = json.loads(text)
    except RecursionError as error:
        raise QueryRefused(reason="it is nested too deep") from error
    if depth(tree) > DEPTH_MAX:
        raise QueryRefused(reason="it is nested too deep")
    if tree["error"]:
        raise QueryRefused(reason=f"its syntax can't be checked: {tree.get('error_message')}")
    return text, tree


def _objection(node: Mapping[str, Any]) -> str:
    """Return what is wrong with one *node* of the tree, or nothing."""
    name = _name(node)
    match node.get("class"):
        case "CAST" if _makes_variants(node):
            return "a cast to VARIANT is not allowed; bodies are VARIANT already"
        case _ if name in FORBIDDEN or name.startswith("__internal"):
            return f"the function {name} is not allowed"
        case _:
            return ""


def _makes_variants(cast: Mapping[str, Any]) -> bool:
    """Return whether a cast could make VARIANTs of text: DuckDB crashes on text that is nested very deep.

    ``body.checks::VARIANT[]`` takes a VARIANT apart, and is allowed.
    """
    kind = cast.get("type_expr", {})
    if kind.get("type_name") == "list" and cast.get("child", {}).get("class") == "COLUMN_REF":
        kind = {"children": kind["children"][0].get("children", [])} if kind.get("children") else {}
    return any(str(node.get("type_name", "")).casefold() == "variant" for node in nodes(kind))


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("function_name", "")).casefold()
