"""The policies that are tried: what `--set` and `--grid` say, over the policy that each task had."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec

from obra.events import Policy
from obra.shared.errors import BadUsage
from obra.shared.tuning import Changes, apply, split, values
from obra.shared.whatif.watched import Sight, Watched, within

CANDIDATES_MAX = 100_000
MADE_MAX = 10_000


def grid(settings: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values by key of `decision.KEY=V1,V2,…` settings; `BadUsage` names the one that is wrong."""
    return {key: values(key, text, many=True) for key, text in map(split, settings)}


def product(fixed: Changes, grids: Mapping[str, Sequence[Any]]) -> list[Changes]:
    """Return every combination of *grids* over *fixed*; `BadUsage` where they are too many."""
    count = 1
    for tried in grids.values():
        count *= len(tried)
    if count > CANDIDATES_MAX:
        raise BadUsage(problem=f"the grid has {count:,} combinations, and {CANDIDATES_MAX:,} are tried at most")
    return [{**fixed, **dict(zip(grids, values, strict=True))} for values in itertools.product(*grids.values())]


@dataclass(slots=True)
class Candidates:
    """Candidate policies as bits of an integer, so that a set of them is compared with a few operations.

    Numbers with a fraction are watched while one candidate is tried; whoever would have been seen alike is answered
    for with it. Everything else must be equal.
    """

    all: list[Changes]
    _steps: dict[str, list[float]] = field(default_factory=dict)
    _upto: dict[str, list[int]] = field(default_factory=dict)
    _alike: dict[str, int] = field(default_factory=dict)
    _rests: list[str] = field(default_factory=list)
    _made: dict[tuple[bytes, int], Policy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the candidates by each number that varies, and by everything else together."""
        varies = {key for key in self.all[0] if len({repr(one[key]) for one in self.all}) > 1} if self.all else set()
        numbers = {key for key in varies if all(_fraction(key, one[key]) for one in self.all)}
        for key in numbers:
            self._steps[key] = sorted({float(one[key]) for one in self.all})
            masks = dict.fromkeys(self._steps[key], 0)
            for index, one in enumerate(self.all):
                masks[float(one[key])] |= 1 << index
            self._upto[key] = [0, *itertools.accumulate(masks.values(), int.__or__)]
        self._rests = [self._rest(one) for one in self.all]
        for index, rest in enumerate(self._rests):
            self._alike[rest] = self._alike.get(rest, 0) | 1 << index

    def _rest(self, one: Changes) -> str:
        return repr(sorted((key, value) for key, value in one.items() if key not in self._steps))

    def everyone(self) -> int:
        """Return the set of all."""
        return (1 << len(self.all)) - 1

    def watched(self, index: int, key: bytes, policy: Policy) -> tuple[Policy, Sight]:
        """Return *policy* as candidate *index* has it, and where what is seen of its numbers will be noted.

        *key* tells one policy from another.
        """
        sight, made = Sight(), self._as_candidate(index, key, policy)
        watched = {key: Watched.of(getattr(made, key), key, sight) for key in self._steps}
        return (msgspec.structs.replace(made, **watched) if watched else made), sight

    def _as_candidate(self, index: int, key: bytes, policy: Policy) -> Policy:
        """Return *policy* as candidate *index* has it; most tasks have the same one, so those made last are kept."""
        made = self._made.get((key, index))
        if made is None:
            if len(self._made) >= MADE_MAX:
                self._made.clear()
            made = self._made[key, index] = apply(policy, self.all[index])
        return made

    def alike(self, index: int, sight: Sight) -> int:
        """Return the set of candidates that *sight*, made with candidate *index*, answers for."""
        one = self.all[index]
        found = self._alike[self._rests[index]]
        for key in sight.names() & self._steps.keys():
            steps, upto = self._steps[key], self._upto[key]
            low, high = sight.interval(key, float(one[key]))
            first = (bisect_left if low[1] else bisect_right)(steps, low[0])
            last = (bisect_right if high[1] else bisect_left)(steps, high[0])
            found &= upto[last] & ~upto[first]
        return found

    def sees_alike(self, index: int, sight: Sight, policy: Policy) -> bool:
        """Return whether *sight*, made with candidate *index*, answers for *policy* as it is, too."""
        for key, value in self.all[index].items():
            own = attrgetter(key)(policy)
            if key not in self._steps:
                if own != value:
                    return False
            elif key in sight.names() and not within(own, *sight.interval(key, float(value))):
                return False
        return True


def _fraction(key: str, value: Any) -> bool:
    """Return whether the policy's own field *key* is a number with a fraction, and *value* one too."""
    plain = "." not in key and isinstance(getattr(Policy(), key), float)
    return plain and isinstance(value, int | float) and not isinstance(value, bool)


def members(mask: int) -> Iterator[int]:
    """Yield the indices in a set."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
