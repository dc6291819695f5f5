"""One task's history decided again under another policy, up to the first decision that comes out differently.

Up to there everything happened as it is recorded, whichever policy had been in force; after it, what the agent would
have done nobody knows, and nothing is made up. The scores are computed again too, since a policy weighs them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from obra.events import AttemptScored, ClaimContradicted, DecisionMade, Event, Policy, TaskReadied
from obra.shared.decider import Decider
from obra.shared.envelope import Recorded

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first decision that differs: where, what was decided, and what would have been. Empty: nothing."""

    position: int
    attempt: int
    was: str
    would_be: str
    reasons: tuple[str, ...] = ()

    @property
    def change(self) -> tuple[str, str]:
        """Return what became what."""
        return self.was or "nothing", self.would_be or "nothing"


@dataclass(frozen=True, slots=True)
class Judges:
    """The deciders that a policy speaks to: one that scores, one that decides."""

    scorer: Decider[Any]
    decider: Decider[Any]


@dataclass(slots=True)
class _Course:
    """A task's way through both deciders so far."""

    judges: Judges
    scorer: Any
    decider: Any
    scored: dict[tuple[type[Event], Key], list[Event]] = field(default_factory=dict)

    def feed(self, event: Event) -> None:
        """Let both take in *event*."""
        self.scorer = self.judges.scorer.evolve(self.scorer, event)
        self.decider = self.judges.decider.evolve(self.decider, event)

    def score(self, question: Event) -> None:
        """Keep what the scorer answers now, to stand in for what it answered then."""
        if isinstance(question, self.judges.scorer.hears):
            for answer in self.judges.scorer.decide(self.scorer, question):
                self.scored.setdefault(of_run(answer), []).append(answer)

    def scored_now(self, event: Event) -> Event | None:
        """Return what the scorer says now in place of *event*; None if it says nothing of the kind any more."""
        now = self.scored.get(of_run(event))
        if isinstance(event, AttemptScored):
            return now[0] if now else event
        return now.pop(0) if now else None


def of_run(event: Event) -> tuple[type[Event], Key]:
    """Return by what an answer of the scorer is found again: its type, and the run that it is about."""
    return type(event), (getattr(event, "attempt", 0), getattr(event, "run", 0))


def redecide(past: Sequence[Recorded], judges: Judges, policy: Policy | None) -> Divergence | None:
    """Return the first decision of *past* that *policy* changes; None if it changes none.

    *policy* stands in for the one that the task was readied under; without one that one stays, which shows whether
    this version decides as the recorded one did.
    """
    course = _Course(judges, judges.scorer.initial, judges.decider.initial)
    decided = decisions(past, judges.decider.name)
    asked = answered(past, decided)
    questions: dict[Any, Event] = {}
    for recorded in past:
        event = recorded.event
        match event:
            case DecisionMade() if recorded.envelope.cause in questions and recorded.position in decided:
                now = decision_in(judges.decider.decide(course.decider, questions[recorded.envelope.cause]))
                if (found := compare(recorded, event, now)) is not None:
                    return found
                event = now or event
            case TaskReadied() if policy is not None:
                event = msgspec.structs.replace(event, policy=policy)
            case AttemptScored() | ClaimContradicted() if recorded.envelope.service == judges.scorer.name:
                if (again := course.scored_now(event)) is None:
                    continue
                event = again
            case _:
                pass
        course.feed(event)
        course.score(event)
        if isinstance(event, judges.decider.hears):
            questions[recorded.envelope.id] = event
            if recorded.envelope.id not in asked:
                new = decision_in(judges.decider.decide(course.decider, event))
                if new is not None:
                    return Divergence(recorded.position, new.attempt, "", new.action, new.reasons)
    return None


def decisions(past: Iterable[Recorded], service: str) -> dict[int, Any]:
    """Return the positions of recorded decisions and what each answers, where the question is in the past too."""
    ids = {recorded.envelope.id for recorded in past}
    return {
        recorded.position: recorded.envelope.cause
        for recorded in past
        if isinstance(recorded.event, DecisionMade)
        and recorded.envelope.service == service
        and recorded.envelope.cause in ids
    }


def answered(past: Iterable[Recorded], decided: Mapping[int, Any]) -> frozenset[Any]:
    """Return the ids of events that one of the decisions *decided* answers, or had seen when it answered another.

    A score that comes while its attempt's end is being looked at is decided on then; it needs no answer of its own.
    """
    open_until: dict[Any, int] = {cause: position for position, cause in decided.items()}
    ids, until = set(), 0
    for recorded in past:
        until = max(until, open_until.get(recorded.envelope.id, 0))
        if recorded.position < until:
            ids.add(recorded.envelope.id)
    return frozenset(ids)


def decision_in(answers: Sequence[Event]) -> DecisionMade | None:
    """Return the decision among *answers*, if one is."""
    return next((answer for answer in answers if isinstance(answer, DecisionMade)), None)


def compare(recorded: Recorded, was: DecisionMade, now: DecisionMade | None) -> Divergence | None:
    """Return in what *now* differs from what *was* decided, None if in nothing that matters."""
    if now is None:
        return Divergence(recorded.position, was.attempt, was.action, "")
    if (now.action, now.counted) == (was.action, was.counted):
        return None
    return Divergence(recorded.position, was.attempt, was.action, now.action, now.reasons)
