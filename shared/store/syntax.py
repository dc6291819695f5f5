"""What a query may say: one SELECT that calls nothing that reaches outside, runs text as SQL, acts, or never stops.

The second of the fences around a query; see `confine.py`. The syntax tree is DuckDB's own, so that nothing is
guessed from the text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from obra.shared.store.errors import QueryFailed, QueryRefused
from obra.shared.store.plan import check_plan, suspected
from obra.shared.store.schema import views
from obra.shared.store.tree import depth, nodes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL_CHARS_MAX = 256 * 1024
SIZE_MAX = 1_000_000
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
    "cast_to_type", "replace_type", "json_contains", "json_pretty",
    "levenshtein", "editdist3", "damerau_levenshtein", "bitstring", "bitstring_agg",
})  # fmt: skip
"""Functions that a query may not call anywhere. Those of the last two lines crash on long text, or never end."""

BUILT_IN = frozenset({
    "pg_settings", "pg_prepared_statements", "pragma_database_list", "duckdb_databases", "duckdb_logs",
})  # fmt: skip
"""DuckDB's own views that tell of the machine: settings, paths, what others ask."""

HOARDING = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg", "histogram", "map"})
SIZED = {
    "range": 0, "generate_series": 0, "repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1,
}  # fmt: skip
"""Functions that make something of a stated size in one go, and from which argument on it is stated."""

GROWING = {
    "replace": 2, "regexp_replace": 2, "array_to_string": 1, "string_agg": 1, "group_concat": 1, "listagg": 1,
    "list_string_agg": 1, "list_aggregate": 2, "list_aggr": 2, "array_aggregate": 2, "array_aggr": 2, "aggregate": 2,
}  # fmt: skip
GROWTH_CHARS_MAX = 64
"""Functions that put a text in many places, and which argument it is; DuckDB counts none of the memory that takes."""

PADDING = frozenset({"format", "printf"})
_WIDTH = re.compile(r"\d{5}")

_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+|\([^)]*\)\s*)?", re.IGNORECASE)


def checked(db: "DuckDBPyConnection", sql: str) -> tuple[str, bool]:
    """Return the one statement in *sql* without its semicolon, and whether it may stand inside another SELECT.

    Raises `QueryRefused` for anything that is not a single SELECT that only reads, `QueryFailed` where it is no SQL.
    """
    if len(sql) > SQL_CHARS_MAX:
        raise QueryRefused(reason=f"it is longer than {SQL_CHARS_MAX:,} characters")
    if "\0" in sql:
        raise QueryRefused(reason="it holds a NUL character")
    statement = _only(db, sql)
    kind = _kind(statement)
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


def _check_tree(db: "DuckDBPyConnection", sql: str) -> None:
    row = db.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True, "error_message": "no syntax tree"}
    except RecursionError as error:
        raise QueryRefused(reason="it is nested too deep") from error
    if depth(tree) > DEPTH_MAX:
        raise QueryRefused(reason="it is nested too deep")
    if tree["error"]:
        raise QueryRefused(reason=f"its syntax can't be checked: {tree.get('error_message')}")
    tables, streamed = TABLE_FUNCTIONS | set(views()), set[int]()
    for node in nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            streamed.add(id(node.get("function")))
            called = _name(node.get("function", {}))
            if called not in tables:
                raise QueryRefused(reason=f"the table function {called} is not allowed")
        if node.get("type") == "BASE_TABLE" and (read := str(node.get("table_name")).casefold()) in BUILT_IN:
            raise QueryRefused(reason=f"the view {read} is not for queries")
        if reason := _objection(node, streams=id(node) in streamed):
            raise QueryRefused(reason=reason)
    if row and suspected(row[0]):
        check_plan(db, sql, tree)


def _objection(node: Mapping[str, Any], *, streams: bool) -> str:
    """Return what is wrong with one *node* of the tree, or nothing; *streams*: it yields rows, and can be stopped."""
    name = _name(node)
    match node.get("class"):
        case "CAST" if _makes_variants(node):
            return "a cast to VARIANT is not allowed; bodies are VARIANT already"
        case "WINDOW" if name in HOARDING:
            return f"the function {name} is not allowed as a window function: it can't be interrupted"
        case _ if name in FORBIDDEN or name.startswith("__internal"):
            return f"the function {name} is not allowed"
        case "FUNCTION" if name in SIZED and not streams:
            return _too_large(name, _arguments(node))
        case "FUNCTION" if name in GROWING:
            return _too_long(name, _arguments(node))
        case "FUNCTION" if name in PADDING and _too_wide(_arguments(node)):
            return f"{name} takes a form that is written out, with widths up to 9,999"
        case _:
            return ""


def _too_large(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return why a call that makes something of a stated size is refused: DuckDB can't be interrupted in it."""
    for argument in arguments[SIZED[name] :]:
        literal = argument.get("expression", {}).get("literal", {})
        if literal.get("kind") == "STRING" and name in ("lpad", "rpad"):
            continue
        text = str(literal.get("text", ""))
        if not text.lstrip("-").isdigit() or abs(int(text)) > SIZE_MAX:
            return f"{name} takes plain numbers up to {SIZE_MAX:,} here; FROM range(…) has no such bound"
    return ""


def _too_long(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return why a call that puts one text in many places is refused: it fills the machine's memory."""
    for argument in arguments[GROWING[name] : GROWING[name] + 1]:
        literal = argument.get("expression", {}).get("literal", {})
        if "kind" not in literal or len(str(literal.get("text", ""))) > GROWTH_CHARS_MAX:
            return f"{name} puts in only a text that is written out, of up to {GROWTH_CHARS_MAX} characters"
    return ""


def _too_wide(arguments: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a form may ask for gigabytes of padding."""
    text = arguments[0].get("expression", {}).get("literal", {}).get("text") if arguments else ""
    return text is None or _WIDTH.search(str(text)) is not None


def _makes_variants(cast: Mapping[str, Any]) -> bool:
    """Return whether a cast could make VARIANTs of text: DuckDB crashes on text that is nested very deep.

    ``body.checks::VARIANT[]`` takes a VARIANT apart, and is allowed.
    """
    kind = cast.get("type_expr", {})
    if kind.get("type_name") == "list" and cast.get("child", {}).get("class") == "COLUMN_REF":
        kind = {"children": kind["children"][0].get("children", [])} if kind.get("children") else {}
    return any(str(node.get("type_name", "")).casefold() == "variant" for node in nodes(kind))


def _arguments(call: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = call.get("arguments", [])
    return found


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("function_name", "")).casefold()
