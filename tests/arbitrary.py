"""Any event that the language allows, and any past, for property tests.

Events are built from their own declarations, so an event that is added tomorrow is covered without a change here.
"""

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from obra.events import KINDS, Event
from tests.simulation.world import World

SEEDS = 100
SMALL = 3
"""Attempts and runs are drawn from 1 to this, so that events of one past meet."""


@cache
def events(*kinds: type[Event]) -> st.SearchStrategy[Event]:
    return st.one_of([_struct(kind) for kind in kinds or tuple(KINDS.values())])


def pasts() -> st.SearchStrategy[list[Event]]:
    """Return pasts of both sorts: any events at all, and what really happens with something strange put in."""
    return st.one_of(st.lists(events(), max_size=12), plausible(), disturbed())


@cache
def _played(seed: int) -> list[Event]:
    return World(seed).play()


@st.composite
def plausible(draw: st.DrawFn) -> list[Event]:
    """Return the beginning of what happened in a simulated world."""
    log = _played(draw(st.integers(0, SEEDS)))
    return log[: draw(st.integers(0, len(log)))]


@st.composite
def disturbed(draw: st.DrawFn) -> list[Event]:
    past = draw(plausible())
    for event in draw(st.lists(events(), max_size=3)):
        past.insert(draw(st.integers(0, len(past))), event)
    return past


def _struct(kind: type[Any]) -> st.SearchStrategy[Any]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    required = {f.name: _field(f) for f in described.fields if f.required}
    optional = {f.name: _field(f) for f in described.fields if not f.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


def _field(field: inspect.Field) -> st.SearchStrategy[Any]:
    if field.name in ("attempt", "run"):
        return st.integers(1, SMALL)
    return _any(field.type)


def _any(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0912 - one line a type
    match kind:
        case inspect.Metadata():
            return _any(kind.type)
        case inspect.StructType():
            return _struct(kind.cls)
        case inspect.UnionType():
            return st.one_of([_any(one) for one in kind.types])
        case inspect.LiteralType():
            return st.sampled_from(list(kind.values))
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(_bound(kind.ge, -1_000), _bound(kind.le, 10_000))
        case inspect.FloatType():
            low = kind.gt if kind.gt is not None else _bound(kind.ge, -1_000)
            open_below = kind.gt is not None
            return st.floats(low, _bound(kind.le, 100_000), exclude_min=open_below, allow_nan=False)
        case inspect.StrType():
            return _text(kind)
        case inspect.VarTupleType():
            return st.lists(_any(kind.item_type), max_size=3).map(tuple)
        case inspect.TupleType():
            return st.tuples(*map(_any, kind.item_types))
        case inspect.DictType():
            return st.dictionaries(_any(kind.key_type), _any(kind.value_type), max_size=2)
        case _:
            raise NotImplementedError(kind)


def _bound(bound: float | None, otherwise: int) -> Any:
    return otherwise if bound is None else bound


def _text(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern:
        return st.from_regex(kind.pattern, fullmatch=True)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=kind.min_length or 0, max_size=12)


def worded(kind: type[Event], text: str) -> Event:
    """Return an event of *kind* in which *text* stands wherever a text may, every field filled."""
    event = _worded(inspect.type_info(kind), text)
    assert isinstance(event, kind)
    return event


def _worded(kind: inspect.Type, text: str) -> Any:
    match kind:
        case inspect.Metadata():
            return _worded(kind.type, text)
        case inspect.StructType():
            return kind.cls(**{field.name: _worded(field.type, text) for field in kind.fields})
        case inspect.UnionType():
            return _worded(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), text)
        case inspect.LiteralType():
            return kind.values[-1]
        case inspect.VarTupleType():
            return (_worded(kind.item_type, text),)
        case inspect.TupleType():
            return tuple(_worded(one, text) for one in kind.item_types)
        case inspect.DictType():
            return {_worded(kind.key_type, text): _worded(kind.value_type, text)}
        case inspect.StrType():
            return text
        case inspect.BoolType():
            return True
        case _:
            return 1


def decoded(event: Event) -> Event:
    """Return *event* after a round trip over the wire, where every constraint of its declaration is checked."""
    return msgspec.json.decode(msgspec.json.encode(event), type=type(event))
