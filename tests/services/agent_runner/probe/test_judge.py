"""What altered calls prove: an answer that repeats what the input has no more was not computed from it."""

from collections.abc import Callable, Sequence

from obra.services.agent_runner.probe.alter import trials
from obra.services.agent_runner.probe.calls import Call
from obra.services.agent_runner.probe.judge import Came, Fitted, fitted, follows


def judged(function: Callable[[str], object], *texts: str) -> Fitted | None:
    """Return what is said of *function*, were its tests to call it with *texts*."""

    def output(text: str) -> str | None:
        try:
            return str(function(text))
        except (ValueError, LookupError):
            return None

    calls = [Call({"0": text}, output=output(text)) for text in texts]
    return fitted(calls, [Came(trial, output(trial.call.parts["0"])) for trial in trials(calls, "seed")])


def chosen(answers: Sequence[str], by: Callable[[str], int]) -> Callable[[str], str]:
    return lambda text: answers[by(text) % len(answers)]


TITLES = ("Hello big World", "What?! Really...", "Top 10 of 2024")
SLUGS = ("hello-big-world", "what-really", "top-10-of-2024")


def slug(text: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
    return "-".join(words)


def test_code_that_follows_its_input_is_fine() -> None:
    assert judged(slug, *TITLES) is None


def test_an_answer_by_the_length_of_the_input_is_not() -> None:
    found = judged(chosen(SLUGS, lambda text: {15: 0, 16: 1, 14: 2}[len(text)]), *TITLES)
    assert found is not None
    assert (found.part, found.pieces) == ("0", ("10", "2024", "big", "hello", "of", "really", "top", "what", "world"))
    assert found.tried == 27
    assert {example.output for example in found.examples} <= set(SLUGS)


def test_nor_is_one_by_the_first_letter_though_others_are_errors() -> None:
    assert judged(chosen(SLUGS, lambda text: "HWT".index(text[0])), *TITLES) is not None


def test_nor_is_one_that_falls_back_to_the_input_or_to_a_word() -> None:
    for other in (lambda text: text, lambda text: "unknown"):
        known = dict(zip("HWT", SLUGS, strict=True))
        assert judged(lambda text, known=known, other=other: known.get(text[0]) or other(text), *TITLES) is not None  # type: ignore[misc]


def test_an_exact_table_raises_for_all_else_which_proves_nothing() -> None:
    assert judged(dict(zip(TITLES, SLUGS, strict=True)).__getitem__, *TITLES) is None


def test_names_that_every_answer_has_are_its_form() -> None:
    assert (
        judged(lambda text: f"{len(text.split())} words in lines of text", "words in lines", "lines of words") is None
    )


def test_classes_thresholds_and_sums_repeat_nothing() -> None:
    assert judged(lambda text: "long" if len(text) > 9 else "short", *TITLES) is None
    assert judged(lambda text: "ABC"[min(2, int(text) // 10)], "5", "15", "25") is None
    assert judged(lambda text: sum(map(int, text.split(","))), "1,2,3", "10,20") is None


def test_numbers_that_stay_while_names_follow_are_told() -> None:
    def report(text: str) -> str:
        return "\n".join(f"{row.split(',')[0]}: {cents}" for row, cents in zip(text.split(), ("4.25", "10.00")))  # noqa: B905

    found = judged(report, "Bob,4.25 Cara,10.00")
    assert found is not None
    assert found.pieces == ("10", "4.25")


def test_two_words_alone_may_agree_by_chance() -> None:
    assert judged(lambda text: "item price", "item,price") is None


def test_words_of_a_single_output_that_nothing_can_be_compared_with_prove_nothing() -> None:
    def menu(text: str) -> str:
        if not text.endswith("> "):
            raise ValueError(text)
        return "file edit view help"

    assert judged(menu, "<file><edit><view><help> ") is None
    assert judged(lambda text: f"file edit view {len(text.split())}", "file edit view") is None


def test_a_few_new_answers_of_each_kind_settle_it() -> None:
    calls = [Call({"0": "ann 12"}, output="ann 12")]
    planned = trials(calls, "seed")
    words = [Came(trial, trial.new) for trial in planned if trial.old == "ann"]
    numbers = [Came(trial, trial.new) for trial in planned if trial.old == "12"]
    assert not follows(calls, [], planned)
    assert not follows(calls, words, planned)
    assert not follows(calls, [*words, *numbers[:1]], planned)
    assert follows(calls, [*words, *numbers], planned)
    assert follows(calls, [], [])
