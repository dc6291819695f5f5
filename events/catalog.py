"""Writes ``docs/events.md`` and ``docs/events.schema.json`` from the declarations: ``just docs``."""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import NODEFAULT
from msgspec.inspect import Metadata, StructType, multi_type_info
from msgspec.structs import FieldInfo, fields

from obra.events import (
    ENDINGS,
    KINDS,
    AnyEvent,
    Content,
    Event,
    Value,
)

HEAD = """\
# Events

Made from the declarations in `events/` by `just docs`; a test keeps it current. JSON Schema of every event: \
[events.schema.json](events.schema.json). How they travel: [protocol.md](protocol.md).

Each event travels on the subject `obra.PROJECT.TASK.EVENT`, for example `obra.shop.t42.attempt.scored`; what \
concerns a whole project has `-` in place of the task. Fields with a default may be left out, and are left out \
when they equal it. Fields are only ever added, with a default.

"""


def markdown() -> str:
    """Return the whole page."""
    index = "\n".join(f"- [`{tag}`](#{tag.replace('.', '')}): {_line(kind)}" for tag, kind in KINDS.items())
    endings = "\n".join(f"| `{ending}` | {meaning} |" for ending, meaning in ENDINGS.items())
    parts = [HEAD, index, "\n\n", *(_section(kind) for kind in KINDS.values())]
    parts += ["# Parts of events\n\n", *(_section(kind, kind.__name__) for kind in _parts())]
    return "".join(parts) + f"## How an agent's run ends\n\n| ending | what it means |\n|---|---|\n{endings}\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of any event, with every part under ``$defs``."""
    (root,), parts = msgspec.json.schema_components([AnyEvent], ref_template="#/$defs/{name}")
    for part in parts.values():
        if said := part.get("description"):
            part["description"] = cleandoc(said)  # Python 3.13 takes the indentation away by itself
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Obra event", **root, "$defs": parts}


def _line(kind: type[Value] | type[Event]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _parts() -> list[type[Value]]:
    """Return every kind of value that an event is made of, Content first."""
    return [
        Content,
        *sorted((kind for kind in Value.__subclasses__() if kind is not Content), key=lambda k: k.__name__),
    ]


def _section(kind: type[Value] | type[Event], title: str = "") -> str:
    rows = "".join(_rows(kind))
    table = f"\n| field | type | default | meaning |\n|---|---|---|---|\n{rows}" if rows else ""
    return f"## {title or kind.__struct_config__.tag}\n\n{_line(kind)}\n{table}\n"


def _rows(kind: type[Value] | type[Event]) -> Iterator[str]:
    (info,) = multi_type_info([kind])
    assert isinstance(info, StructType)
    for field, seen in zip(fields(kind), info.fields, strict=True):
        yield f"| `{field.encode_name}` | {_type(field)} | {_default(field)} | {_meaning(seen.type)} |\n"


def _type(field: FieldInfo) -> str:
    (schema,), _ = msgspec.json.schema_components([field.type], ref_template="{name}")
    return _spell(schema)


def _spell(schema: dict[str, Any]) -> str:
    if ref := schema.get("$ref"):
        return str(ref)
    if options := schema.get("anyOf"):
        return " or ".join(_spell(option) for option in options)
    if values := schema.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if places := schema.get("prefixItems"):
        return "(" + ", ".join(_spell(place) for place in places) + ")"
    kind = schema.get("type")
    spelt = {
        "array": lambda: f"list of {_spell(schema.get('items') or {})}",
        "object": lambda: f"map to {_spell(schema.get('additionalProperties') or {})}",
        "integer": lambda: f"integer{_range(schema)}",
        "number": lambda: f"number{_range(schema)}",
    }.get(str(kind))
    return spelt() if spelt else str(kind)


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is None and high is None:
        return ""
    return f" {low}…{'' if high is None else high}"


def _default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    text = msgspec.json.encode(value).decode()
    return f"`{text}`" if len(text) <= 40 else "as declared"  # noqa: PLR2004 - what fits in a cell


def _meaning(info: object) -> str:
    if isinstance(info, Metadata):
        return str((info.extra_json_schema or {}).get("description", ""))
    return ""


def main(folder: Path) -> None:
    """Write both files into *folder*."""
    (folder / "events.md").write_text(markdown())
    (folder / "events.schema.json").write_bytes(msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
