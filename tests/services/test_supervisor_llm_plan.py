"""The draft of a plan by the LLM: the real Ollama client against a loopback server, on the in-memory bus."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from obra.events import Content, GoalFailed, GoalSubmitted, PlanAccepted, PlanDrafted, PlannedTask, PlanRequested
from obra.services.supervisor_llm.prompts import load
from tests.loopback.ollama import MODEL, Says, ScriptedOllama
from tests.services.test_supervisor_llm import Bench

STEP = {
    "name": "api", "text": "write the api", "after": [], "acceptance": ["it answers"], "checks": ["pytest api"],
    "complexity": 40, "milestone": "core work",
}  # fmt: skip
PLAN = json.dumps({"tasks": [STEP, STEP | {"name": "ui", "after": ["api"], "checks": [], "milestone": ""}]})
REQUESTED = PlanRequested(goal=Content.of("a shop"), problems=("the plan has no tasks",), draft=2)


def goal(**fields: Any) -> GoalSubmitted:
    given = {"text": "a shop", "repo": "/r", "checks": ("pytest -q",), "context": Content.of("README.md\nshop.py")}
    return GoalSubmitted(**given | fields)  # type: ignore[arg-type]


@pytest.fixture
async def served() -> AsyncIterator[tuple[ScriptedOllama, Bench]]:
    with ScriptedOllama([Says(PLAN)]) as server:
        bench = Bench(server.url)
        yield server, bench
        await bench.llm.close()
        await bench.bus.close()


async def test_a_draft_is_recorded_with_how_it_was_made(served: tuple[ScriptedOllama, Bench]) -> None:
    server, bench = served
    (drafted,) = await (await bench.given(goal())).when(REQUESTED)
    assert isinstance(drafted, PlanDrafted)
    assert drafted.tasks == (
        PlannedTask(
            task="api", text="write the api", acceptance=("it answers",), checks=("pytest api",), complexity=40,
            milestone="core-work",
        ),
        PlannedTask(task="ui", text="write the api", after=("api",), acceptance=("it answers",), complexity=40),
    )  # fmt: skip
    assert (drafted.draft, drafted.usable, drafted.provider, drafted.model) == (2, True, "ollama", MODEL)
    assert drafted.template_sha256 == load("plan").sha256
    system, user = (message["content"] for message in server.asked[0]["messages"])
    assert "You make a plan for coding agents" in system
    assert [text in user for text in ("a shop", "pytest -q", "- the plan has no tasks", "shop.py")] == [True] * 4


async def test_without_a_model_there_is_a_reason_instead(served: tuple[ScriptedOllama, Bench]) -> None:
    server, bench = served
    (drafted,) = await (await bench.given(goal(llm="none"))).when(REQUESTED)
    assert drafted == PlanDrafted(
        tasks=(), draft=2, usable=False, reason="the task asks for none", provider="none", duration_ms=0.0,
        template_sha256=load("plan").sha256, options=drafted.options,  # type: ignore[attr-defined]
    )  # fmt: skip
    assert server.asked == []


@pytest.mark.parametrize("reply", ["{}", '{"tasks": []}', "I can't do that.", PLAN[:-5]])
async def test_a_reply_that_is_no_plan_is_an_event_with_the_reason(reply: str) -> None:
    with ScriptedOllama([Says(reply)]) as server:
        bench = Bench(server.url)
        (drafted,) = await (await bench.given(goal())).when(REQUESTED)
        await bench.llm.close()
        await bench.bus.close()
    assert isinstance(drafted, PlanDrafted)
    assert (drafted.usable, drafted.tasks, drafted.provider) == (False, (), "ollama")
    assert drafted.reason.startswith(("the reply does not fit", "the model refused"))


@pytest.mark.parametrize("settled", [PlanAccepted(tasks=()), GoalFailed(reasons=("x",))])
async def test_a_goal_that_has_a_plan_or_has_ended_gets_no_further_draft(
    served: tuple[ScriptedOllama, Bench], settled: PlanAccepted
) -> None:
    _, bench = served
    assert await (await bench.given(goal(), settled)).when(REQUESTED) == ()
    assert msgspec.json.decode(msgspec.json.encode(settled), type=type(settled)) == settled
