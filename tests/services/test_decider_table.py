"""The situation that leads to each action and to each breakpoint, one row each; off means that it does not fire."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pytest
from msgspec.structs import replace

from obra.events import (
    Action,
    AgentExited,
    AttemptInterrupted,
    AttemptReviewed,
    BaseChecked,
    BreakpointRaised,
    BreakpointResolved,
    Breakpoints,
    BudgetExhausted,
    CheckResult,
    ClaimContradicted,
    Content,
    DecisionMade,
    DecisionOverridden,
    Ending,
    Event,
    FileChange,
    Finding,
    LlmSelected,
    Policy,
    QuestionAnswered,
    QuestionAsked,
    Rule,
    TaskReadied,
    TimerFired,
    TimerSet,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.services.decider.decide import DECIDER
from obra.services.decider.destructive import destructive
from tests.given import given
from tests.services.evidence import LLM, NO_LLM, TASK, UNCHECKED, finished, ran, requested, scored, task

QUESTION = "Which DB? (A / B)"


def retried(attempt: int = 1) -> DecisionMade:
    return DecisionMade(action="retry", attempt=attempt, run=1, rule="again")


def exited(events: list[Event], **fields: Any) -> list[Event]:
    return [replace(event, **fields) if isinstance(event, AgentExited) else event for event in events]


def recorded(events: list[Event], **fields: Any) -> list[Event]:
    return [replace(event, **fields) if isinstance(event, WorkspaceCheckpointed) else event for event in events]


def changes(**lines: int) -> dict[str, Any]:
    files = tuple(FileChange(path=f"{name}.py", kind="modified", added=added) for name, added in lines.items())
    return {"files": files, "files_total": len(files), "tree": "-".join(lines)}


def unlike(attempt: int, **lines: int) -> list[Event]:
    return recorded(ran(attempt), **changes(**lines))


def at_base(**codes: int) -> BaseChecked:
    results = tuple(CheckResult(command=command, exit_code=code) for command, code in codes.items())
    return BaseChecked(attempt=1, run=1, checks=results)


def untrue(attempt: int) -> ClaimContradicted:
    return ClaimContradicted(attempt=attempt, run=1, claim="I wrote x.py", evidence="x.py is not there")


@dataclass(frozen=True)
class Row:
    """What happened, the last of it, under which policy, and what is decided."""

    name: str
    past: list[Event]
    last: Event
    action: Action
    rule: str
    policy: dict[str, Any] = field(default_factory=dict)
    task: Event = TASK
    llm: LlmSelected = NO_LLM
    counted: bool = True

    def decide(self, **policy: Any) -> DecisionMade:
        ready = TaskReadied(policy=Policy(**(self.policy | policy)))
        made = given(DECIDER, self.task, ready, self.llm, *self.past).when(self.last).only
        assert isinstance(made, DecisionMade)
        return made


def ended(ending: Ending, attempt: int = 1, **fields: Any) -> list[Event]:
    return exited(ran(attempt, ending=ending, checks={}), **fields)


FAILED = ran(checks={"pytest -q": 1})
PAID = task(budget_usd=1.0)
LOST = AttemptInterrupted(attempt=1, run=1, reason="x")
TAMPERED = WorkspaceInspected(attempt=1, run=1, findings=(Finding(kind="tests_deleted", detail="test_a.py is gone"),))


ACTIONS = [
    Row("checks passed on a change", ran(), scored(), "proceed", "accepted"),
    Row("a check failed", FAILED, scored(confidence=0.05), "retry", "again"),
    Row("a run was lost", [requested()], LOST, "retry", "lost", counted=False),
    Row("the agent asked", exited(FAILED, questions=(QUESTION,)), scored(confidence=0.05), "clarify", "agent_asks"),
    Row(
        "contradictions survived a retry",
        [*ran(), finished(), untrue(1), scored(confidence=0.8), retried(), *ran(2), finished(2), untrue(2)],
        scored(2, confidence=0.8), "clarify", "contradictory",
    ),
    Row("no checks", [*ran(checks={}), finished()], scored(confidence=0.5), "escalate", "no_checks", task=UNCHECKED),
    Row(
        "out of turns in the middle of work", recorded(ended("max_turns"), changed=True), finished(ending="max_turns"),
        "checkpoint", "going_on", counted=False,
    ),
    Row("attempts are used up", FAILED, scored(confidence=0.05), "stop", "used_up", task=task(attempts_max=1)),
    Row("the provider refuses", ended("rate_limited"), finished(ending="rate_limited"), "wait", "outage"),
    Row(
        "nothing helps, and something may be destroyed", ended("not_logged_in", commands=("rm -rf ~/.ssh",)),
        finished(ending="not_logged_in"), "escalate", "destructive_command",
    ),
    Row(
        "no checks, and something that forbids acceptance", [*ran(checks={}), TAMPERED, finished()],
        scored(confidence=0.05), "retry", "again", task=UNCHECKED,
    ),
]  # fmt: skip
BREAKPOINTS = [
    Row("architecture", recorded(ran(), files=(FileChange(path="app/migrations/1.sql", kind="added"),)), scored(),
        "escalate", "architecture"),
    Row("breaking test",
        [*ran(checks={"a": 0, "b": 1}), finished(), scored(confidence=0.05), retried(), *ran(2, checks={"a": 1})],
        scored(2, confidence=0.05), "escalate", "breaking_test", task=task(checks=("a", "b"))),
    Row("a test that passed before any work",
        [*ran(checks={"a": 1, "b": 1}), at_base(a=0, b=1), finished()], scored(confidence=0.05),
        "escalate", "breaking_test", task=task(checks=("a", "b"))),
    Row("conflicting solutions",
        [*unlike(1, a=10), finished(), scored(confidence=0.6), retried(), *unlike(2, b=10), finished(2)],
        scored(2), "escalate", "conflicting_solutions"),
    Row("rate limit", ended("rate_limited", retry_after_s=90_000.0), finished(ending="rate_limited"),
        "escalate", "rate_limit"),
    Row("time threshold", exited(FAILED, duration_ms=15_000_000.0), scored(confidence=0.05),
        "escalate", "time_threshold"),
    Row("low confidence", ran(), scored(confidence=0.5), "escalate", "low_confidence"),
    Row("consecutive failures", [*FAILED, finished(), scored(confidence=0.05), retried(), *ran(2, checks={"p": 1})],
        scored(2, confidence=0.05), "escalate", "consecutive_failures"),
    Row("destructive command", exited(ran(), commands=("rm -rf ~/.ssh",)), scored(), "escalate", "destructive_command"),
    Row("budget", exited(FAILED, cost_usd=0.9), scored(confidence=0.05), "escalate", "budget", task=PAID),
]  # fmt: skip


def named(row: Row) -> str:
    return row.name


@pytest.mark.parametrize("row", ACTIONS, ids=named)
def test_a_situation_leads_to_its_action(row: Row) -> None:
    made = row.decide()
    assert (made.action, made.rule, made.counted) == (row.action, row.rule, row.counted)
    assert made.reasons
    assert made.numbers["attempts_max"] >= 1


def test_every_action_has_its_situation() -> None:
    assert {row.action for row in ACTIONS} == set(get_args(Action))


@pytest.mark.parametrize("row", BREAKPOINTS, ids=named)
def test_a_breakpoint_fires_where_it_is_on_and_not_where_it_is_off(row: Row) -> None:
    on = row.decide(breakpoints=Breakpoints(**{row.rule: True}))
    assert (on.action, on.rule) == ("escalate", row.rule)
    off = row.decide(breakpoints=Breakpoints(destructive_command=False))
    assert off.action in ("proceed", "retry", "stop")


def test_a_failing_check_that_passed_before_any_work_says_so_to_the_next_attempt() -> None:
    past = [*ran(checks={"a": 1, "b": 1}), at_base(a=0, b=1)]
    made = Row("", past, scored(confidence=0.05), "retry", "again", task=task(checks=("a", "b"))).decide()
    assert made.reasons[:2] == ("check `a` exited 1, and passed before any work", "check `b` exited 1")


def test_checks_that_passed_before_any_work_prove_nothing_and_rules_can_go_by_it() -> None:
    past = [*ran(checks={"a": 0}), at_base(a=0)]
    row = Row("", past, scored(), "proceed", "accepted", task=task(checks=("a",)))
    said = "no check tells the work from what was there before: all of them passed before any work, too"
    assert said in row.decide().reasons
    mine = Rule(when="acceptable and checks_proving == 0", action="escalate", name="unproved")
    assert row.decide(rules=(mine,)).rule == "unproved"
    proved = Row("", [*ran(checks={"a": 0}), at_base(a=1)], scored(), "proceed", "accepted", task=task(checks=("a",)))
    assert (proved.decide(rules=(mine,)).rule, said in proved.decide().reasons) == ("accepted", False)


def test_every_switch_has_its_breakpoint() -> None:
    """That of milestones is the planner's: see `tests/services/planner/test_milestones.py`."""
    assert {row.rule for row in BREAKPOINTS} | {"milestone"} == set(Breakpoints.__struct_fields__)


def test_what_only_the_calibration_keeps_from_being_accepted_a_person_is_asked_about() -> None:
    lowered = replace(scored(confidence=0.69), confidence_raw=0.95)
    made = Row("", ran(), lowered, "escalate", "low_confidence").decide()
    assert (made.action, made.rule, made.reasons) == (
        "escalate", "low_confidence",
        (
            "confidence 0.69 is below 0.85",
            "by its evidence alone confidence is 0.95; what became of such work makes it less",
        ),
    )  # fmt: skip
    doubted = replace(scored(confidence=0.6), confidence_raw=0.77)
    assert Row("", ran(), doubted, "retry", "again").decide().action == "retry"
    failed = replace(scored(confidence=0.05), confidence_raw=0.95)
    assert Row("", FAILED, failed, "retry", "again").decide().action == "retry"


def test_a_finding_of_destruction_has_a_person_look_too() -> None:
    seen = WorkspaceInspected(attempt=1, run=1, findings=(Finding(kind="destructive", detail="src is gone"),))
    made = Row("", [*ran(), seen], scored(), "escalate", "destructive_command").decide()
    assert (made.action, made.reasons[0]) == ("escalate", "src is gone")


def test_a_finding_that_blocks_is_a_shortcoming_whatever_the_checks_say() -> None:
    seen = WorkspaceInspected(attempt=1, run=1, findings=(Finding(kind="tests_deleted", detail="a test is gone"),))
    made = Row("", [*ran(), seen], scored(), "retry", "again").decide()
    assert (made.action, made.reasons) == ("retry", ("tests deleted: a test is gone",))


@pytest.mark.parametrize("llm", [NO_LLM, LLM])
def test_an_agents_question_goes_to_the_llm_first_where_there_is_one(llm: LlmSelected) -> None:
    past = [TASK, TaskReadied(), llm, *exited(FAILED, questions=(QUESTION,)), finished(), scored(confidence=0.05)]
    clarify = given(DECIDER, *past[:-1]).when(past[-1]).only
    asked = given(DECIDER, *past).when(clarify).only
    to: Literal["person", "llm"] = "person" if llm is NO_LLM else "llm"
    assert asked == QuestionAsked(
        question="q1", text=Content.of(QUESTION), to=to, attempt=1, run=1, reasons=clarify.reasons
    )
    answer = QuestionAnswered(question="q1", text=Content.of("A"), by="ann")
    made = given(DECIDER, *past, clarify, asked).when(answer).only
    assert (made.action, made.rule, made.reasons) == ("retry", "answered", ("ann answered: A",))
    late = QuestionAnswered(question="q1", text=Content.of("B"), by="bob")
    assert given(DECIDER, *past, clarify, asked, answer).when(late).only == made


def test_what_the_llm_can_not_answer_a_person_is_asked() -> None:
    past = [TASK, TaskReadied(), LLM, *exited(FAILED, questions=(QUESTION,)), finished(), scored(confidence=0.05)]
    clarify = given(DECIDER, *past[:-1]).when(past[-1]).only
    asked = given(DECIDER, *past).when(clarify).only
    lacking = QuestionAnswered(question="q1", text=Content(), usable=False, reason="it does not say")
    again = given(DECIDER, *past, clarify, asked).when(lacking).only
    assert again == QuestionAsked(
        question="q1-person", text=Content.of(QUESTION), attempt=1, run=1,
        reasons=(*clarify.reasons, "the LLM has no answer: it does not say"),
    )  # fmt: skip
    late = QuestionAnswered(question="q1", text=Content.of("A"))
    given(DECIDER, *past, clarify, asked, lacking, again).when(late).then_nothing()
    resolved = given(DECIDER, *past, clarify, asked, lacking, again).when(BreakpointResolved(resolution="reject")).only
    assert resolved.action == "stop"


def test_questions_end_where_their_bound_is() -> None:
    row = Row("", exited(FAILED, questions=(QUESTION,)), scored(confidence=0.05), "retry", "again")
    assert row.decide(questions_max=0).action == "retry"


def test_a_wait_lasts_until_the_limit_resets_with_a_jitter_that_follows_from_the_past() -> None:
    ending = ended("rate_limited", retry_after_s=1_000.0, session="s1")
    wait = DecisionMade(action="wait", attempt=1, run=1)
    delays = {given(DECIDER, TASK, TaskReadied(), *ending).when(wait).only.delay_s for _ in range(2)}
    assert len(delays) == 1
    assert 1_000.0 <= delays.pop() <= 1_030.0
    other = ended("rate_limited", retry_after_s=1_000.0, session="s2")
    assert given(DECIDER, TASK, TaskReadied(), *other).when(wait).only.delay_s not in delays


def test_a_limit_that_resets_too_late_is_not_waited_for() -> None:
    row = Row("", ended("rate_limited", retry_after_s=90_000.0), finished(ending="rate_limited"), "stop", "outage")
    assert row.decide().reasons[-1] == "the limit resets in 90,000 s, and 21,600 s are waited at most"


def test_on_a_budget_that_is_used_up_nothing_can_be_tried_again() -> None:
    past = [task(budget_usd=1.0), TaskReadied(policy=Policy(breakpoints=Breakpoints(budget=True))), *FAILED, finished()]
    spent = BudgetExhausted(spent_usd=1.0, budget_usd=1.0)
    escalate = given(DECIDER, *past, scored(), retried()).when(spent).only
    raised = given(DECIDER, *past, scored(), retried(), spent).when(escalate).only
    made = given(DECIDER, *past, scored(), retried(), spent, escalate, raised).when(
        BreakpointResolved(resolution="retry", by="ann")
    )
    assert (escalate.rule, made.only.action, made.only.rule) == ("budget", "stop", "out_of_money")


def test_approving_where_nothing_was_recorded_asks_again() -> None:
    escalate = DecisionMade(action="escalate", attempt=0, run=0, rule="override")
    raised = BreakpointRaised(name="override")
    past = [TASK, TaskReadied(), DecisionOverridden(action="escalate"), escalate, raised]
    made = given(DECIDER, *past).when(BreakpointResolved(resolution="approve", by="ann")).only
    assert (made.action, made.rule) == ("escalate", "nothing_to_accept")


def test_a_run_goes_on_after_a_wait() -> None:
    wait = DecisionMade(action="wait", attempt=1, run=1)
    past = [TASK, TaskReadied(), *ended("unreachable"), finished(ending="unreachable"), wait]
    made = given(DECIDER, *past, TimerSet(timer="outage-1", delay_s=5)).when(TimerFired(timer="outage-1")).only
    assert (made.action, made.rule, made.counted) == ("retry", "waited", False)


def test_a_review_that_disapproves_is_a_contradiction_too() -> None:
    review = AttemptReviewed(attempt=2, run=1, usable=True, approves=False, summary="wrong file")
    past = [*ran(), finished(), scored(confidence=0.8), retried(), *ran(2), finished(2), review]
    made = Row("", past, scored(2, confidence=0.8), "clarify", "contradictory").decide()
    assert made.question.text == (
        "The checks pass, but the review disapproves: wrong file. What should the agent do about it?"
    )


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /", "rm -rf ~/work", "cd x && rm -fr ../other", "sudo rm -r -f /usr", "git push --force origin main",
        "git push -f", "dd if=/dev/zero of=/dev/sda", "mkfs.ext4 /dev/sdb1", "psql -c 'DROP TABLE users'",
        "terraform destroy -auto-approve", "kubectl delete ns prod", "npm publish", "shutdown -h now",
        "chmod -R 777 /", "aws s3 rm s3://bucket --recursive", "rm -rf $HOME/*", "rm -rf ./../other", "crontab -r",
        "find / -name '*.log' -delete", "python -c \"import shutil; shutil.rmtree('/srv')\"", "gh repo delete x --yes",
        "truncate -s 0 /var/log/syslog", "curl -X DELETE https://api.example.org/users", "gh release create v1",
        "echo 'drop table users' | psql prod", "psql prod <<X\nDROP DATABASE a;\nX", "rm -rf /ws2/src",
        "sqlite3 a .dump; dropdb prod", "rm -rf /tmpfiles",
        "cat > a.sh <<X\necho\nX\nrm -rf /srv",
    ],
)  # fmt: skip
def test_commands_that_may_destroy_what_lies_outside_are_told(command: str) -> None:
    assert len(destructive((command,), "/ws")) == 1


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf build", "rm -f a.txt", "rm -rf ./node_modules", "git push origin main", "git push --force-with-lease",
        "grep -rn 'rm -rf /' docs", "echo x > /dev/null", "pytest -q", "dd if=a of=/dev/null", "rm -rf /tmp/x",
        "npm run publish-docs", "cat shutdown.md", "git rm -r old", "x" * 500, "rm " * 166,
        "npm publish --dry-run", "rm -rf ~/.cache/pip", "sqlite3 test.db 'DROP TABLE a'", "rm -rf /ws/build",
        "cat > a.sql <<'X'\nDROP TABLE a;\nX", "tee a.sh <<X\nrm -rf /\nX",
        "git commit -m 'no npm publish; drop table a'", "find /tmp -name 'a*' -exec rm {} +", "rm -rf /tmp",
        "curl -X DELETE http://localhost:8000/items/1", "rm -rf '/ws'", "find . -name '*.pyc' -delete",
        "cat <<X\n" * 60, "find /ws -name '*.pyc' -delete", "rm -r /var/tmp/x",
    ],
)  # fmt: skip
def test_ordinary_commands_are_not(command: str) -> None:
    assert destructive((command,), "/ws") == ()
