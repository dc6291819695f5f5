"""Situations that a person is asked about, each where the policy's switch of that name is on."""

from fnmatch import fnmatchcase

from obra.services.decider import words
from obra.services.decider.compare import conflict
from obra.services.decider.destructive import destructive
from obra.services.decider.judged import lowered, sound
from obra.services.decider.state import State
from obra.services.decider.verdict import Verdict

NAMED_MAX = 5


def _escalate(state: State, name: str, *why: str) -> Verdict:
    return Verdict("escalate", (*why, *words.standing(state)), name)


def destructive_command(state: State) -> Verdict | None:
    """The agent may have destroyed something outside of its workspace."""
    if state.due not in ("score", "ending") or not state.policy.breakpoints.destructive_command:
        return None
    exited = state.evidence.exited
    said = destructive(exited.commands, state.workspace)[:NAMED_MAX] if exited else ()
    said += tuple(f.detail for f in state.evidence.findings if f.kind == "destructive")[:NAMED_MAX]
    return _escalate(state, "destructive_command", *said) if said else None


def architecture(state: State) -> Verdict | None:
    """The work would be accepted, and changes what the whole project stands on."""
    if not state.policy.breakpoints.architecture or state.evidence.checkpoint is None:
        return None
    globs = state.policy.architecture_paths
    paths = [file.path for file in state.evidence.checkpoint.files if _touches(file.path, globs)]
    if not paths:
        return None
    more = f" and {len(paths) - NAMED_MAX} more" if len(paths) > NAMED_MAX else ""
    return _escalate(state, "architecture", f"the work changes {', '.join(paths[:NAMED_MAX])}{more}")


def _touches(path: str, globs: tuple[str, ...]) -> bool:
    """Return whether *path*, or its end from any directory on, matches one of *globs*."""
    ends = [path, *(path[at + 1 :] for at, char in enumerate(path) if char == "/")]
    return any(fnmatchcase(end, glob) for end in ends for glob in globs)


def conflicting_solutions(state: State) -> Verdict | None:
    """Two attempts pass the checks and are not the same work."""
    if state.due != "score" or not state.policy.breakpoints.conflicting_solutions:
        return None
    said = conflict(state)
    return _escalate(state, "conflicting_solutions", *said) if said else None


def low_confidence(state: State) -> Verdict | None:
    """Nothing plain is wrong, but the confidence is far too low, or too low and no attempt is left.

    Where it is too low by the calibration alone, a person is asked in any case: an agent can't mend what became of
    earlier work, and without a word on what passes its checks the outcomes could never get better again.
    """
    score = state.evidence.score
    if state.due != "score" or score is None or not sound(state):
        return None
    if lowered(state):
        why = f"by its evidence alone confidence is {score.confidence_raw:.2f}; what became of such work makes it less"
        return Verdict("escalate", (*words.shortcomings(state), why), "low_confidence")
    if not state.policy.breakpoints.low_confidence:
        return None
    if score.confidence >= state.policy.clarify_confidence and state.attempts_left:
        return None
    if score.confidence >= state.policy.accept_confidence:
        return None
    return Verdict("escalate", ("nobody can be sure of the work", *words.shortcomings(state)), "low_confidence")


def rate_limit(state: State, *why: str) -> Verdict | None:
    """The provider's limit can't be waited out."""
    if not state.policy.breakpoints.rate_limit or state.evidence.ending != "rate_limited":
        return None
    return Verdict("escalate", (words.ended(state), *why), "rate_limit")


def budget(state: State, *why: str) -> Verdict | None:
    """All of the budget is spent."""
    return Verdict("escalate", why, "budget") if state.policy.breakpoints.budget else None


def before_another(state: State) -> Verdict | None:
    """Another attempt would be made: whether a person wants to look first."""
    if not state.attempts_left:
        return None
    return _breaking_test(state) or _time_threshold(state) or _budget_share(state) or _consecutive_failures(state)


def _breaking_test(state: State) -> Verdict | None:
    since = [check.command for check in state.evidence.failing if check.command in state.passed]
    if not (since or state.broken) or not state.policy.breakpoints.breaking_test:
        return None
    said = (f"`{check}` passed in an earlier attempt and fails" for check in since if check not in state.broken)
    return _escalate(state, "breaking_test", *said)


def _time_threshold(state: State) -> Verdict | None:
    """Fire once each time that so much has gone by again."""
    limit_s = state.policy.time_threshold_s * (state.raised.get("time_threshold", 0) + 1)
    if not state.policy.breakpoints.time_threshold or state.agent_s < limit_s:
        return None
    return _escalate(state, "time_threshold", f"agents have worked {state.agent_s:,.0f} s (threshold: {limit_s:,.0f})")


def _budget_share(state: State) -> Verdict | None:
    usd = state.task.budget_usd if state.task else None
    share = state.policy.budget_share
    if not state.policy.breakpoints.budget or not usd or state.cost_usd < usd * share or "budget" in state.raised:
        return None
    return _escalate(state, "budget", f"{state.cost_usd:.2f} of {usd:.2f} USD are spent, which is {share:.0%} or more")


def _consecutive_failures(state: State) -> Verdict | None:
    failed = state.failures + 1
    if not state.policy.breakpoints.consecutive_failures or failed < state.policy.failures_max:
        return None
    return _escalate(state, "consecutive_failures", f"{failed} attempts in a row were not accepted")
