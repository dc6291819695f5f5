"""Numbers that remember what they were compared with.

A decision looks at a threshold by comparing it. Which other values of the threshold would have led to the same
decision follows from the comparisons alone: an interval. So one decision answers for a whole range of policies, and
a grid of thousands costs a few decisions a task.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Bound = tuple[float, bool]
"""A number, and whether it belongs to what it bounds."""


def within(number: float, low: Bound, high: Bound) -> bool:
    """Return whether *number* lies between two bounds."""
    above = number > low[0] or (low[1] and number == low[0])
    return above and (number < high[0] or (high[1] and number == high[0]))


@dataclass(slots=True)
class Sight:
    """What was seen of some numbers: by name, the interval in which every comparison comes out the same.

    ``exact`` are names whose number was calculated with; it answers for itself alone.
    """

    low: dict[str, Bound] = field(default_factory=dict)
    high: dict[str, Bound] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)

    def above(self, name: str, bound: float, *, included: bool) -> None:
        """Note that the number is over *bound*, or equal to it where that is *included*."""
        old = self.low.get(name)
        if old is None or (bound, not included) > (old[0], not old[1]):
            self.low[name] = (bound, included)

    def below(self, name: str, bound: float, *, included: bool) -> None:
        """Note that the number is under *bound*, or equal to it where that is *included*."""
        old = self.high.get(name)
        if old is None or (bound, included) < (old[0], old[1]):
            self.high[name] = (bound, included)

    def interval(self, name: str, value: float) -> tuple[Bound, Bound]:
        """Return the bounds between which every number called *name*, seen as *value*, would have been seen alike."""
        if name in self.exact:
            return (value, True), (value, True)
        return self.low.get(name, (-math.inf, True)), self.high.get(name, (math.inf, True))

    def names(self) -> set[str]:
        """Return the numbers that were looked at."""
        return {*self.low, *self.high, *self.exact}


def spread(value: Any, sight: Sight) -> None:
    """Note that every watched number that stands in *value*, an event or a part of one, goes on as it is."""
    if isinstance(value, Watched):
        sight.exact.add(value.name)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            spread(getattr(value, name), sight)
    elif isinstance(value, tuple | list):
        for item in value:
            spread(item, sight)
    elif isinstance(value, dict):
        for item in value.values():
            spread(item, sight)


class Watched(float):
    """A number whose comparisons are noted in a `Sight`. Printing it is not noted: words decide nothing."""

    __slots__ = ("_name", "_sight")
    _name: str
    _sight: Sight

    @classmethod
    def of(cls, value: float, name: str, sight: Sight) -> "Watched":
        """Return *value*, watched as *name*."""
        made = cls(value)
        made._name, made._sight = name, sight
        return made

    @property
    def name(self) -> str:
        """Return what it is watched as."""
        return self._name

    def _ordered(self, other: float, *, equal_counts_as_less: bool) -> None:
        """Note on which side of *other* this is, where equality falls on the side that is told."""
        value, bound = float.__pos__(self), float(other)
        less = value <= bound if equal_counts_as_less else value < bound
        if less:
            self._sight.below(self._name, bound, included=equal_counts_as_less)
        else:
            self._sight.above(self._name, bound, included=not equal_counts_as_less)

    def __lt__(self, other: Any) -> bool:
        self._ordered(other, equal_counts_as_less=False)
        return float.__lt__(self, other)

    def __ge__(self, other: Any) -> bool:
        self._ordered(other, equal_counts_as_less=False)
        return float.__ge__(self, other)

    def __le__(self, other: Any) -> bool:
        self._ordered(other, equal_counts_as_less=True)
        return float.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        self._ordered(other, equal_counts_as_less=True)
        return float.__gt__(self, other)


def _exactly(name: str) -> Callable[..., Any]:
    plain: Callable[..., Any] = getattr(float, name)

    def calculate(self: Watched, *args: Any) -> Any:
        self._sight.exact.add(self._name)
        return plain(self, *args)

    return calculate


CALCULATING: Sequence[str] = tuple(
    f"__{side}{word}__" for word in ("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow")
    for side in ("", "r")
) + tuple(
    f"__{word}__" for word in (
        "eq", "ne", "hash", "neg", "pos", "abs", "bool", "int", "float", "round", "trunc", "floor", "ceil",
    )
)  # fmt: skip
"""Everything else that can be done with a number. After any of it, nothing is known but the number itself."""

for _name in CALCULATING:
    setattr(Watched, _name, _exactly(_name))
for _name in ("as_integer_ratio", "is_integer", "hex"):
    setattr(Watched, _name, _exactly(_name))
