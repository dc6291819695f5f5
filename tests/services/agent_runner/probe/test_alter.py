"""Alterations are of the same kind and length, seeded, and only of what the output has from one part of the input."""

import pytest

from obra.services.agent_runner.probe.alter import exchanged, repeated, resized, shown, trials
from obra.services.agent_runner.probe.calls import Call, pieces


def call(*parts: object, output: str) -> Call:
    return Call({str(at): part for at, part in enumerate(parts)}, output=output)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hello big World", {"hello", "big", "world"}),
        ("helloBigWorld", {"hello", "big", "world"}),
        ("HTTPServer 10.00", {"http", "server", "10"}),
        ("a-1.log", {"a", "1", "log"}),
        ("True None null", set()),
        ("Süd-Öl 007", {"s", "ü", "d", "ö", "l", "7"}),
    ],
)
def test_a_text_falls_into_words_and_numbers(text: str, found: set[str]) -> None:
    assert pieces([text]) == found


def test_only_what_comes_from_one_part_is_looked_for_the_longest_first() -> None:
    both = call("Ann pays 12.50", "to Ann", output="ann: 12.5, thanks")
    assert repeated(both, "0") == ["12.5"]
    assert repeated(call("Ann pays 12.50", output="ann: 12.5, thanks"), "0") == ["12.5", "ann"]
    assert repeated(call("030 / 123456", output="+4930123456"), "0") == ["123456"]


@pytest.mark.parametrize(
    ("tree", "old", "new", "then"),
    [
        ("Ann and ann, ANN and Anna", "ann", "bob", "Bob and bob, BOB and Anna"),
        ({"d": [["ann", {"l": ["ann", 3, True]}]]}, "ann", "bob", {"d": [["bob", {"l": ["bob", 3, True]}]]}),
        ({"t": [12, 12.0, -12, 120, "12.00"]}, "12", "34", {"t": [34, 34.0, 34, 120, "34.00"]}),
        ({"file": {"d": [["a-1", "1"]]}, "name": "1"}, "1", "7", {"file": {"d": [["a-7", "7"]]}, "name": "1"}),
        ("007", "7", "3", "003"),
    ],
)  # fmt: skip
def test_a_piece_gives_way_everywhere_in_the_case_and_form_of_what_stood_there(
    tree: object, old: str, new: str, then: object
) -> None:
    assert exchanged(tree, old, new) == then


def test_every_alteration_is_new_to_the_tests_of_the_same_length_and_the_same_again() -> None:
    calls = [call("Hello big World", output="hello-big-world"), call("Top 10 of 2024", output="top-10-of-2024")]
    made = trials(calls, "task.1.1")
    taken = pieces(["Hello big World", "Top 10 of 2024"])
    assert {(t.of, t.old) for t in made if t.old} == {(0, w) for w in ("hello", "big", "world")} | {
        (1, w) for w in ("top", "10", "of", "2024")
    }
    assert all(len(t.new) == len(t.old) and t.new not in taken and t.repeated == bool(t.old) for t in made)
    assert trials(calls, "task.1.1") == made
    assert trials(calls, "task.2.1") != made
    assert len(trials(calls, "task.1.1", 5)) == 5


def test_what_the_output_does_not_repeat_is_altered_too_but_said_to_be_so() -> None:
    made = trials([call("size 3, colour red", output="red")], "seed")
    assert [t.call.parts["0"] for t in made if not t.old] == ["size 3, colour ", "size 3, colour redred"]
    assert {(t.old, t.repeated) for t in made if t.old} == {
        ("red", True), ("colour", False), ("size", False), ("3", False),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "less", "more"),
    [
        ("a\nb\n", "a\n", "a\nb\nb\n"),
        ("a b", "a ", "a bb"),
        ("a", "a", "a"),
        ('[1, "b"]', "[1]", '[1, "b", "b"]'),
        ('{"a": 1, "b": 2}', '{"a": 1}', '{"a": 1, "b": 2}'),
        ("[a] b", "[a] ", "[a] bb"),
        ({"l": [1, 2]}, {"l": [1]}, {"l": [1, 2, 2]}),
        ({"d": [["a", 1], ["b", 2]]}, {"d": [["a", 1]]}, {"d": [["a", 1], ["b", 2]]}),
        ({"file": {"d": [["a", ""], ["b", ""]]}, "name": "x"}, {"file": {"d": [["a", ""]]}, "name": "x"}, None),
        ({"t": [1, 2]}, {"t": [1, 2]}, {"t": [1, 2]}),
        (7, 7, 7),
    ],
)  # fmt: skip
def test_a_part_gets_smaller_and_larger_by_what_it_consists_of(tree: object, less: object, more: object) -> None:
    assert resized(tree, more=False) == less
    assert resized(tree, more=True) == (more or tree)


def test_paths_and_options_stay_as_they_are() -> None:
    fixed = Call({"0": "--json", "1": "json"}, frozenset({"0"}), "json")
    assert trials([fixed], "seed") == []


def test_a_call_is_shown_short() -> None:
    assert shown(call("a\n b", {"l": [1, "x" * 99]}, output=""), 10) == "'a b', '1', 'xxxxxxxxxx…'"
