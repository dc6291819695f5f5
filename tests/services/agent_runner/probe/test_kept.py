"""Behaviour that was to stay is compared with the base's, where the base says the same twice."""

from dataclasses import replace

import pytest

from obra.services.agent_runner.probe.alter import Trial
from obra.services.agent_runner.probe.calls import Call, Subject
from obra.services.agent_runner.probe.judge import Came
from obra.services.agent_runner.probe.kept import Comparison, Kept, at_base, comparison, kept, same, stays
from obra.services.agent_runner.probe.run import Outputs, Probed
from obra.services.agent_runner.probe.vary import turned, variations

SUBJECT = Subject("python", "/w/shop/prices.py", "total", "shop.prices", "python", "/w", ("/w", "/usr/lib"))
CALL = Call({"0": "a"}, output="A")
CAME = tuple(Came(Trial(0, "0", "a", new, Call({"0": new})), new.upper()) for new in ("b", "c"))
PROBED = Probed(SUBJECT, (CALL,), 1, CAME, None)
COMPARISON = Comparison(SUBJECT, SUBJECT, (CALL,), tuple(each.trial for each in CAME))
NOW: Outputs = {0: "A", 1: "B", 2: "C"}


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
    assert kept(COMPARISON, NOW, once, again) == what


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
    found = at_base(PROBED, "/w", lambda name: ["shop.py"])
    assert found == replace(SUBJECT, module="shop", file="/w/shop.py")


@pytest.mark.parametrize("homes", [[], ["a.py", "b.py"], ["lib-x/a.py"]])
def test_a_function_that_the_base_does_not_have_for_certain_is_not_compared(homes: list[str]) -> None:
    assert at_base(PROBED, "/w", lambda name: homes) is None


def test_what_depends_on_more_than_its_input_is_not_compared() -> None:
    assert comparison(PROBED, "/w", lambda name: ["shop/prices.py"], "seed") is not None
    assert comparison(replace(PROBED, settled=0), "/w", lambda name: ["shop/prices.py"], "seed") is None


@pytest.mark.parametrize(
    ("tree", "then"),
    [
        ("one two three", "one two three"),
        ("a 1\nb 2\n", "b 2\na 1\n"),
        ("one", "one"),
        ({"l": [1, 2, 3]}, {"l": [3, 2, 1]}),
        ({"file": "a\nb\n", "name": "x"}, {"file": "b\na\n", "name": "x"}),
        (5, 5),
    ],
)  # fmt: skip
def test_what_has_an_order_is_turned_around(tree: object, then: object) -> None:
    assert turned(tree) == then


def test_a_word_gives_way_in_all_parts_at_once_and_options_stay() -> None:
    call = Call({"0": "--all", "1": "ann bob", "2": "ann"}, frozenset({"0"}), "x")
    made = variations([call], "seed", 90)
    exchanges = [trial.call.parts for trial in made if trial.old == "ann"]
    assert [parts["0"] for parts in exchanges] == ["--all"] * 4
    assert all(parts["1"] == f"{parts['2']} bob" and parts["2"] != "ann" for parts in exchanges)
    assert len(made) == 8
    assert len(variations([call], "seed", 3)) == 3


def test_lines_and_elements_may_be_fewer_more_or_in_another_order() -> None:
    made = variations([Call({"0": {"l": ["a", "b"]}, "1": "x\ny\n"}, output="x")], "seed", 90)
    assert [trial.call.parts[trial.part] for trial in made if not trial.old] == [
        {"l": ["b", "a"]}, {"l": ["a"]}, {"l": ["a", "b", "b"]}, "y\nx\n", "x\n", "x\ny\ny\n",
    ]  # fmt: skip


def test_numbers_are_exchanged_more_often_than_words() -> None:
    made = variations([Call({"0": "ann 400"}, output="x")], "seed", 90)
    assert sorted(trial.old for trial in made) == ["400"] * 6 + ["ann"] * 4
