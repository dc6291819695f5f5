"""Values as people write them in files and settings: every key known, every number in its range, errors in words."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

Made = TypeVar("Made", bound=msgspec.Struct)

CONTAINERS = {"tuple_type": "a list", "dict_type": "a table", "model_type": "a table"}
"""What errors about types of Python are about to whoever writes TOML or JSON."""


def converted(value: dict[str, Any], kind: type[Made]) -> Made:
    """Return *value* as *kind*; ValueError names a key that it does not have, at any depth, or a value that is wrong.

    Numbers and switches may be given as text, as environment variables hold them.
    """
    unknown(value, kind, "")
    return msgspec.convert(value, kind, strict=False)


def unknown(value: dict[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    """Raise ValueError for the first key of *value* that *kind* does not have."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for key, inner in value.items():
        if key not in fields:
            raise ValueError(f"unknown key {where + key!r}")
        if (
            isinstance(inner, dict)
            and isinstance(table := fields[key].type, type)
            and issubclass(table, msgspec.Struct)
        ):
            unknown(inner, table, f"{where}{key}.")


def plainly(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors says, in the words of files rather than of Python."""
    if kind := CONTAINERS.get(error["type"]):
        return f"Input should be {kind}"
    return str(error["msg"]).removeprefix("Value error, ").replace("Tuple should", "List should")
