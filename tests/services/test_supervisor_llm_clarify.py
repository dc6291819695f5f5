"""supervisor-llm answers an agent's question only where the task settles it, and says so where it does not."""

import json
from typing import Any

import pytest

from obra.events import Content, Event, LlmSelected, QuestionAnswered, QuestionAsked, TaskSubmitted
from tests.loopback.ollama import MODEL, Hangs, Says, ScriptedOllama
from tests.services.test_supervisor_llm import CHOSEN, EVIDENCE, NOBODY, Bench

ASKED = QuestionAsked(question="q1", text=Content.of("Which DB? (A / B)"), to="llm", attempt=1, run=1)
TASK = TaskSubmitted(text="add a flag to the SQLite table", repo="/r", llm="auto", acceptance=("uses SQLite",))
UNFOUNDED = "what it says to follow from stands nowhere in the task"


async def answers(
    benches: list[Bench], reply: Any, asked: QuestionAsked = ASKED, llm: LlmSelected = CHOSEN, **settings: Any
) -> tuple[tuple[Event, ...], list[Any]]:
    with ScriptedOllama(replies=[reply]) as server:
        bench = Bench(server.url, **settings)
        benches.append(bench)
        await bench.given(TASK, llm, *EVIDENCE)
        return await bench.when(asked), list(server.asked)


async def test_what_the_task_settles_is_answered(benches: list[Bench]) -> None:
    reply = {"follows_from": "uses SQLite", "known": True, "answer": "SQLite."}
    (said,), asked = await answers(benches, Says(json.dumps(reply)))
    assert isinstance(said, QuestionAnswered)
    assert (said.question, said.text.text, said.usable, said.model) == ("q1", "SQLite.", True, MODEL)
    assert (said.by, said.reason) == (f"ollama/{MODEL}", "")
    shown = json.dumps(asked[0])
    assert all(part in shown for part in ("Which DB? (A / B)", "uses SQLite", "a.py"))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Says(json.dumps({"follows_from": "", "known": False, "answer": ""})), "it says that the task does not tell"),
        (Says(json.dumps({"follows_from": "", "known": True, "answer": "  "})), "it says that the task does not tell"),
        (Says(json.dumps({"follows_from": "Which DB? (A / B)", "known": True, "answer": "A"})), UNFOUNDED),
        (Says(json.dumps({"follows_from": "the task uses Postgres", "known": True, "answer": "A"})), UNFOUNDED),
        (Says("Well, B I guess."), ""),
        (Hangs(), ""),
    ],
    ids=["not known", "empty", "its own question", "nowhere", "out of schema", "too slow"],
)
async def test_without_an_answer_there_is_a_reason(benches: list[Bench], reply: Any, reason: str) -> None:
    (said,), _ = await answers(benches, reply, timeout_s=0.2 if isinstance(reply, Hangs) else 60.0)
    assert isinstance(said, QuestionAnswered)
    assert (said.usable, said.text) == (False, Content())
    assert said.reason == reason if reason else said.reason


@pytest.mark.parametrize(("to", "llm"), [("person", CHOSEN), ("llm", NOBODY)])
async def test_what_is_for_a_person_or_has_no_llm_is_left_alone(
    benches: list[Bench], to: Any, llm: LlmSelected
) -> None:
    asked = QuestionAsked(question="q1", text=Content.of("Which DB?"), to=to)
    assert await answers(benches, Says("{}"), asked, llm) == ((), [])
