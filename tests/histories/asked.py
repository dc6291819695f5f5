"""What each service that thinks was asked in a recorded history, and what it said: to be decided once more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from msgspec.structs import replace

from obra.events import Event, Policy, PolicyAdopted, PromptPrepared, SessionBriefed, SessionJoined
from obra.events.subjects import Scope
from obra.services.planner.decide import planner
from obra.shared.bus import Raw
from obra.shared.decider import Decider
from obra.shared.envelope import Recorded, Unknown
from obra.shared.history import standing, turn
from obra.shared.manager import Answer, Manager, Told

BRIEFING = (SessionBriefed, SessionJoined)
"""Said by the shell of the session-manager, which reads other tasks to know it; nobody decides it."""


@dataclass(frozen=True)
class Question:
    """An event that was put to a decider, what counted when it answered, and what it said.

    ``also`` is everything that it said in the scope at any time: without an answer of its own, a question may have
    been settled by that of another, and nothing else may follow from it.
    """

    recorded: Recorded
    past: tuple[Event, ...]
    answers: tuple[Event, ...]
    also: tuple[Event, ...]


def questions(raws: Sequence[Raw], decider: Decider[Any]) -> Iterator[Question]:
    """Yield each question that *decider* heard. It answered seeing all of the scope that stood before its answer."""
    known = recorded(raws)
    for scope in sorted({one.envelope.scope for one in known}):
        past = [one for one in known if one.envelope.scope == scope]
        said = [one for one in past if one.envelope.service == decider.name and not isinstance(one.event, BRIEFING)]
        for at, question in enumerate(past):
            if isinstance(question.event, decider.hears):
                answers = [one for one in said if one.envelope.cause == question.envelope.id]
                seen = past[: past.index(answers[0]) if answers else at + 1]
                assert turn(seen) <= question.position, "what a rollback undid was answered"
                counted = tuple(one.event for one in standing(seen))
                yield Question(question, counted, _events(answers), _events(said))


@dataclass(frozen=True)
class Step:
    """One answer of the planner, or that it had none left (``said`` is None), and every state it may have seen then.

    It follows the whole stream, one question at a time; so it saw what stood somewhere between its answer before and
    this one, which are ``views``.
    """

    question: Recorded
    said: Answer | None
    views: tuple[Any, ...]
    manager: Manager[Any]

    @property
    def comes_out_the_same(self) -> bool:
        """Return whether from one of the views it follows what was said."""
        envelope = self.question.envelope
        told = Told(envelope.scope, self.question.event, envelope.at, self.question.position)
        return any(next(iter(self.manager.decide(view, told)), None) == self.said for view in self.views)


def steps(raws: Sequence[Raw]) -> Iterator[Step]:
    """Yield everything that the planner said, and where it fell silent, in the order in which it was asked."""
    known = recorded(raws)
    manager = planner(Policy())
    states, policy = [manager.initial], Policy()
    followed = (*manager.hears, *manager.says, *manager.follows)
    for one in known:
        policy = one.event.policy if isinstance(one.event, PolicyAdopted) else policy
        state = replace(states[-1], policy=policy)
        told = Told(one.envelope.scope, one.event, one.envelope.at, one.position)
        states.append(manager.evolve(state, told) if isinstance(one.event, followed) else state)
    mine = {n: one for n, one in enumerate(known) if one.envelope.service == manager.name}
    reached = 0
    for at, question in enumerate(known):
        if not isinstance(question.event, manager.hears):
            continue
        answers = [n for n, one in mine.items() if one.envelope.cause == question.envelope.id]
        later = next((n for n in mine if n > max(at, reached, *answers, 0) and n not in answers), len(known))
        marks = [max(at + 1, reached), *answers]
        for begin, end in pairwise(marks):
            said = (known[end].envelope.scope, known[end].event)
            yield Step(question, said, tuple(states[begin : end + 1]), manager)
        begin = answers[-1] + 1 if answers else marks[0]
        yield Step(question, None, tuple(states[begin : later + 1]), manager)
        reached = begin


def worded_alike(said: Sequence[Event], recorded: Sequence[Event]) -> tuple[Event, ...]:
    """Return *said*, with the words of prompts as *recorded* where templates or rules have changed since.

    Words may be improved, and decide nothing; what is told, when, and with which limits stays as it was.
    """
    return tuple(
        replace(
            now, prompt=then.prompt, tokens_estimated=then.tokens_estimated, template_sha256=then.template_sha256,
            rules_sha256=then.rules_sha256,
        )
        if isinstance(now, PromptPrepared) and isinstance(then, PromptPrepared) and wording(now) != wording(then)
        else now
        for now, then in zip_longest(said, recorded)
        if now
    )  # fmt: skip


def wording(prepared: PromptPrepared) -> tuple[str, str]:
    """Return the hashes of what a prompt is worded by."""
    return prepared.template_sha256, prepared.rules_sha256


def recorded(raws: Sequence[Raw]) -> list[Recorded]:
    """Return the events among *raws* that this version knows."""
    known = [Recorded(raw.position, raw.envelope) for raw in raws if raw.envelope]
    return [one for one in known if not isinstance(one.event, Unknown)]


def of(raws: Sequence[Raw], scope: Scope) -> list[Recorded]:
    """Return the events of *scope*."""
    return [one for one in recorded(raws) if one.envelope.scope == scope]


def _events(found: Sequence[Recorded]) -> tuple[Event, ...]:
    return tuple(one.event for one in found)
