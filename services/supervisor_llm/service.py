"""The service: hears what wants an LLM, asks, and says what came of it, or why nothing did."""

import asyncio
from collections.abc import Callable, Mapping
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
from obra.shared.bus import Bus, Past
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
TRIES_MAX = 5
"""Deliveries after which the question itself is suspected of ending the process, and is not asked again."""

RACES_MAX = 20
MARGIN_TOKENS = 128


def service(settings: Settings, home: Home) -> Service:
    """Return the service; it keeps nothing below *home*."""
    return SupervisorLlm(settings.llm)


class SupervisorLlm(Acting):
    """Selects, advises and reviews. The server is reached through one provider, open while the service runs."""

    def __init__(self, settings: LlmSettings, patience: Patience = Patience()) -> None:
        super().__init__(
            name=NAME, hears=HEARS, says=SAYS, handle=self._handle, concurrency=CONCURRENCY, lease_s=LEASE_S
        )
        self._settings = settings
        self._patience = patience
        self._turns = asyncio.Semaphore(QUESTIONS_MAX)
        self._provider: Provider = Ollama(settings)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        try:
            await super().run(bus, stop)
        finally:
            await self._provider.close()

    async def _handle(self, call: Call) -> None:
        past = await call.past()
        state = _fold(past)
        match call.recorded.event:
            case TaskSubmitted():
                await self._select(call, past, state)
            case PromptPrepared() as prepared if wants_advice(state, prepared):
                await self._advise(call, past, state, prepared)
            case AttemptFinished() as finished if wants_review(state, finished):
                await self._review(call, past, state, finished)

    async def _select(self, call: Call, past: Past, state: State) -> None:
        if wants_selection(state):
            assert state.task is not None
            selected = await select.select(state.task.llm, self._settings, self._provider)
            if selected is None:
                return
            past, state = await _say(call, past, selected, wants_selection)
        if wants_notice(state):
            assert state.selected is not None
            await _say(call, past, select.notice(state.selected), wants_notice)

    async def _advise(self, call: Call, past: Past, state: State, prepared: PromptPrepared) -> None:
        assert state.selected is not None
        prompt = load("enhance")
        sections = enhance.sections(await _whole(call.bus, prepared.prompt))
        asked = self._question(call, prompt, state.selected, sections, enhance.Advice)
        opinion = await self._ask(call, asked, enhance.Advice, prompt)
        advice = enhance.as_event(
            prepared, state.selected, opinion, template_sha256=prompt.sha256, options=asked.options()
        )
        await _say(call, past, advice, lambda now: wants_advice(now, prepared))

    async def _review(self, call: Call, past: Past, state: State, finished: AttemptFinished) -> None:
        assert state.selected is not None
        prompt = load("review")
        texts = {name: await _whole(call.bus, text) for name, text in review.contents(state.evidence).items()}
        asked = self._question(
            call, prompt, state.selected, review.sections(state, finished, texts), review.Review
        )
        opinion = await self._ask(call, asked, review.Review, prompt)
        reviewed = review.as_event(
            finished, state.selected, opinion,
            shown=asked.user, template_sha256=prompt.sha256, options=asked.options(),
        )  # fmt: skip
        await _say(call, past, reviewed, lambda now: wants_review(now, finished))

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

    async def _ask(
        self, call: Call, question: Question, shape: type[Shape], prompt: Prompt
    ) -> Opinion[Shape]:
        if call.deliveries > TRIES_MAX:
            return Opinion.none(f"asking was begun {call.deliveries - 1} times and never came to an end")
        async with self._turns:
            return await ask(self._provider, question, shape, prompt, self._patience)


def _fold(past: Past, state: State = INITIAL) -> State:
    return reduce(evolve, (recorded.event for recorded in past.events), state)


async def _say(
    call: Call, past: Past, event: Event, wanted: Callable[[State], bool]
) -> tuple[Past, State]:
    """Append *event* unless the task has moved on so that it is not *wanted* any more; return the task as it is then.

    The append expects the past that was looked at: of two answers to one question, made at the same time by two
    instances, one is kept.
    """
    for _ in range(RACES_MAX):
        try:
            await call.append(event, expected=past.position)
        except StaleAppend:
            past = await call.past()
            if not wanted(_fold(past)):
                return past, _fold(past)
            continue
        past = await call.past()
        return past, _fold(past)
    raise StaleAppend(scope=call.recorded.envelope.scope, expected=past.position)


async def _whole(bus: Bus, content: Content) -> str:
    """Return the whole text of *content*, or its beginning and a word about the rest if that is gone."""
    try:
        return await bus.text(content)
    except BlobMissing:
        return f"{content.text}\n[… the rest of {content.size:,} bytes is not stored any more …]"
