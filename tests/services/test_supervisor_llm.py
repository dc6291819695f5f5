"""supervisor-llm as a service: the real Ollama client against a loopback server, on the in-memory bus."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptReviewed,
    CheckResult,
    ChecksRan,
    Content,
    Event,
    FileChange,
    Issue,
    LlmSelected,
    PromptEnhanced,
    PromptPrepared,
    ServiceDegraded,
    TaskCancelled,
    TaskReadied,
    TaskSubmitted,
    Tokens,
    WorkspaceCheckpointed,
)
from obra.events.subjects import Scope
from obra.services.supervisor_llm.prompts import load
from obra.services.supervisor_llm.service import HEARS, SAYS, TRIES_MAX, SupervisorLlm, service
from obra.services.supervisor_llm.state import NAME
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import LlmSettings, Settings
from obra.shared.envelope import Recorded, fresh
from obra.shared.home import Home
from obra.shared.llm.ask import Patience
from obra.shared.service import Call
from tests.loopback.ollama import (
    DIGEST,
    MODEL,
    BreaksOff,
    Fails,
    FailsMidway,
    Hangs,
    Says,
    Scripted,
    ScriptedOllama,
)
from tests.loopback.openai import ScriptedOpenAI

SCOPE = Scope("shop", "t1")
OPTIONS = {"temperature": 0.1, "seed": 7.0, "num_ctx": 16_384.0, "num_predict": 1_024.0}
REVIEW_OPTIONS = OPTIONS | {"num_predict": 2_048.0}
TOKENS = Tokens(input=321, output=45)
CHOSEN = LlmSelected(asked="auto", provider="ollama", model=MODEL, digest=DIGEST)
NOBODY = LlmSelected(asked="none", provider="none")
PREPARED = PromptPrepared(
    attempt=1, run=1, prompt=Content.of("Add a flag to a.py."), template="attempt", template_sha256="0" * 64
)
FINISHED = AttemptFinished(attempt=1, run=1, ending="completed")
EVIDENCE: tuple[Event, ...] = (
    AgentExited(attempt=1, run=1, ending="completed", result=Content.of("I added the flag; all tests pass.")),
    WorkspaceCheckpointed(
        attempt=1, run=1, commit="c", tree="t", files_total=1, lines_added=1,
        files=(FileChange(path="a.py", kind="modified", added=1),), patch=Content.of("+    flag = True\n"),
    ),
    ChecksRan(attempt=1, run=1, passed=True, checks=(CheckResult(command="pytest -q", exit_code=0),)),
)  # fmt: skip
REVIEW: dict[str, Any] = {
    "summary": "The flag is there.",
    "issues": [
        {"text": "Document it.", "severity": "minor", "path": "a.py", "quote": "flag  = True"},
        {"text": "Name it.", "severity": "minor", "path": "a.py", "quote": "flag = True"},
    ],
    "quality": 0.9,
    "approves": True,
}
ADVICE: dict[str, Any] = {"advice": "Start small.", "files_to_look_at": ["a.py"], "pitfalls": ["Old callers."]}


def submitted(llm: str) -> TaskSubmitted:
    return TaskSubmitted(text="add a flag", repo="/r", llm=llm)


class Bench:
    """One task on an in-memory bus, and a reviewer to hand its events to."""

    def __init__(self, url: str = "http://127.0.0.1:9", **settings: Any) -> None:
        self.bus = MemoryBus()
        patience = Patience(retries_max=2, pause_s=0.001)
        self.llm = SupervisorLlm(LlmSettings(base_url=url, **settings), patience)

    async def given(self, *past: Event) -> "Bench":
        for event in past:
            await self.bus.append([fresh(SCOPE, event, "test")])
        return self

    async def when(self, event: Event, deliveries: int = 1) -> tuple[Event, ...]:
        """Return the answers to *event*, which is handed out twice: the second time nothing may be added."""
        envelope = fresh(SCOPE, event, "test")
        position = await self.bus.append([envelope])
        call = Call(self.bus, Recorded(position, envelope), deliveries, asyncio.Event(), NAME, SAYS)
        await self.llm.handle(call)
        answers = await self.after(position)
        await self.llm.handle(call)
        assert await self.after(position) == answers
        return answers

    async def when_readied(self, llm: str) -> tuple[Event, ...]:
        """Return what is said when it is the turn of a task that asks for *llm*."""
        return await (await self.given(submitted(llm))).when(TaskReadied())

    async def after(self, position: int) -> tuple[Event, ...]:
        return tuple(recorded.event for recorded in (await self.bus.past(SCOPE, position)).events)


@pytest.fixture
def bench(benches: list[Bench]) -> Any:
    def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Bench:
        benches.append(Bench(url, **settings))
        return benches[-1]

    return make


def timeless(event: Event) -> Event:
    """Return *event* without its duration, which must be there."""
    assert isinstance(event, AttemptReviewed | PromptEnhanced)
    assert event.duration_ms > 0
    return msgspec.structs.replace(event, duration_ms=0.0)


async def test_of_a_task_that_asks_for_none_nothing_is_said_and_nobody_is_asked(bench: Any) -> None:
    with ScriptedOllama() as server:
        answers = await bench(server.url).when_readied("none")
    assert (answers, server.paths) == ((), [])


async def test_auto_selects_the_configured_model_where_the_server_has_it(bench: Any) -> None:
    with ScriptedOllama() as server:
        answers = await bench(server.url).when_readied("auto")
    assert answers == (
        LlmSelected(asked="auto", provider="ollama", model=MODEL, digest=DIGEST, reason=f"the server has {MODEL}"),
    )


async def test_auto_falls_back_to_none_where_nobody_answers_and_says_so(bench: Any) -> None:
    selected, degraded = await bench().when_readied("auto")
    assert selected == LlmSelected(asked="auto", provider="none", reason=selected.reason)
    assert selected.reason.startswith("Ollama at http://127.0.0.1:9 can't be reached: ")
    assert degraded == ServiceDegraded(
        service="supervisor-llm", lacking="llm", reason=selected.reason,
        effect="no advice and no review: evidence alone decides",
    )  # fmt: skip


async def test_auto_falls_back_to_none_where_the_server_lacks_the_model(bench: Any) -> None:
    with ScriptedOllama(models={"other:1b": "sha256:0"}) as server:
        selected, degraded = await bench(server.url).when_readied("auto")
    reason = f"the server has no model {MODEL}; try: ollama pull {MODEL}"
    assert selected == LlmSelected(asked="auto", provider="none", reason=reason)
    assert isinstance(degraded, ServiceDegraded)


async def test_a_fall_back_that_was_not_announced_before_a_crash_is_announced_after_it(bench: Any) -> None:
    fallen = LlmSelected(asked="auto", provider="none", reason="nobody answered")
    it = await bench().given(submitted("auto"), fallen)
    assert [type(event) for event in await it.when(TaskReadied())] == [ServiceDegraded]


async def test_a_model_that_is_named_stays_selected_whatever_the_server_says(bench: Any) -> None:
    (silent,) = await bench().when_readied("ollama/tiny")
    with ScriptedOllama() as server:
        (lacking,) = await bench(server.url).when_readied("ollama/tiny")
    with ScriptedOllama(models={"tiny:latest": "sha256:7"}) as server:
        (ready,) = await bench(server.url).when_readied("ollama/tiny")
    assert silent == LlmSelected(asked="ollama/tiny", provider="ollama", model="tiny", reason=silent.reason)
    assert silent.reason.startswith("the task names it, but: Ollama at http://127.0.0.1:9 can't be reached")
    assert lacking.reason == "the task names it, but: the server has no model tiny; try: ollama pull tiny"
    assert ready == LlmSelected(
        asked="ollama/tiny", provider="ollama", model="tiny", digest="sha256:7", reason="the task names it"
    )


@pytest.mark.parametrize("llm", ["ollama/", "ollama/ ", "openai/", "mystery/x", "ollama", "NONE"])
async def test_a_form_that_there_is_not_is_left_to_the_planner(bench: Any, llm: str) -> None:
    assert await bench().when_readied(llm) == ()


async def test_the_configured_provider_is_what_auto_means(bench: Any) -> None:
    with ScriptedOpenAI() as server:
        answers = await bench(server.url, provider="openai").when_readied("auto")
    assert answers == (
        LlmSelected(asked="auto", provider="openai", model=MODEL, reason=f"the server at {server.url}/v1 has {MODEL}"),
    )


async def test_a_review_by_a_server_of_chat_completions_says_what_it_would_not_take(bench: Any) -> None:
    chosen = LlmSelected(asked=f"openai/{MODEL}", provider="openai", model=MODEL)
    fenced = f"```json\n{json.dumps(REVIEW)}\n```"
    with ScriptedOpenAI([Says(fenced)], refuses=("response_format",)) as server:
        it = await bench(server.url).given(submitted(f"openai/{MODEL}"), chosen, *EVIDENCE)
        (answer,) = await it.when(FINISHED)
    assert (answer.usable, answer.approves, answer.provider) == (True, True, "openai")
    assert answer.options == REVIEW_OPTIONS | {"json_format": 3.0}


async def test_what_was_selected_stays_and_a_task_that_is_over_gets_nothing(bench: Any) -> None:
    selected = await bench().given(submitted("none"), NOBODY)
    assert await selected.when(TaskReadied()) == ()
    over = await bench().given(submitted("none"), TaskCancelled())
    assert await over.when(TaskReadied()) == ()


async def test_advice_is_given_before_an_attempt(bench: Any) -> None:
    with ScriptedOllama([Says(json.dumps(ADVICE))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN)
        (answer,) = await it.when(PREPARED)
    assert timeless(answer) == PromptEnhanced(
        attempt=1, run=1, usable=True, provider="ollama", model=MODEL, tokens=TOKENS, options=OPTIONS,
        template_sha256=load("enhance").sha256,
        advice=Content.of("Start small.\n\nFiles to look at: a.py\n\nEasily done wrong:\n- Old callers."),
    )  # fmt: skip
    (question,) = server.asked
    assert "Add a flag to a.py." in question["messages"][1]["content"]


async def test_a_review_is_given_after_an_attempt_and_a_quote_that_is_nowhere_is_dropped(bench: Any) -> None:
    review = REVIEW | {"issues": [*REVIEW["issues"], REVIEW["issues"][0] | {"text": "Test it.", "quote": "never seen"}]}
    with ScriptedOllama([Says(json.dumps(review))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN, *EVIDENCE)
        (answer,) = await it.when(FINISHED)
    assert timeless(answer) == AttemptReviewed(
        attempt=1, run=1, usable=True, approves=True, quality=0.9, summary="The flag is there.",
        issues=(
            Issue(text="Document it.", severity="minor", path="a.py", quote="flag  = True"),
            Issue(text="Name it.", severity="minor", path="a.py", quote="flag = True"),
            Issue(text="Test it.", severity="minor", path="a.py", quote=""),
        ),
        provider="ollama", model=MODEL, tokens=TOKENS, options=REVIEW_OPTIONS, template_sha256=load("review").sha256,
    )  # fmt: skip
    (question,) = server.asked
    assert question["options"] == {"temperature": 0.1, "seed": 7, "num_ctx": 16_384, "num_predict": 2_048}
    for shown in ("add a flag", "$ pytest -q\n\n-> exit code 0", "+    flag = True", "all tests pass"):
        assert shown in question["messages"][1]["content"]


async def test_advice_names_files_that_it_was_shown_and_says_each_thing_once(bench: Any) -> None:
    advice = ADVICE | {"files_to_look_at": ["made/up.py", "a.py"], "pitfalls": ["Old callers.", "old  callers."]}
    with ScriptedOllama([Says(json.dumps(advice))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN)
        (answer,) = await it.when(PREPARED)
    assert answer.advice == Content.of("Start small.\n\nFiles to look at: a.py\n\nEasily done wrong:\n- Old callers.")


@pytest.mark.parametrize(
    ("past", "event"),
    [
        ((submitted("none"), NOBODY), PREPARED),
        ((submitted("none"), NOBODY), FINISHED),
        ((submitted("auto"),), PREPARED),
        ((submitted("auto"), CHOSEN), AttemptFinished(attempt=1, run=1, ending="hung")),
        ((submitted("auto"), CHOSEN, TaskCancelled()), FINISHED),
        ((submitted("auto"), CHOSEN, AttemptReviewed(attempt=1, run=1, usable=False)), FINISHED),
        ((submitted("auto"), CHOSEN, PromptEnhanced(attempt=1, run=1)), PREPARED),
    ],
)
async def test_where_nothing_is_wanted_the_model_is_not_asked(
    bench: Any, past: tuple[Event, ...], event: Event
) -> None:
    with ScriptedOllama() as server:
        assert await (await bench(server.url).given(*past)).when(event) == ()
    assert server.asked == []


UNUSABLE: list[tuple[Scripted, str, int, str]] = [
    (Fails(404, "gone"), "says (status 404): gone", 1, "failed"),
    (Fails(503, "busy"), "says (status 503): busy", 3, "failed"),
    (FailsMidway("CUDA error"), "says (in the middle of its reply): CUDA error", 3, "failed"),
    (BreaksOff(cleanly=True), "Ollama's reply ended before it was done", 3, "failed"),
    (Hangs(), "did not answer within 0.3 s", 1, "failed"),
    (Says("yes, approved"), "the reply does not fit: Invalid JSON: expected value at line 1 column 1", 2, "malformed"),
    (Says(""), "the reply was empty", 2, "empty"),
    (
        Says("I'm sorry, but I can't help with that."),
        "the model refused: I'm sorry, but I can't help with that.",
        1,
        "refused",
    ),
    (Says(json.dumps(REVIEW), done_reason="length"), "the reply was cut at the token limit", 2, "truncated"),
    (Says(json.dumps(REVIEW), prompt_tokens=16_384), "the prompt filled the model's whole context", 1, "crowded"),
    (Says(json.dumps(REVIEW | {"quality": 7})), "quality: Input should be less than or equal to 1", 2, "malformed"),
    (Says(json.dumps(REVIEW | {"approves": "yes"})), "approves: Input should be a valid boolean", 2, "malformed"),
    (Says(json.dumps(REVIEW | {"verdict": "ok"})), "verdict: Extra inputs are not permitted", 2, "malformed"),
    (Says(json.dumps(REVIEW | {"summary": "x" * 2_001})), "summary: String should have at most 2000", 2, "malformed"),
    (
        Says(json.dumps(REVIEW | {"issues": [REVIEW["issues"][0] | {"severity": "blocker"}]})),
        "approves is true although an issue is a blocker",
        2,
        "malformed",
    ),
    (
        Says(json.dumps(REVIEW | {"issues": [REVIEW["issues"][0]] * 10, "approves": False})),
        "the reply repeats itself: Document it.",
        2,
        "malformed",
    ),
    (
        Says(json.dumps(REVIEW | {"summary": "Your last reply could not be used, the reply was cut."})),
        "the reply repeats what it was told: your last reply could not be used",
        2,
        "malformed",
    ),
]


REPAIRED = ("malformed", "empty", "truncated")


@pytest.mark.parametrize(("reply", "reason", "questions", "problem"), UNUSABLE)
async def test_without_a_usable_reply_there_is_a_reason_and_never_a_pass(
    bench: Any, reply: Scripted, reason: str, questions: int, problem: Any
) -> None:
    timeout_s = 0.3 if isinstance(reply, Hangs) else 30.0
    with ScriptedOllama([reply]) as server:
        it = await bench(server.url, timeout_s=timeout_s).given(submitted("auto"), CHOSEN, *EVIDENCE)
        (answer,) = await it.when(FINISHED)
    assert isinstance(answer, AttemptReviewed)
    assert reason in answer.reason
    assert timeless(answer) == AttemptReviewed(
        attempt=1, run=1, usable=False, reason=answer.reason, provider="ollama", model=MODEL,
        tokens=answer.tokens, template_sha256=load("review").sha256, options=REVIEW_OPTIONS,
        problem=problem, repaired=problem in REPAIRED,
    )  # fmt: skip
    assert len(server.asked) == questions


async def test_without_usable_advice_there_is_a_reason(bench: Any) -> None:
    it = await bench().given(submitted("ollama/tiny"), CHOSEN)
    (answer,) = await it.when(PREPARED)
    assert timeless(answer) == PromptEnhanced(
        attempt=1, run=1, usable=False, reason=answer.reason, provider="ollama", model=MODEL, options=OPTIONS,
        template_sha256=load("enhance").sha256,
    )  # fmt: skip
    assert "can't be reached" in answer.reason


async def test_a_reply_that_does_not_fit_is_asked_for_once_more_with_the_reason(bench: Any) -> None:
    with ScriptedOllama([Fails(503, "busy"), Says("{}"), Says(json.dumps(REVIEW))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN, *EVIDENCE)
        (answer,) = await it.when(FINISHED)
    assert (answer.usable, answer.approves, answer.tokens) == (True, True, TOKENS + TOKENS)
    first, _, repaired = (question["messages"][1]["content"] for question in server.asked)
    assert repaired == first + load("review").repair("the reply does not fit: summary: Field required")


async def test_an_immense_past_is_cut_to_the_context_and_says_so(bench: Any) -> None:
    patch, result = Content.of("+line\n" * 100_000), Content.of("done " * 50_000)
    past = (
        TaskSubmitted(text="add a flag " * 10_000, repo="/r", llm="auto"),
        CHOSEN,
        AgentExited(attempt=1, run=1, ending="completed", result=result),
        WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t", patch=patch),
    )
    with ScriptedOllama([Says(json.dumps(REVIEW))]) as server:
        it = await bench(server.url, context_tokens=4_096).given(*past)
        (answer,) = await it.when(FINISHED)
    assert answer.usable
    sent = sum(len(message["content"]) for message in server.asked[0]["messages"])
    assert 6_000 < sent < 3 * (4_096 - 1_024)
    assert server.asked[0]["messages"][1]["content"].count("left out here") == 3


async def test_content_that_is_gone_from_the_object_store_is_shown_as_gone(bench: Any) -> None:
    lost = Content.of("+line\n" * 20_000).by_reference()
    past = (submitted("auto"), CHOSEN, WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t", patch=lost))
    with ScriptedOllama([Says(json.dumps(REVIEW))]) as server:
        (answer,) = await (await bench(server.url).given(*past)).when(FINISHED)
    assert answer.usable
    assert "the rest of 120,000 bytes is not stored any more" in server.asked[0]["messages"][1]["content"]


async def test_a_question_that_never_came_to_an_end_is_given_up(bench: Any) -> None:
    with ScriptedOllama([Says(json.dumps(REVIEW))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN, *EVIDENCE)
        ((answer),) = await it.when(FINISHED, deliveries=TRIES_MAX + 1)
    assert (answer.usable, answer.reason) == (False, "asking was begun 5 times and never came to an end")
    assert server.asked == []


async def test_of_two_that_review_the_same_run_one_is_kept(bench: Any) -> None:
    with ScriptedOllama([Says(json.dumps(REVIEW)), Says(json.dumps(REVIEW | {"quality": 0.1}))]) as server:
        it = await bench(server.url).given(submitted("auto"), CHOSEN, *EVIDENCE)
        envelope = fresh(SCOPE, FINISHED, "test")
        position = await it.bus.append([envelope])
        call = Call(it.bus, Recorded(position, envelope), 1, asyncio.Event(), NAME, SAYS)
        await asyncio.gather(it.llm.handle(call), it.llm.handle(call))
    assert len(server.asked) == 2
    assert len(await it.after(position)) == 1


async def test_a_review_of_a_task_that_was_cancelled_meanwhile_is_not_said(bench: Any) -> None:
    with ScriptedOllama([Hangs()]) as server:
        it = await bench(server.url, timeout_s=1.0).given(submitted("auto"), CHOSEN, *EVIDENCE)
        review = asyncio.create_task(it.when(FINISHED))
        await asyncio.to_thread(server.hanging.wait, 30)
        await it.given(TaskCancelled())
        assert await review == (TaskCancelled(),)


async def test_the_service_answers_from_the_bus_and_stops_in_the_middle_of_a_question(
    tmp_path: Path, benches: list[Bench]
) -> None:
    with ScriptedOllama([Hangs()]) as server:
        it = Bench(server.url)
        benches.append(it)
        it.llm.grace_s = 0.05
        stop = asyncio.Event()
        running = asyncio.create_task(it.llm.run(it.bus, stop))
        await it.given(submitted("auto"), TaskReadied())
        async for raw in it.bus.follow(0, ["obra.*.*.llm.selected"]):
            assert raw.envelope
            assert raw.envelope.service == "supervisor-llm"
            break
        await it.given(PREPARED)
        await asyncio.to_thread(server.hanging.wait, 30)
        stop.set()
        await asyncio.wait_for(running, 10)
    assert [type(event) for event in await it.after(0)] == [
        TaskSubmitted, TaskReadied, LlmSelected, PromptPrepared,
    ]  # fmt: skip


def test_the_factory_makes_the_service(tmp_path: Path) -> None:
    made = service(Settings(), Home(tmp_path))
    assert (made.name, made.hears, made.says) == ("supervisor-llm", HEARS, SAYS)
    assert list(tmp_path.iterdir()) == []
