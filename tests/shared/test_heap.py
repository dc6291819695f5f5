"""The heap gives the least first, and no change is seen by who holds an earlier one."""

from hypothesis import given
from hypothesis import strategies as st

from obra.shared.heap import Heap, added, rest

keys = st.lists(st.tuples(st.integers(-5, 5), st.integers()))


def drained(heap: Heap[tuple[int, int]] | None) -> list[tuple[int, int]]:
    out = []
    while heap:
        out.append(heap.first)
        heap = rest(heap)
    return out


@given(keys)
def test_what_goes_in_comes_out_in_order(items: list[tuple[int, int]]) -> None:
    heap = None
    for item in items:
        heap = added(heap, item)
    assert drained(heap) == sorted(items)
    assert drained(heap) == sorted(items)


def test_a_sorted_row_of_ten_thousand_is_no_deep_recursion() -> None:
    heap = None
    for number in range(10_000):
        heap = added(heap, (number,))
    assert heap
    assert heap.first == (0,)
    assert [key for (key,) in drained(heap)] == list(range(10_000))  # type: ignore[arg-type, misc]
