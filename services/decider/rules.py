"""The rules, in the order in which they are asked: the first that has an answer decides.

Evidence comes first. The LLM's review is a weak witness: it moves the confidence, and it is named among the
reasons, but alone it neither makes nor breaks an attempt.
"""

from collections.abc import Callable

from msgspec.structs import replace

from obra.events import HOPELESS, OUTAGES, Action, Ending
from obra.services.decider import breakpoints, questions, words
from obra.services.decider.custom import custom
from obra.services.decider.judged import acceptable
from obra.services.decider.state import State
from obra.services.decider.verdict import Verdict

LIMITS: frozenset[Ending] = frozenset({"max_turns", "timed_out"})

REMEDIES: dict[str, str] = {
    "not_logged_in": "log the agent in, or pass its credentials with --agent-env or agent.claude.credentials",
    "rejected": "the same request would be rejected again: look at the model, the account and the prompt",
    "unavailable": "`obra doctor` says what is missing",
    "unmergeable": "merge their branches by hand, and submit the task again with --base",
    "over_budget": "give the task a larger budget, or make it smaller",
}


def overridden(state: State) -> Verdict | None:
    """A person decided otherwise. Only work that was recorded can be delivered."""
    if state.override is None or (state.override.action == "proceed" and state.evidence.checkpoint is None):
        return None
    said = state.override
    counted = said.action != "checkpoint"
    verdict = Verdict(said.action, (words.person("decided", said.by, said.reason),), "override", counted)
    return _with_money(state, verdict)


def _with_money(state: State, said: Verdict) -> Verdict:
    """Return what a person said, or that it can't be done on a budget that is used up."""
    if state.budget is None or said.action not in ("retry", "checkpoint"):
        return said
    why = "no attempt can be made on a budget that is used up: submit the task again with a larger one"
    return Verdict("stop", (*said.reasons, why), "out_of_money")


def resolved(state: State) -> Verdict | None:
    """A person was needed and has spoken; another attempt on their word may exceed the task's attempts."""
    if state.due != "resolution" or state.resolution is None:
        return None
    said = state.resolution
    action: Action = {"approve": "proceed", "reject": "stop", "retry": "retry"}[said.resolution]  # type: ignore[assignment]
    verb = {"approve": "approved", "reject": "rejected the work", "retry": "wants another attempt"}[said.resolution]
    if action == "proceed" and state.evidence.checkpoint is None:
        why = "no work was recorded that could be accepted: reject it, or have it tried again"
        return Verdict("escalate", (words.person(verb, said.by, said.note.text), why), "nothing_to_accept")
    return _with_money(state, Verdict(action, (words.person(verb, said.by, said.note.text),)))


def undeliverable(state: State) -> Verdict | None:
    """The accepted work could not be put into the repository."""
    if state.due != "refusal":
        return None
    return Verdict("stop", (f"the work was accepted, but its branch could not be made: {state.refusal}",))


def out_of_money(state: State) -> Verdict | None:
    """The budget does not allow another attempt."""
    if state.due != "budget" or state.budget is None:
        return None
    spent, budget = state.budget.spent_usd, state.budget.budget_usd
    why = f"the budget is used up: {spent:.2f} of {budget:.2f} USD are spent"
    return breakpoints.budget(state, why) or Verdict("stop", (why,))


def waited(state: State) -> Verdict | None:
    """The wait for the provider is over; the lost run does not count."""
    if state.due != "timer":
        return None
    return Verdict("retry", ("the wait for the provider is over",), counted=False)


def lost(state: State) -> Verdict | None:
    """A run was lost to a crash or a stop of its runner: made again, not counted, within a bound."""
    if state.due != "loss" or state.loss is None:
        return None
    why = f"the run was lost: {state.loss.reason}"
    if state.interruptions > state.policy.interruptions_max:
        nth, bound = words.ordinal(state.interruptions), state.policy.interruptions_max
        return Verdict("stop", (why, f"that was the {nth} lost run, and {bound} are made again"))
    return Verdict("retry", (why,), counted=False)


def cancelled(state: State) -> Verdict | None:
    """A person cancelled the attempt."""
    if state.evidence.ending != "cancelled":
        return None
    return Verdict("stop", (words.ended(state),))


def hopeless(state: State) -> Verdict | None:
    """The same attempt again can't end otherwise."""
    ending = state.evidence.ending
    if ending is None or ending not in HOPELESS:
        return None
    return Verdict("stop", (words.ended(state), REMEDIES[ending]))


def outage(state: State) -> Verdict | None:
    """The provider is away: waited out, longer each time, within a bound."""
    if state.evidence.ending not in OUTAGES:
        return None
    if state.outages >= state.policy.outages_max:
        often = "once" if state.outages == 1 else f"{state.outages} times"
        waits = f"it was waited for {often} already" if state.outages else "the policy does not wait for it"
        return _not_waited_out(state, waits)
    exited = state.evidence.exited
    if exited and exited.retry_after_s > state.policy.outage_reset_s_max:
        longest = f"{state.policy.outage_reset_s_max:,.0f} s are waited at most"
        return _not_waited_out(state, f"the limit resets in {exited.retry_after_s:,.0f} s, and {longest}")
    hint = (f"the provider says that the limit resets at {exited.retry_at}",) if exited and exited.retry_at else ()
    return Verdict("wait", (words.ended(state), *hint))


def _not_waited_out(state: State, why: str) -> Verdict:
    return breakpoints.rate_limit(state, why) or Verdict("stop", (words.ended(state), why))


def accepted(state: State) -> Verdict | None:
    """The evidence is sound and both numbers are reached."""
    if not acceptable(state):
        return None
    stopped = breakpoints.architecture(state) or breakpoints.conflicting_solutions(state)
    return stopped or Verdict("proceed", words.merits(state))


def unchecked(state: State) -> Verdict | None:
    """No check exists: whether the work is done, a person must say."""
    evidence = state.evidence
    sound = evidence.ending == "completed" and evidence.changed and not evidence.denials() and not evidence.blocking
    if state.due != "score" or state.checks or not sound:
        return None
    reasons = ("the task has no checks, so a person must approve the work", *words.merits(state))
    return Verdict("escalate", reasons, "no_checks")


def going_on(state: State) -> Verdict | None:
    """The run came to a limit of turns or time in the middle of its work: it goes on from what it has done."""
    begun = state.evidence.checkpoint is not None and state.evidence.checkpoint.changed
    if state.evidence.ending not in LIMITS or not begun or not state.attempts_left:
        return None
    if state.checkpoints >= state.policy.checkpoints_max:
        return None
    reasons = (words.ended(state), "it has changed something, so it goes on from there")
    return Verdict("checkpoint", reasons, counted=False)


def again(state: State) -> Verdict | None:
    """Attempts are left: tried again, with what was wrong as feedback."""
    return Verdict("retry", _wrong(state)) if state.attempts_left else None


def used_up(state: State) -> Verdict:
    """Nothing is left to try. The task fails; it never waits."""
    attempts = f"all {state.attempts_max} attempts are" if state.attempts_max > 1 else "the only attempt is"
    return Verdict("stop", (*_wrong(state), f"{attempts} used up"), "used_up")


def _wrong(state: State) -> tuple[str, ...]:
    return words.shortcomings(state) if state.due == "score" else (words.ended(state),)


RULES: tuple[Callable[[State], Verdict | None], ...] = (
    undeliverable,
    out_of_money,
    overridden,
    resolved,
    questions.answered,
    waited,
    lost,
    cancelled,
    custom,
    breakpoints.destructive_command,
    hopeless,
    outage,
    accepted,
    questions.agent_asks,
    questions.contradictory,
    breakpoints.conflicting_solutions,
    breakpoints.low_confidence,
    unchecked,
    breakpoints.before_another,
    going_on,
    again,
)
"""First match wins; where none matches, `used_up` does."""


def verdict(state: State) -> Verdict:
    """Return what the first rule with an answer says."""
    for rule in RULES:
        if (said := rule(state)) is not None:
            return said if said.rule else replace(said, rule=rule.__name__)
    return used_up(state)
