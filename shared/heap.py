"""A priority queue that is a value: adding to it, or taking its first, gives a new one and leaves the old as it was.

A leftist heap (C. A. Crane, 1972; C. Okasaki, Purely Functional Data Structures, 3.1): the shorter way down is always
on the right, and two heaps are merged along it, so that every change costs O(log n).
"""

from typing import Any, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=tuple[Any, ...])


class Heap(NamedTuple, Generic[Key]):
    """A heap that is not empty; ``None`` is the empty one. ``first`` is its least key."""

    rank: int
    first: Key
    left: "Heap[Key] | None"
    right: "Heap[Key] | None"


def added(heap: "Heap[Key] | None", key: Key) -> Heap[Key]:
    """Return *heap* with *key* in it."""
    merged = _merged(heap, Heap(1, key, None, None))
    assert merged is not None
    return merged


def rest(heap: Heap[Key]) -> "Heap[Key] | None":
    """Return *heap* without its first key."""
    return _merged(heap.left, heap.right)


def _merged(one: "Heap[Key] | None", other: "Heap[Key] | None") -> "Heap[Key] | None":
    if one is None or other is None:
        return one or other
    low, high = (one, other) if one.first <= other.first else (other, one)
    a, b = low.left, _merged(low.right, high)
    if (a.rank if a else 0) < (b.rank if b else 0):
        a, b = b, a
    return Heap(1 + (b.rank if b else 0), low.first, a, b)
