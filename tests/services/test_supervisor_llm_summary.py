"""A session's summary by the LLM: the real Ollama client against a loopback server, on the in-memory bus."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from obra.events import Content, SessionSummarised, SummaryRequested, TaskCompleted
from obra.services.supervisor_llm.prompts import load
from tests.loopback.ollama import MODEL, Fails, Says, ScriptedOllama
from tests.services.test_supervisor_llm import CHOSEN, NOBODY, OPTIONS, TOKENS, Bench, submitted

REQUESTED = SummaryRequested(session="1", text=Content.of("Attempt 1: the parser is done, `pytest -q` exited 1."))
SUMMARY = {"summary": "The parser is done.", "open": ["`pytest -q` exits 1"]}


@pytest.fixture
async def served() -> AsyncIterator[tuple[ScriptedOllama, Bench]]:
    with ScriptedOllama([Says(json.dumps(SUMMARY))]) as server:
        bench = Bench(server.url)
        yield server, bench
        await bench.llm.close()
        await bench.bus.close()


async def test_a_summary_is_recorded_with_what_it_is_of(served: tuple[ScriptedOllama, Bench]) -> None:
    server, bench = served
    (answer,) = await (await bench.given(submitted("auto"), CHOSEN)).when(REQUESTED)
    assert isinstance(answer, SessionSummarised)
    assert msgspec.structs.replace(answer, duration_ms=0.0) == SessionSummarised(
        session="1", summary=Content.of("The parser is done.\nStill open:\n- `pytest -q` exits 1"),
        of=REQUESTED.text.sha256, by=f"ollama/{MODEL}", tokens=TOKENS, template_sha256=load("summary").sha256,
        options=OPTIONS,
    )  # fmt: skip
    assert "the parser is done" in server.asked[0]["messages"][1]["content"]


async def test_each_text_is_summarised_once_also_after_the_tasks_end(served: tuple[ScriptedOllama, Bench]) -> None:
    server, bench = served
    await bench.given(submitted("auto"), CHOSEN, TaskCompleted(attempt=1, branch="b", commit="c"))
    another = SummaryRequested(session="1", text=Content.of("another"))
    assert [len(await bench.when(each)) for each in (REQUESTED, REQUESTED, another)] == [1, 0, 1]
    assert len(server.asked) == 2


async def test_without_a_model_nobody_is_asked(served: tuple[ScriptedOllama, Bench]) -> None:
    server, bench = served
    assert await (await bench.given(submitted("none"), NOBODY)).when(REQUESTED) == ()
    assert server.asked == []


async def test_no_usable_summary_is_an_event_with_the_reason() -> None:
    with ScriptedOllama([Fails(400, "no")]) as server:
        bench = Bench(server.url)
        (answer,) = await (await bench.given(submitted("auto"), CHOSEN)).when(REQUESTED)
        await bench.llm.close()
        await bench.bus.close()
    assert isinstance(answer, SessionSummarised)
    assert (answer.usable, answer.summary, answer.of) == (False, Content(), REQUESTED.text.sha256)
    assert "(status 400): no" in answer.reason
