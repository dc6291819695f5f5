"""The service: hears what wants an LLM, asks, and says what came of it, or why nothing did."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from obra.events import (
    AttemptFinished,
    AttemptReviewed,
    Content,
    Event,
    LlmSelected,
    PromptEnhanced,
    PromptPrepared,
    ServiceDegraded,
    TaskSubmitted,
)
from obra.services.supervisor_llm import enhance, review, select
from obra.services.supervisor_llm.ask import (
    REPAIR_TOKENS,
    REPLY_TOKENS_MAX,
    SEED,
    Opinion,
    Patience,
    Shape,
    ask,
    schema_of,
    unasked,
)
from obra.services.supervisor_llm.material import Section, estimate, fenced, nonce
from obra.services.supervisor_llm.prompts import Prompt, load
from obra.services.supervisor_llm.providers import Provider, Question
from obra.services.supervisor_llm.providers.ollama import Ollama
from obra.services.supervisor_llm.state import (
    INITIAL,
    NAME,
    State,
    evolve,
    wants_advice,
    wants_notice,
    wants_review,
    wants_selection,
)
from obra.shared.bus import Bus
from obra.shared.config import LlmSettings, Settings
from obra.shared.errors import BlobMissing, StaleAppend
from obra.shared.home import Home
from obra.shared.service import Acting, Call, Service

HEARS: tuple[type[Event], ...] = (TaskSubmitted, PromptPrepared, AttemptFinished)
SAYS: tuple[type[Event], ...] = (LlmSelected, PromptEnhanced, AttemptReviewed, ServiceDegraded)

CONCURRENCY = 64
"""Answers in the making; most of them wait for a turn at the model, which holds up no selection."""

QUESTIONS_MAX = 2
LEASE_S = 30.0
GRACE_S = 2.0
TRIES_MAX = 5
"""Deliveries after which the question itself is suspected of ending the process, and is not asked again."""

RACES_MAX = 20
MARGIN_TOKENS = 128
PATIENCE = Patience()


def service(settings: Settings, home: Home) -> Service:
    """Return the service; it keeps nothing below *home*."""
    return SupervisorLlm(settings.llm)


class SupervisorLlm(Acting):
    """Selects, advises and reviews. The server is reached through one provider, open while the service runs."""

    def __init__(self, settings: LlmSettings, patience: Patience = PATIENCE) -> None:
        super().__init__(NAME, HEARS, SAYS, self._answer, concurrency=CONCURRENCY, lease_s=LEASE_S, grace_s=GRACE_S)
        self._settings = settings
        self._patience = patience
        self._turns = asyncio.Semaphore(QUESTIONS_MAX)
        self._provider: Provider = Ollama(settings)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        try:
            await super().run(bus, stop)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connection to the server. A later question opens it again."""
        await self._provider.close()

    async def _answer(self, call: Call) -> None:
        seen = await _look(call)
        match call.recorded.event:
            case TaskSubmitted():
                await self._select(call, seen)
            case PromptPrepared() as prepared if wants_advice(seen.state, prepared):
                await self._advise(call, seen, prepared)
            case AttemptFinished() as finished if wants_review(seen.state, finished):
                await self._review(call, seen, finished)

    async def _select(self, call: Call, seen: "Seen") -> None:
        task = seen.state.task
        if task and wants_selection(seen.state):
            selected = await select.select(task.llm, self._settings, self._provider)
            if selected is None:
                return
            seen = await _say(call, seen, selected, wants_selection)
        if seen.state.selected and wants_notice(seen.state):
            await _say(call, seen, select.notice(seen.state.selected), wants_notice)

    async def _advise(self, call: Call, seen: "Seen", prepared: PromptPrepared) -> None:
        selected, prompt = _serving(seen.state), load("enhance")
        sections = enhance.sections(await _whole(call.bus, prepared.prompt))
        asked = self._question(call, prompt, selected, sections, enhance.Advice)
        opinion = await self._ask(call, asked, enhance.Advice, prompt)
        advice = enhance.as_event(prepared, selected, opinion, template_sha256=prompt.sha256, options=asked.options())
        await _say(call, seen, advice, lambda now: wants_advice(now, prepared))

    async def _review(self, call: Call, seen: "Seen", finished: AttemptFinished) -> None:
        selected, prompt = _serving(seen.state), load("review")
        contents = review.contents(seen.state.evidence)
        texts = {name: await _whole(call.bus, content) for name, content in contents.items()}
        sections = review.sections(seen.state, finished, texts)
        asked = self._question(call, prompt, selected, sections, review.Review)
        opinion = await self._ask(call, asked, review.Review, prompt)
        reviewed = review.as_event(
            finished, selected, opinion,
            shown=asked.user, template_sha256=prompt.sha256, options=asked.options(),
        )  # fmt: skip
        await _say(call, seen, reviewed, lambda now: wants_review(now, finished))

    def _question(
        self, call: Call, prompt: Prompt, selected: LlmSelected, sections: list[Section], shape: type[Shape]
    ) -> Question:
        """Return the question, sized such that prompt, reply and one repair fit into the context."""
        mark = nonce(call.recorded.envelope.id, prompt.name)
        system = prompt.system(mark)
        reply = min(REPLY_TOKENS_MAX, self._settings.context_tokens // 4)
        room = self._settings.context_tokens - reply - REPAIR_TOKENS - MARGIN_TOKENS - estimate(system)
        return Question(
            model=selected.model, system=system, user=fenced(sections, mark, room), schema=schema_of(shape),
            tokens_max=reply, context_tokens=self._settings.context_tokens,
            temperature=self._settings.temperature, seed=SEED,
        )  # fmt: skip

    async def _ask(self, call: Call, question: Question, shape: type[Shape], prompt: Prompt) -> Opinion[Shape]:
        if call.deliveries > TRIES_MAX:
            return unasked(f"asking was begun {call.deliveries - 1} times and never came to an end")
        async with self._turns:
            return await ask(self._provider, question, shape, prompt, self._patience)


@dataclass(frozen=True, slots=True)
class Seen:
    """A task up to a position."""

    position: int
    state: State


async def _look(call: Call) -> Seen:
    past = await call.past()
    return Seen(past.position, reduce(evolve, (recorded.event for recorded in past.events), INITIAL))


async def _say(call: Call, seen: Seen, event: Event, wanted: Callable[[State], bool]) -> Seen:
    """Append *event*, unless the task has moved on and does not want it any more; return the task as it is then.

    The append expects the task as it was seen: of two answers that two instances give at the same time, one stays.
    """
    for _ in range(RACES_MAX):
        try:
            position = await call.append(event, expected=seen.position)
        except StaleAppend:
            seen = await _look(call)
            if not wanted(seen.state):
                return seen
        else:
            return Seen(position, evolve(seen.state, event))
    raise StaleAppend(scope=".".join(call.scope), expected=seen.position)


def _serving(state: State) -> LlmSelected:
    assert state.selected is not None
    return state.selected


async def _whole(bus: Bus, content: Content) -> str:
    """Return the whole text of *content*, or its beginning and a word about the rest if that is gone."""
    try:
        return await bus.text(content)
    except BlobMissing:
        return f"{content.text}\n[… the rest of {content.size:,} bytes is not stored any more …]"
