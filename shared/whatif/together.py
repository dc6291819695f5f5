"""All candidates on one task's history at once: whatever they see alike is folded and decided once for all of them.

It says of each candidate what `redecide` says of it alone. Candidates part where a score or a decision comes out
differently, each party going on with states of its own; states are values, so parting costs nothing. One that differs
from what was recorded is told, and goes no further. The policy that was in force goes along as one of the parties: if
that one differs, nothing can be said about any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from obra.events import AttemptScored, ClaimContradicted, DecisionMade, Event, Policy, TaskReadied
from obra.shared.decider import Decider
from obra.shared.envelope import Recorded
from obra.shared.whatif.candidates import Candidates, members
from obra.shared.whatif.redecide import (
    Divergence,
    Judges,
    answered,
    compare,
    decision_in,
    decisions,
    of_run,
)
from obra.shared.whatif.watched import spread

Answers = Sequence[Event]
Scored = dict[Any, tuple[Event, ...]]


@dataclass(frozen=True, slots=True)
class Party:
    """Candidates, as bits, whom everything has come out the same for so far; ``own``: the policy in force, too.

    ``scored`` is what the scorer says now, to stand in for what it said then.
    """

    members: int
    own: bool
    scorer: Any
    decider: Any
    scored: Scored = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parted:
    """Those of a party that get the same answers."""

    members: int
    own: bool
    answers: Answers


class Together:
    """One task's way through both deciders, for all candidates. ``found`` are divergences, each with who has it."""

    def __init__(self, judges: Judges, candidates: Candidates, policy: Policy) -> None:
        """Begin with everybody in one party, under *policy*, which the task was readied under."""
        self._judges, self._candidates, self._policy = judges, candidates, policy
        self._parties = [Party(candidates.everyone(), True, judges.scorer.initial, judges.decider.initial)]
        self._questions: dict[Any, Event] = {}
        self._key = msgspec.json.encode(policy)
        self._readied = False
        self.found: list[tuple[int, Divergence]] = []
        self.repeats = True

    def follow(self, past: Sequence[Recorded]) -> None:
        """Go through *past* until everybody has differed, or the policy that was in force has."""
        decided = decisions(past, self._judges.decider.name)
        asked = answered(past, decided)
        for recorded in past:
            event, envelope = recorded.event, recorded.envelope
            self._readied = self._readied or isinstance(event, TaskReadied)
            if isinstance(event, DecisionMade) and recorded.position in decided and envelope.cause in self._questions:
                self._decide(recorded, event, self._questions[envelope.cause])
            elif isinstance(event, AttemptScored | ClaimContradicted) and envelope.service == self._judges.scorer.name:
                self._parties = [fed for party in self._parties for fed in self._scored_now(party, event)]
            else:
                self._parties = [self._fed(party, event) for party in self._parties]
            if isinstance(event, self._judges.scorer.hears):
                self._parties = [parted for party in self._parties for parted in self._score(party, event)]
            if isinstance(event, self._judges.decider.hears):
                self._questions[envelope.id] = event
                if envelope.id not in asked and not isinstance(event, DecisionMade):  # none follows from another
                    self._unasked(recorded, event)
            if not self.repeats:
                return

    def _fed(self, party: Party, event: Event) -> Party:
        scorer = self._judges.scorer.evolve(party.scorer, event)
        decider = self._judges.decider.evolve(party.decider, event)
        if scorer is party.scorer and decider is party.decider:
            return party
        return Party(party.members, party.own, scorer, decider, party.scored)

    def _decide(self, recorded: Recorded, was: DecisionMade, question: Event) -> None:
        """Decide again: who differs is told and leaves, who gets the same words goes on together."""
        following: list[Party] = []
        for party in self._parties:
            for some in self._asked(party, self._judges.decider, party.decider, question):
                now = decision_in(some.answers)
                if (differs := compare(recorded, was, now)) is not None:
                    self._tell(some, differs)
                else:
                    parted = Party(some.members, some.own, party.scorer, party.decider, party.scored)
                    following.append(self._fed(parted, now or was))
        self._parties = following

    def _unasked(self, recorded: Recorded, question: Event) -> None:
        """Whoever decides where nothing was decided differs."""
        following: list[Party] = []
        for party in self._parties:
            for some in self._asked(party, self._judges.decider, party.decider, question):
                new = decision_in(some.answers)
                if new is not None:
                    self._tell(some, Divergence(recorded.position, new.attempt, "", new.action, new.reasons))
                else:
                    following.append(Party(some.members, some.own, party.scorer, party.decider, party.scored))
        self._parties = following

    def _score(self, party: Party, question: Event) -> Iterator[Party]:
        for some in self._asked(party, self._judges.scorer, party.scorer, question):
            scored = dict(party.scored)
            for answer in some.answers:
                scored[of_run(answer)] = (*scored.get(of_run(answer), ()), answer)
            yield Party(some.members, some.own, party.scorer, party.decider, scored)

    def _scored_now(self, party: Party, event: Event) -> Iterator[Party]:
        """Yield the party with what the scorer says now in place of *event*, or without it."""
        now = party.scored.get(of_run(event), ())
        if isinstance(event, AttemptScored):
            yield self._fed(party, now[0] if now else event)
        elif now:
            scored = {**party.scored, of_run(event): now[1:]}
            yield self._fed(Party(party.members, party.own, party.scorer, party.decider, scored), now[0])
        else:
            yield party

    def _asked(self, party: Party, decider: Decider[Any], state: Any, question: Event) -> list[Parted]:
        """Return what *decider* answers, by who gets it."""
        if not self._readied:
            return [Parted(party.members, party.own, decider.decide(state, question))]
        left, own, found = party.members, party.own, list[Parted]()
        while left:
            index = next(members(left))
            policy, sight = self._candidates.watched(index, self._key, self._policy)
            answers = decider.decide(replace(state, policy=policy), question)
            if decider is self._judges.scorer:
                spread(answers, sight)  # what it says is judged by; what a decision says is words
            alike = self._candidates.alike(index, sight) & left
            too = own and self._candidates.sees_alike(index, sight, self._policy)
            own, left = own and not too, left & ~alike
            _add(found, Parted(alike, too, answers))
        if own:
            _add(found, Parted(0, True, decider.decide(replace(state, policy=self._policy), question)))
        return found

    def _tell(self, some: Parted, divergence: Divergence) -> None:
        if some.own:
            self.repeats = False
        self.found.append((some.members, divergence))


def _add(found: list[Parted], one: Parted) -> None:
    """Put *one* together with those that got the same answers."""
    for n, other in enumerate(found):
        if other.answers == one.answers:
            found[n] = Parted(other.members | one.members, other.own or one.own, other.answers)
            return
    found.append(one)
