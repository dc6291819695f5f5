"""The service: hears what wants an LLM, asks, and says what came of it, or why nothing did."""

import asyncio
from collections.abc import Callable
from functools import reduce
from typing import Any

from obra.events import Content, Event, LlmSelected, ServiceDegraded, TaskReadied
from obra.services.supervisor_llm import select
from obra.services.supervisor_llm.kind import Asked, Kind, Seen, Shape
from obra.services.supervisor_llm.kinds import BY_CAUSE, KINDS
from obra.services.supervisor_llm.prompts import load
from obra.services.supervisor_llm.state import INITIAL, NAME, evolve, wants_notice, wants_selection
from obra.shared.bus import Bus
from obra.shared.config import LlmSettings, Settings
from obra.shared.errors import BlobMissing, StaleAppend
from obra.shared.home import Home
from obra.shared.llm import Provider, Question
from obra.shared.llm.ask import REPAIR_TOKENS, SEED, Opinion, Patience, ask, schema_of, unasked
from obra.shared.llm.material import Section, estimate, fenced, nonce
from obra.shared.llm.ollama import Ollama
from obra.shared.llm.openai import OpenAI
from obra.shared.service import Acting, Call, Service

HEARS: tuple[type[Event], ...] = (TaskReadied, *(kind.hears for kind in KINDS))
SAYS: tuple[type[Event], ...] = (LlmSelected, ServiceDegraded, *(kind.says for kind in KINDS))

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
    """Selects a model for each task, and puts every kind of question to it."""

    def __init__(self, settings: LlmSettings, patience: Patience = PATIENCE) -> None:
        super().__init__(NAME, HEARS, SAYS, self._answer, concurrency=CONCURRENCY, lease_s=LEASE_S, grace_s=GRACE_S)
        self._settings = settings
        self._patience = patience
        self._turns = asyncio.Semaphore(QUESTIONS_MAX)
        self._providers: dict[str, Provider] = {each.name: each for each in (Ollama(settings), OpenAI(settings))}

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        try:
            await super().run(bus, stop)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connections to servers. A later question opens them again."""
        for provider in self._providers.values():
            await provider.close()

    async def _answer(self, call: Call) -> None:
        seen, event = await _look(call, call.recorded.position), call.recorded.event
        if isinstance(event, TaskReadied):
            await self._select(call, seen)
        elif (kind := BY_CAUSE.get(type(event))) and kind.due(seen, event):
            answer = kind.answer(seen, event, await self._ask(call, seen, kind))
            await _say(call, seen, answer, wanted=lambda now: kind.due(now, event))

    async def _select(self, call: Call, seen: Seen) -> None:
        task = seen.state.task
        if task and wants_selection(seen.state):
            selected = await select.select(task.llm, self._settings, self._providers)
            if selected is None:
                return
            fell_back = wants_notice(evolve(seen.state, selected))
            notices = [select.notice(selected)] if fell_back else []
            seen = await _say(call, seen, selected, *notices, wanted=lambda now: wants_selection(now.state))
        if seen.state.selected and wants_notice(seen.state):  # who said the one died before it said the other
            await _say(call, seen, select.notice(seen.state.selected), wanted=lambda now: wants_notice(now.state))

    async def _ask(self, call: Call, seen: Seen, kind: Kind[Any, Shape]) -> Asked[Shape]:
        selected = await self._llm(kind.llm(seen))
        contents = kind.contents(seen, call.recorded.event)
        texts = {name: await _whole(call.bus, content) for name, content in contents.items()}
        question = self._question(call, kind, selected.model, kind.sections(seen, call.recorded.event, texts))
        opinion = await self._opinion(call, kind, selected, question)
        return Asked(
            opinion.value, opinion.reason, opinion.tokens, opinion.duration_ms, selected,
            shown=question.user, template_sha256=load(kind.prompt).sha256,
            options={**question.options(), **opinion.conceded}, problem=opinion.problem, repaired=opinion.repaired,
        )  # fmt: skip

    async def _llm(self, wish: LlmSelected | str) -> LlmSelected:
        if isinstance(wish, LlmSelected):
            return wish
        selected = await select.select(wish, self._settings, self._providers)
        return selected or LlmSelected(asked=wish, provider="none", reason=f"{wish!r} names no LLM that Obra knows")

    def _question(self, call: Call, kind: Kind[Any, Shape], model: str, sections: list[Section]) -> Question:
        """Return the question, sized such that prompt, reply and one repair fit into the context."""
        mark = nonce(call.recorded.envelope.id, kind.prompt)
        system = load(kind.prompt).system(mark)
        reply = min(kind.reply_tokens_max, self._settings.context_tokens // 4)
        room = self._settings.context_tokens - reply - REPAIR_TOKENS - MARGIN_TOKENS - estimate(system)
        return Question(
            model=model, system=system, user=fenced(sections, mark, room), schema=schema_of(kind.shape),
            tokens_max=reply, context_tokens=self._settings.context_tokens,
            temperature=self._settings.temperature, seed=SEED,
        )  # fmt: skip

    async def _opinion(
        self, call: Call, kind: Kind[Any, Shape], selected: LlmSelected, question: Question
    ) -> Opinion[Shape]:
        if selected.provider == "none":
            return unasked(selected.reason)
        if call.deliveries > TRIES_MAX:
            return unasked(f"asking was begun {call.deliveries - 1} times and never came to an end")
        async with self._turns:
            provider = self._providers[selected.provider]
            return await ask(provider, question, kind.shape, load(kind.prompt).repair, self._patience)


async def _look(call: Call, reaching: int) -> Seen:
    past = await call.past(reaching=reaching)
    events = tuple(recorded.event for recorded in past.events)
    return Seen(past.position, events, reduce(evolve, events, INITIAL))


async def _say(call: Call, seen: Seen, *events: Event, wanted: Callable[[Seen], bool]) -> Seen:
    """Append *events* one after the other, unless the task has moved on and does not want them any more.

    Returns the task as it is then.

    The append expects the task as it was seen: of two answers that two instances give at the same time, one stays.
    """
    for _ in range(RACES_MAX):
        try:
            position = await call.append_chain(*events, expected=seen.position)
        except StaleAppend:
            seen = await _look(call, seen.position + 1)
            if not wanted(seen):
                return seen
        else:
            return Seen(position, (*seen.events, *events), reduce(evolve, events, seen.state))
    raise StaleAppend(scope=".".join(call.scope), expected=seen.position)


async def _whole(bus: Bus, content: Content) -> str:
    """Return the whole text of *content*, or its beginning and a word about the rest if that is gone."""
    try:
        return await bus.text(content)
    except BlobMissing:
        return f"{content.text}\n[… the rest of {content.size:,} bytes is not stored any more …]"
