"""What a query would make of text: refuses whatever could turn JSON into VARIANT, on which DuckDB crashes.

Text that is nested some ten thousand times overflows the stack of the thread that makes a VARIANT of it, and with it
goes the whole process, the writer of the store included. Casts that stand in a query are seen in its syntax
(`syntax.py`); those that DuckDB puts in by itself, as in ``lag(body, 1, '…'::JSON)`` or below a recursive query, stand
only in its plan. The plan asked for here is bound and not optimised, so nothing is evaluated in making it.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from obra.shared.store.errors import QueryFailed, QueryRefused
from obra.shared.store.tree import nodes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SIGNS = ("json", "variant", '"->', "recursive")
"""What every query has in it that makes something deep of text, but for those that mix the columns below."""
DOCUMENTS = ("decision", "shadow", "typed")
"""Tables and views with columns of type JSON."""
BODIES = ("event", "history")
"""Tables and views with columns of type VARIANT."""
STORED = "body_json"
"""The text of a body as the store has it, nested no deeper than `row.DEPTH_MAX`; `body` is the VARIANT made of it."""
NESTED = frozenset({"LIST", "ARRAY", "STRUCT", "MAP", "UNION"})

_PLAN = "SELECT json_serialize_plan(?, skip_null := true, skip_default := true, skip_empty := true)"


def suspected(tree: str) -> bool:
    """Return whether the plan has to be looked at; *tree* is the syntax tree as JSON. A plan costs up to 40 ms."""
    text = tree.casefold()
    mixed = all(any(f'"{name}"' in text for name in names) for names in (DOCUMENTS, BODIES))
    return mixed or any(sign in text for sign in SIGNS)


def check_plan(db: "DuckDBPyConnection", sql: str, tree: Any) -> None:
    """Raise `QueryRefused` where the plan of *sql*, whose syntax is *tree*, makes VARIANTs however deep."""
    if STORED in sql.casefold():
        raise QueryRefused(reason=f"{STORED} is for the store itself; body is made of it")
    if any(node.get("columns") is True or node.get("type") == "POSITIONAL_REFERENCE" for node in nodes(tree)):
        raise QueryRefused(reason="beside JSON or VARIANT columns are named, not chosen by COLUMNS or by number")
    row = db.execute(_PLAN, [sql]).fetchone()
    try:
        plan = json.loads(row[0]) if row else {"error": True, "error_message": "there is none"}
    except RecursionError as error:
        raise QueryRefused(reason="its plan is nested too deep") from error
    if plan["error"]:
        reason = str(plan.get("error_message"))
        if plan.get("error_type") == "internal":
            raise QueryRefused(reason=f"its plan can't be checked; give each parameter a type, `?::INTEGER` ({reason})")
        raise QueryFailed(reason=reason)
    for node in nodes(plan):
        if node.get("type") == "OPERATOR_CAST" and _deepens(node):
            raise QueryRefused(reason="it casts JSON, or something nested, to VARIANT; bodies are VARIANT already")


def _deepens(cast: Mapping[str, Any]) -> bool:
    """Return whether a VARIANT comes out that can be deeper than what went in, or as deep as a text says."""
    if not _holds(cast.get("return_type"), "id", "VARIANT"):
        return False
    if _is_body(cast):
        return False
    return any(
        source.get("id") != "VARIANT" and (source.get("id") in NESTED or _holds(source, "alias", "JSON"))
        for source in cast.get("arguments", [])
    )


def _is_body(cast: Mapping[str, Any]) -> bool:
    """Return whether this is how `body` is made. A query that is looked at can't name `STORED`, nor reach it else."""
    texts = [text for document in cast.get("children", []) for text in document.get("children", [])]
    return [text.get("alias") for text in texts] == [STORED] and texts[0].get("type") == "BOUND_REF"


def _holds(kind: Any, field: str, value: str) -> bool:
    return any(node.get(field) == value for node in nodes(kind))
