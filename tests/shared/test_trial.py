"""Comparisons of templates: the same inputs, known truths, paired statistics, and no winner on too little."""

import json
from pathlib import Path

import pytest

from benchmarks.ab import ROWS, lines, measured
from benchmarks.ab.situations import situations
from obra.events import PromptPrepared, TaskSubmitted
from obra.shared.config import LlmSettings, Settings
from obra.shared.errors import BadUsage
from obra.shared.llm.ollama import Ollama
from obra.shared.trial import Row, Truth
from obra.shared.trial.inputs import Input, encode, of_file, of_task, shipped
from obra.shared.trial.probe import Answers, agreement
from obra.shared.trial.run import Model, run, templates, write
from obra.shared.trial.statistics import PAIRS_MIN, compare
from tests.loopback.ollama import MODEL, Says, ScriptedOllama

SETTINGS = Settings()
TRUTH = Truth(2, 4, ("pytest -q", "ruff check ."), ("pytest -q",), may_commit=False, may_ask=False)


def answers(**other: object) -> str:
    right = {
        "attempt": 1, "attempts_max": 4, "checks": ["python -m pytest -q"], "failed": [], "may_commit": False,
        "may_ask": False,
    }  # fmt: skip
    return json.dumps(right | other)


def row(template: str, number: int, tokens: int, agreement: float = 0.0, *, asked: bool = False) -> Row:
    return Row(f"i{number}", template, "x", tokens, asked=asked, parsed=asked, agreement=agreement)


def test_the_shipped_inputs_are_those_that_the_benchmark_describes() -> None:
    assert shipped() == situations()
    assert len(shipped()) == 36
    assert len({each.name for each in shipped()}) == 36


async def test_the_published_rows_are_what_the_templates_give_today() -> None:
    assert ROWS.read_text() == lines(await measured()), "run `just bench ab`"


def test_both_templates_say_what_is_true_of_every_input() -> None:
    for one in shipped():
        for name in templates():
            made = write(one, name, SETTINGS)
            assert all(json.dumps(check)[1:-1] in made.text or check in made.text for check in made.truth.checks)
            assert all(f"The check `{check}`" in made.text for check in made.truth.failed)
            assert "git commits" not in made.text
            assert made.truth.attempt == int(one.name[-1])


def test_agreement_is_the_share_of_true_answers() -> None:
    right = Answers(
        attempt=2, attempts_max=4, checks=["ruff check .", "pytest -q"], failed=["pytest -q"], may_commit=False,
        may_ask=False,
    )  # fmt: skip
    assert agreement(right, TRUTH) == 1.0
    assert agreement(right.model_copy(update={"may_ask": True, "failed": []}), TRUTH) == 0.6667


async def test_each_input_is_read_once_with_each_template_in_turns() -> None:
    said = [answers(), answers(attempt=2), "no json", answers(attempt=3), answers(may_ask=True)]
    with ScriptedOllama([Says(text) for text in said]) as server:
        provider = Ollama(LlmSettings(base_url=server.url))
        inputs = shipped()[:2]
        pairs = [pair async for pair in run(inputs, "hybrid", "plain", SETTINGS, Model(provider, MODEL))]
        await provider.close()
    (a1, b1), (a2, b2) = pairs
    assert [r.first for r in (a1, b1, a2, b2)] == [True, False, False, True]
    assert [r.parsed for r in (a1, b1, a2, b2)] == [True, True, True, False]
    assert [r.agreement for r in (a1, b1)] == [1.0, 0.8333]
    assert (a1.tokens_reported, a1.tokens_answered, a1.asked) == (321, 45, True)
    assert all(r.latency_ms > 0 for r in (a1, b1, a2, b2))


def test_a_clear_difference_on_enough_pairs_has_a_winner() -> None:
    (made,) = compare([(row("a", n, 100 + n), row("b", n, 110 + 2 * n)) for n in range(PAIRS_MIN)])
    assert (made.measure, made.pairs, made.winner, made.why) == ("tokens_estimated", PAIRS_MIN, "a", "")
    assert made.difference == 19.5
    assert 16 < made.low < 19.5 < made.high < 23
    assert made.p < 0.001


def test_on_too_few_pairs_nobody_wins_however_clear_it_looks() -> None:
    (made,) = compare([(row("a", n, 100), row("b", n, 900)) for n in range(PAIRS_MIN - 1)])
    assert (made.winner, made.why) == ("", f"{PAIRS_MIN - 1} pairs are too few; at least {PAIRS_MIN} are needed")


def test_equal_templates_have_no_winner() -> None:
    (made,) = compare([(row("a", n, 100), row("b", n, 100)) for n in range(PAIRS_MIN)])
    assert (made.winner, made.p, made.low, made.high) == ("", 1.0, 0, 0)


def test_what_was_asked_of_a_model_is_compared_where_both_were_asked() -> None:
    pairs = [
        (row("a", n, 100, 0.5 + n % 2 / 4, asked=n > 0), row("b", n, 100, 1.0, asked=n > 0))
        for n in range(PAIRS_MIN + 1)
    ]
    made = {each.measure: each for each in compare(pairs)}
    assert made["agreement"].pairs == PAIRS_MIN
    assert made["agreement"].winner == "b"
    assert made["parsed"].winner == ""
    assert made["tokens_estimated"].pairs == PAIRS_MIN + 1


def test_the_more_is_measured_the_more_is_asked_of_each_difference() -> None:
    one = compare([(row("a", n, 100 + n % 3), row("b", n, 101)) for n in range(PAIRS_MIN)])
    many = compare([(row("a", n, 100 + n % 3, asked=True), row("b", n, 101, asked=True)) for n in range(PAIRS_MIN)])
    assert one[0].p <= many[0].p


def test_inputs_can_be_a_file_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(encode(shipped()[:3]))
    assert of_file(file) == shipped()[:3]
    file.write_bytes(encode(shipped()[:1]) + b'{"name": 1}\n')
    with pytest.raises(BadUsage, match="line 2: "):
        of_file(file)
    with pytest.raises(BadUsage, match="can't be read"):
        of_file(tmp_path / "none.jsonl")


def test_a_tasks_past_gives_an_input_for_each_of_its_prompts() -> None:
    (third,) = (each for each in shipped() if each.name == "json-flag-3")
    found = of_task("t", third.past)
    assert [each.name for each in found] == ["t#1.1", "t#2.1"]
    assert not any(isinstance(event, PromptPrepared) for event in found[0].past)


def test_an_input_without_a_task_is_refused() -> None:
    with pytest.raises(BadUsage, match=r"holds no task\.submitted"):
        write(Input("empty", ()), "plain", SETTINGS)
    assert write(Input("bare", (TaskSubmitted(text="x", repo="/r"),)), "plain", SETTINGS).template == "plain-1"
