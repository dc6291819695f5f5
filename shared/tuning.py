"""A policy with some of its fields set otherwise: what ``--set decision.KEY=VALUE`` says, wherever it is said.

It travels as it was written, in `task.submitted` and `goal.submitted`; what came of it stands in full in
`task.readied`.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from obra.events import Policy
from obra.shared.errors import BadUsage

PREFIX = "decision."
OF_ALL = frozenset({"tasks_max", "project_tasks_max"})
"""Fields that can't be another task's and one's own at the same time."""

Changes = dict[str, Any]
"""What is set otherwise: values by dotted name, `accept_confidence` or `breakpoints.low_confidence`."""


def changes(settings: Sequence[str]) -> Changes:
    """Return what `decision.KEY=VALUE` settings say; `BadUsage` names the one that is wrong."""
    return {key: values(key, text, many=False)[0] for key, text in map(split, settings)}


def apply(policy: Policy, changed: Changes) -> Policy:
    """Return *policy* with *changed* in it; `BadUsage` for what a policy can't be."""
    tree = msgspec.to_builtins(policy)
    for key, value in changed.items():
        *tables, last = key.split(".")
        at = tree
        for table in tables:
            at = at.setdefault(table, {})
        at[last] = value
    try:
        return msgspec.convert(tree, Policy, strict=False)
    except msgspec.ValidationError as error:
        raise BadUsage(problem=f"no policy has {', '.join(changed)} like that: {error}") from error


def tuned(policy: Policy, settings: Sequence[str]) -> Policy:
    """Return *policy* as *settings* have it; those in which `fault` finds something change nothing.

    Whoever says them is refused with that fault, so nobody is worked for under a policy that they did not mean.
    """
    return policy if not settings or fault(settings) else apply(policy, changes(settings))


def fault(settings: Sequence[str]) -> str:
    """Return what is wrong with the *settings* of one task; empty: nothing is."""
    if not settings:
        return ""
    from obra.shared.expression import BadExpression  # noqa: PLC0415 - only where there are rules
    from obra.shared.rulebook import check  # noqa: PLC0415

    try:
        changed = changes(settings)
        policy = apply(Policy(), changed)
        check(policy.rules)
        if msgspec.json.decode(msgspec.json.encode(policy), type=Policy) != policy:
            return "a number is not finite"
    except (BadUsage, BadExpression) as error:
        return str(error)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        return f"no policy can be put on record like that: {error}"
    if shared := sorted(OF_ALL & changed.keys()):
        return f"{PREFIX}{shared[0]} holds for all tasks: set it in obra.toml"
    if not policy.weight_checks + policy.weight_change + policy.weight_ending:
        return "weight_checks, weight_change and weight_ending can't all be 0"
    return ""


def split(setting: str) -> tuple[str, str]:
    """Return name and text of one setting, whose name is one of the policy's."""
    name, equals, text = setting.partition("=")
    key = name.strip().removeprefix(PREFIX)
    if not equals or not name.strip().startswith(PREFIX):
        raise BadUsage(problem=f"{setting!r} is no `decision.KEY=VALUE`; `decision.accept_confidence=0.9` is one")
    kind: Any = Policy
    for part in key.split("."):
        fields = getattr(kind, "__struct_fields__", ())
        if not fields:
            raise BadUsage(problem=f"{key!r} goes too deep: what is above its last dot takes one value")
        if part not in fields:
            raise BadUsage(problem=f"a policy has no {key!r}; there are: {', '.join(fields)}")
        kind = msgspec.structs.fields(kind)[fields.index(part)].type
    return key, text.strip()


def values(key: str, text: str, *, many: bool) -> list[Any]:
    """Return the value or, comma by comma, the values in *text*, each one that a policy may have."""
    found = [_value(piece.strip()) for piece in text.split(",")] if many and text[:1] != "[" else [_value(text)]
    for value in found:
        apply(Policy(), {key: value})
    return list(dict.fromkeys(found)) if many else found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError:
        return text
    except (RecursionError, ValueError) as error:
        raise BadUsage(problem=f"{text[:40]!r}… is no value that a policy can have") from error


def _no_number(text: str) -> Any:
    raise BadUsage(problem=f"{text} is no value that a policy can have")
