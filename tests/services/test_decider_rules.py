"""Rules of one's own: what an expression may do, what it may not, and what follows where one is true."""

import time
from pathlib import Path
from typing import Any, get_args

import pytest

from obra.events import DecisionMade, Policy, Rule, TaskReadied
from obra.services.decider.decide import DECIDER
from obra.services.decider.facts import facts
from obra.shared.config import load
from obra.shared.errors import BadSetting
from obra.shared.expression import BadExpression, value
from obra.shared.rulebook import FACTS, SAMPLES
from tests.given import given
from tests.services.evidence import NO_LLM, TASK, finished, ran, scored

PAGE = (Path(__file__).parents[2] / "docs" / "judgement.md").read_text()


@pytest.mark.parametrize(
    ("expression", "true"),
    [
        ("attempts >= 2 and cost_usd > 1.0", False), ("passed and not blocking", True), ("1 < 2 <= 2", True),
        ("ending in ('failed', 'completed')", True), ("'ls' in commands", True), ("matches(paths, '*.py')", True),
        ("matches(text, 'add*')", True), ("len(paths) * 2 - 1 == 1", True), ("max(1, attempts_max) // 2 == 1", True),
        ("(quality if passed else 0) > 0.5", True), ("-cost_usd < 0", True), ("'x' not in findings", True),
    ],
)  # fmt: skip
def test_an_expression_says_what_is_true_of_the_facts(expression: str, true: bool) -> None:
    assert value(expression, SAMPLES) is true


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("9**9**9", "`**` is not allowed"), ("().__class__.__bases__", "`.` is not allowed"),
        ("__import__('os')", "is no function"), ("open('/etc/passwd')", "is no function"), ("len.x", "`.`"),
        ("[x for x in paths]", "ListComp"), ("paths[0] == 'a'", "`[…]`"), ("'a' * 999999999", "only numbers"),
        ("'%999999999d' % 1", "only numbers"), ("f'{attempts}'", "JoinedStr"), ("lambda: 1", "`lambda`"),
        ("1 << 99999999", "`<<`"), ("(attempts := 3) > 1", "NamedExpr"), ("max(*paths) == 'a'", "Starred"),
        ("attempt > 1", "did you mean attempts?"), ("ending > 1", "not supported"), ("1 / 0 > 1", "division by zero"),
        ("attempts", "neither true nor false"), ("1 <", "can't be understood"), ("", "can't be understood"),
        ("\0", "can't be understood"), ("-" * 900 + "1", "too large"), ("(" * 400 + ")" * 400, "understood"),
        ("1 +" * 400 + "1", "longer than"), ("matches(paths, '*' * 2)", "only numbers"),
        ("matches(paths, 1)", "a glob is a text"), ("attempts == 1; 2", "understood"), ("len(print)", "no 'print'"),
    ],
)  # fmt: skip
def test_nothing_else_is_evaluated_and_the_error_says_why(expression: str, problem: str) -> None:
    began = time.process_time()
    with pytest.raises(BadExpression) as caught:
        value(expression, SAMPLES)
    assert problem in str(caught.value)
    assert time.process_time() - began < 1.0


def test_globs_with_many_stars_do_not_take_long() -> None:
    began = time.process_time()
    assert not value(f"matches(text, '{'*a' * 60}b')", SAMPLES | {"text": "a" * 5_000})
    assert time.process_time() - began < 1.0


def decided(*rules: Rule, checks: dict[str, int] | None = None, **policy: Any) -> DecisionMade:
    past = [TASK, TaskReadied(policy=Policy(rules=rules, **policy)), NO_LLM, *ran(checks=checks), finished()]
    made = given(DECIDER, *past).when(scored(confidence=0.05 if checks else 0.95)).only
    assert isinstance(made, DecisionMade)
    return made


FAILS = {"pytest -q": 1}


@pytest.mark.parametrize("action", get_args(Rule.__annotations__["action"]))
def test_a_rule_that_is_true_decides_before_all_built_in_judgement(action: Any) -> None:
    made = decided(Rule(when="attempts == 1", action=action, reason="because", name="mine"), checks=FAILS)
    assert (made.action, made.rule, made.reasons[0]) == (action, "mine", "because")
    assert made.counted is (action != "checkpoint")


def test_the_first_true_rule_counts_and_one_without_a_name_is_called_by_its_place() -> None:
    rules = (
        Rule(when="attempts > 1", action="stop"),
        Rule(when="passed", action="escalate"),
        Rule(when="passed", action="stop"),
    )
    assert (decided(*rules).action, decided(*rules).rule) == ("escalate", "rule-2")
    assert decided(rules[0]).rule == "accepted"


def test_a_rule_that_can_not_be_evaluated_asks_a_person_and_never_raises() -> None:
    made = decided(Rule(when="quality / lines_deleted > 1", action="stop", name="odd"))
    assert (made.action, made.rule) == ("escalate", "rule_error")
    assert made.reasons[0].startswith("rule odd can't be evaluated: ")
    assert "division by zero" in made.reasons[0]


@pytest.mark.parametrize(
    ("rule", "policy", "action"),
    [
        (Rule(when="True", action="checkpoint"), {"checkpoints_max": 0}, "retry"),
        (Rule(when="True", action="clarify"), {"questions_max": 0}, "escalate"),
    ],
)
def test_an_action_that_is_not_possible_any_more_is_passed_over_or_asks(rule: Rule, policy: Any, action: str) -> None:
    assert decided(rule, checks=FAILS, **policy).action == action


def test_every_name_has_a_value_of_its_type_and_a_line_in_the_documentation() -> None:
    past = [TASK, TaskReadied(), NO_LLM, *ran(), finished(), scored()]
    known = facts(DECIDER.fold(past))
    assert {name: type(fact) for name, fact in known.items()} == {name: type(fact) for name, fact in SAMPLES.items()}
    assert [name for name, (_, what) in FACTS.items() if f"| `{name}` | {what} |" not in PAGE] == []


def settings(home: Path, text: str, **environ: str) -> Policy:
    (home / "obra.toml").write_text(text)
    return load(home, environ=environ).policy()


def test_rules_and_switches_come_from_the_settings(tmp_path: Path) -> None:
    toml = """
        [decision]
        failures_max = 4
        [decision.breakpoints]
        architecture = true
        [[rule]]
        when = "attempts >= 2 and cost_usd > 1.0"
        action = "escalate"
        reason = "it gets expensive"
    """
    policy = settings(tmp_path, toml, OBRA_DECISION__BREAKPOINTS__BUDGET="true")
    assert (policy.failures_max, policy.breakpoints.architecture, policy.breakpoints.budget) == (4, True, True)
    assert policy.rules == (
        Rule(when="attempts >= 2 and cost_usd > 1.0", action="escalate", reason="it gets expensive"),
    )


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[decision.breakpoints]\narch = true", "unknown key 'breakpoints.arch'"),
        ("[[rule]]\nwhen = 'attempt > 1'\naction = 'stop'", "rule-1: there is no 'attempt'; did you mean attempts?"),
        ("[[rule]]\nwhen = '1 <'\naction = 'stop'\nname = 'mine'", "mine: it can't be understood"),
        ("[[rule]]\nwhen = 'passed'\naction = 'halt'", "Invalid enum value 'halt'"),
        ("[[rule]]\nwhen = 'passed'\naction = 'stop'\nwhy = 1", "unknown key 'why'"),
    ],
)
def test_what_is_wrong_with_them_is_named(tmp_path: Path, toml: str, problem: str) -> None:
    with pytest.raises(BadSetting) as caught:
        settings(tmp_path, toml)
    assert problem in str(caught.value)
    assert str(tmp_path / "obra.toml") in str(caught.value)
