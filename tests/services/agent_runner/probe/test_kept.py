"""Behaviour that was to stay is compared with the base's, where the base says the same twice."""

import pytest

from obra.services.agent_runner.probe.alter import Trial
from obra.services.agent_runner.probe.calls import Call, Subject
from obra.services.agent_runner.probe.judge import Came
from obra.services.agent_runner.probe.kept import Kept, at_base, kept, same, stays
from obra.services.agent_runner.probe.run import Outputs, Probed

SUBJECT = Subject("python", "/w/shop/prices.py", "total", "shop.prices", "python", "/w", ("/w", "/usr/lib"))
CALL = Call({"0": "a"}, output="A")
CAME = tuple(Came(Trial(0, "0", "a", new, Call({"0": new})), new.upper()) for new in ("b", "c"))
PROBED = Probed(SUBJECT, (CALL,), 1, CAME, None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Refactor: split `shop.py`. Behaviour stays as it is.", True),
        ("Split it into modules. No behaviour may change.", True),
        ("Clean up `a.py` without changing the results.", True),
        ("Performance: `unique(records)` takes minutes. Make it linear.", True),
        ("Annotate all functions of `matrix.py`.", True),
        ("Speed up `parse` and fix the bug with quotes.", False),
        ("Refactor `f`: it returns cents now.", False),
        ("The behaviour stays the same, except for empty input.", False),
        ("Add a flag `--json`.", False),
        ("Write `slugify(title)`.", False),
    ],
)
def test_whether_behaviour_is_to_stay_is_read_from_the_task(text: str, wanted: bool) -> None:
    assert stays(text) is wanted


@pytest.mark.parametrize(
    ("once", "again", "what"),
    [
        ({0: "A", 1: "B", 2: "C"}, {0: "A", 1: "B", 2: "C"}, Kept(2)),
        ({0: "A", 1: "x", 2: "y"}, {0: "A", 1: "x", 2: "y"}, Kept(2, ((CAME[0], "x"), (CAME[1], "y")))),
        ({0: "A", 1: "x", 2: "y"}, {0: "A", 1: "x", 2: "z"}, Kept(1, ((CAME[0], "x"),))),
        ({0: "A", 1: None}, {0: "A", 1: None}, Kept()),
        ({0: "other", 1: "x", 2: "y"}, {0: "other", 1: "x", 2: "y"}, Kept()),
        ({}, {}, Kept()),
    ],
)
def test_only_what_the_base_says_twice_is_compared(once: Outputs, again: Outputs, what: Kept) -> None:
    assert kept(PROBED, once, again) == what


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", True),
        ("[0.3]", "[0.30000000000000004]", True),
        ("[1, 2]", "[2, 1]", False),
        ("(1,)", "[1]", False),
        ("hello", "hello", True),
        ("hello", "Hello", False),
        (None, "1", False),
    ],
)
def test_the_order_of_dicts_and_last_digits_are_no_difference(one: str | None, other: str, alike: bool) -> None:
    assert same(one, other) is alike


def test_a_function_that_has_moved_is_found_where_the_base_has_it() -> None:
    job = at_base(PROBED, "/w", lambda name: ["shop.py"])
    assert job is not None
    assert (job[0].module, job[0].file, [*job[1]]) == ("shop", "/w/shop.py", [CALL, *(c.trial.call for c in CAME)])


@pytest.mark.parametrize("homes", [[], ["a.py", "b.py"], ["lib-x/a.py"]])
def test_a_function_that_the_base_does_not_have_for_certain_is_not_compared(homes: list[str]) -> None:
    assert at_base(PROBED, "/w", lambda name: homes) is None
