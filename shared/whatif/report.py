"""All tasks against all candidates: what each candidate would have changed, as far as it is known."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from obra.events import Policy, TaskReadied, TaskRolledBack
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.tuning import Changes, apply
from obra.shared.whatif.candidates import Candidates, members
from obra.shared.whatif.outcome import Known, known
from obra.shared.whatif.redecide import Divergence, Judges, redecide
from obra.shared.whatif.together import Together

FINAL = frozenset({"proceed", "stop"})
"""Decisions after which no further attempt is made."""


class Effect(NamedTuple):
    """What one divergence means for one task. Attempts and costs that it adds beyond the first are not known."""

    was: str
    would_be: str
    attempts_saved: int
    cost_saved_usd: float
    attempts_added: int
    accepts_unknown: int
    false_accepts: int
    false_escalations: int


@dataclass(slots=True)
class Verdict:
    """What one candidate would have changed, in sums over all tasks that could be compared.

    ``attempts_added`` and ``false_accepts`` are what is known at each task's first divergence; ``accepts_unknown``
    are acceptances that no ground truth speaks about. The false ones are counts, not differences.
    """

    changed: Changes
    tasks_changed: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempts_saved: int = 0
    cost_saved_usd: float = 0.0
    attempts_added: int = 0
    accepts_unknown: int = 0
    false_accepts: int = 0
    false_escalations: int = 0


@dataclass(slots=True)
class Report:
    """Every candidate's verdict beside what was recorded.

    ``unrepeatable`` are tasks whose own decisions this version does not repeat under their own policy: they are left
    out, since what differs could not be laid to the candidate. ``labelled`` tasks have ground truth.
    """

    tasks: int = 0
    unrepeatable: list[Scope] = field(default_factory=list)
    labelled: int = 0
    attempts: int = 0
    cost_usd: float = 0.0
    false_accepts: int = 0
    false_escalations: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    divergences: list[tuple[Scope, Divergence]] = field(default_factory=list)


@dataclass(slots=True)
class Comparison:
    """Takes in one task after the other; `report` says what came of it. ``details`` keeps single divergences."""

    candidates: Candidates
    judges: Judges
    details: bool = False
    _report: Report = field(default_factory=Report)
    _effects: Counter[tuple[int, Effect]] = field(default_factory=Counter)

    def take(self, scope: Scope, past: Sequence[Recorded]) -> None:
        """Compare one task's past, up to where a person took something of it back."""
        end = next((n for n, recorded in enumerate(past) if isinstance(recorded.event, TaskRolledBack)), len(past))
        outcome = known(recorded.event for recorded in past)
        policy = next((r.event.policy for r in past if isinstance(r.event, TaskReadied)), None)
        if policy is None:
            return
        self._report.tasks += 1
        found = self._alone(past[:end], policy) if len(self.candidates.all) == 1 else self._together(past[:end], policy)
        if found is None:
            self._report.unrepeatable.append(scope)
            return
        self._count(outcome)
        for mask, divergence in found:
            self._effects[mask, _effect(divergence, outcome)] += 1
            if self.details:
                self._report.divergences.append((scope, divergence))

    def _count(self, outcome: Known) -> None:
        report = self._report
        report.labelled += bool(outcome.good)
        report.attempts += outcome.attempts
        report.cost_usd += outcome.cost_usd
        report.false_accepts += _false_accept(outcome, outcome.accepted)
        report.false_escalations += _false_escalations(outcome, outcome.escalated)

    def _alone(self, past: Sequence[Recorded], policy: Policy) -> list[tuple[int, Divergence]] | None:
        """Return what the one candidate changes first; None where the policy in force does not repeat *past*."""
        if redecide(past, self.judges, None) is not None:
            return None
        found = redecide(past, self.judges, apply(policy, self.candidates.all[0]))
        return [] if found is None else [(self.candidates.everyone(), found)]

    def _together(self, past: Sequence[Recorded], policy: Policy) -> list[tuple[int, Divergence]] | None:
        """Return sets of candidates that decide alike, each with what it changes first; None as above."""
        together = Together(self.judges, self.candidates, policy)
        together.follow(past)
        return together.found if together.repeats else None

    def report(self) -> Report:
        """Return the sums."""
        report, base = self._report, self._report
        report.verdicts = [
            Verdict(changed, false_accepts=base.false_accepts, false_escalations=base.false_escalations)
            for changed in self.candidates.all
        ]
        for (mask, effect), times in self._effects.items():
            for index in members(mask):
                _add(report.verdicts[index], effect, times)
        return report


def _add(verdict: Verdict, effect: Effect, times: int) -> None:
    verdict.tasks_changed += times
    verdict.changes[effect.was, effect.would_be] += times
    verdict.attempts_saved += times * effect.attempts_saved
    verdict.cost_saved_usd += times * effect.cost_saved_usd
    verdict.attempts_added += times * effect.attempts_added
    verdict.accepts_unknown += times * effect.accepts_unknown
    verdict.false_accepts += times * effect.false_accepts
    verdict.false_escalations += times * effect.false_escalations


def _effect(divergence: Divergence, outcome: Known) -> Effect:
    attempt, final = divergence.attempt, divergence.would_be in FINAL
    accepted = attempt if divergence.would_be == "proceed" else 0
    escalated = {number for number in outcome.escalated if number < attempt}
    if divergence.would_be == "escalate":
        escalated.add(attempt)
    return Effect(
        *divergence.change,
        attempts_saved=max(0, outcome.attempts - attempt) if final else 0,
        cost_saved_usd=outcome.cost_after(attempt) if final else 0.0,
        attempts_added=int(divergence.would_be == "retry"),
        accepts_unknown=int(bool(accepted) and outcome.truth(accepted) is None),
        false_accepts=_false_accept(outcome, accepted) - _false_accept(outcome, outcome.accepted),
        false_escalations=_false_escalations(outcome, escalated) - _false_escalations(outcome, outcome.escalated),
    )


def _false_accept(outcome: Known, attempt: int) -> int:
    return int(bool(attempt) and outcome.truth(attempt) is False)


def _false_escalations(outcome: Known, attempts: Iterable[int]) -> int:
    return sum(outcome.truth(attempt) is True for attempt in attempts)
