"""The planner readies what can be worked on, and says in full what can't."""

import pytest

from obra.events import Breakpoints, Policy, PolicyProposed, TaskCancelled, TaskReadied, TaskRejected, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.planner.decide import planner
from tests.given import given
from tests.services.evidence import TASK, task

POLICY = Policy(accept_quality=0.5)
PLANNER = planner(POLICY).alone(Scope("shop", "t1"))


def test_a_task_is_readied_under_the_policy_in_force() -> None:
    assert given(PLANNER).when(TASK).only.policy == POLICY


def test_a_task_may_have_settings_of_its_own_and_a_candidate_that_shadows_it_has_them_too() -> None:
    own = task(policy=("decision.accept_quality=0.9", "decision.breakpoints.low_confidence=true"))
    readied = given(PLANNER, PolicyProposed(policy=Policy(accept_confidence=0.5))).when(own).only
    breakpoints = Breakpoints(low_confidence=True)
    assert readied.policy == Policy(accept_quality=0.9, breakpoints=breakpoints)
    assert readied.candidate == Policy(accept_confidence=0.5, accept_quality=0.9, breakpoints=breakpoints)


@pytest.mark.parametrize(
    "good",
    [
        task(checks=()),
        task(agent="scripted:/tmp/a.json", llm="none"),
        task(llm="ollama/qwen2.5-coder:7b", agent_env=("ANTHROPIC_API_KEY", "_x1")),
        task(budget_usd=0.01, base="main", model="opus"),
    ],
    ids=["no checks", "scripted", "a model", "budget"],
)
def test_every_known_form_is_readied(good: TaskSubmitted) -> None:
    assert given(PLANNER).when(good).only.policy == POLICY


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (task(text=" \n"), "the task's text is blank; say what is to be done"),
        (task(repo="./here"), "the repository must be an absolute path, not './here'"),
        (task(checks=("pytest", " ")), "a check is blank; give a shell command or leave it out"),
        (task(base="--upload-pack=x"), "the base can't begin with a dash: '--upload-pack=x'"),
        (task(model="-x"), "the model can't begin with a dash: '-x'"),
        (task(text="a\0b"), "a NUL character is in the text, a path, or a check"),
        (task(agent="codex"), "the agent must be `claude` or `scripted:` and an absolute path, not 'codex'"),
        (
            task(agent="scripted:here.json"),
            "the agent must be `claude` or `scripted:` and an absolute path, not 'scripted:here.json'",
        ),
        (task(llm="gpt"), "the reviewer must be `auto`, `none`, `ollama/MODEL` or `openai/MODEL`, not 'gpt'"),
        (task(llm="ollama/ "), "the reviewer must be `auto`, `none`, `ollama/MODEL` or `openai/MODEL`, not 'ollama/ '"),
        (task(budget_usd=0.0), "the budget must be more than 0 USD, not 0; leave it out for no limit"),
        (task(agent_env=("A=b",)), "'A=b' is no name of an environment variable"),
        (task(agent_env=("A\n",)), "'A\\n' is no name of an environment variable"),
        (
            task(policy=("accept_quality=1",)),
            "'accept_quality=1' is no `decision.KEY=VALUE`; `decision.accept_confidence=0.9` is one",
        ),
        (
            task(policy=("decision.accept_quality=2",)),
            "no policy has accept_quality like that: Expected `float` <= 1.0 - at `$.accept_quality`",
        ),
        (task(policy=("decision.tasks_max=9",)), "decision.tasks_max holds for all tasks: set it in obra.toml"),
        (
            task(policy=tuple(f"decision.weight_{name}=0" for name in ("checks", "change", "ending"))),
            "weight_checks, weight_change and weight_ending can't all be 0",
        ),
        (task(deadline="soon"), "the deadline must be a time like 2026-12-31T18:00Z, not 'soon'"),
        (
            task(deadline="9999-12-31T23:59-12:00"),
            "the deadline must be a time like 2026-12-31T18:00Z, not '9999-12-31T23:59-12:00'",
        ),
    ],
)
def test_what_can_not_be_worked_on_is_rejected_with_the_reason(bad: TaskSubmitted, reason: str) -> None:
    given(PLANNER).when(bad).then(TaskRejected(reasons=(reason,)))


def test_rules_of_a_tasks_own_are_checked_like_those_of_the_settings() -> None:
    (reason,) = given(PLANNER).when(task(policy=('decision.rules=[{"when": "x", "action": "stop"}]',))).only.reasons
    assert reason.startswith("'x': rule-1: there is no 'x'; there are acceptable, agent,")


def test_every_reason_is_named_at_once() -> None:
    (rejected,) = given(PLANNER).when(task(text=" ", repo="x", llm="y", agent="z")).events
    assert isinstance(rejected, TaskRejected)
    assert len(rejected.reasons) == 4


def test_a_second_submission_changes_nothing() -> None:
    given(PLANNER, TASK, TaskReadied(policy=POLICY)).when(task(text="something else")).then_nothing()
    given(PLANNER, task(text=" "), TaskRejected(reasons=("…",))).when(TASK).then_nothing()


def test_the_first_submission_is_the_one_that_is_answered() -> None:
    assert given(PLANNER, TASK).when(task(text=" ")).only.policy == POLICY


def test_a_task_cancelled_before_it_was_readied_stays_cancelled() -> None:
    given(PLANNER, TASK, TaskCancelled()).when(TASK).then_nothing()
