"""The views of goals, milestones, projects, sessions and the line say at any position what a fold of the past says."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Complexity,
    Content,
    Event,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlanRejected,
    PlanRequested,
    ProjectPaused,
    ProjectResumed,
    SessionBriefed,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SessionWarned,
    TaskCancelled,
    TaskHeld,
    TaskReadied,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.session import Briefing
from obra.events.subjects import Scope
from obra.shared.bus import Raw
from obra.shared.envelope import Recorded
from obra.shared.history import standing
from obra.shared.store import Store, derived
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from obra.shared.story import OVER, Story, fold
from tests.recorded import envelopes, messages
from tests.simulation.world import World

MOMENTS, TASKS = 4, 4
LOST, WORKING = ("failed", "rejected", "cancelled"), ("ready", "running", "checking", "reviewing")
Rows = list[dict[str, Any]]
Pasts = dict[Scope, list[Recorded]]


def of_goal(dice: random.Random) -> list[Event]:
    """Return what may happen to a goal, in nearly any order, with a word too early or too late."""
    drawn: list[Callable[[], Event]] = [
        lambda: PlanRequested(goal=Content.of("g")),
        lambda: PlanDrafted(tasks=()),
        lambda: PlanRejected(reasons=(dice.choice("ab"),)),
        *(lambda: PlanAccepted(tasks=()),) * (dice.random() < 0.6),
        lambda: BreakpointRaised(name=dice.choice(["plan_needed", "milestone"]), reasons=(dice.choice("cd"),)),
        lambda: BreakpointResolved(resolution="approve"),
        lambda: MilestoneReached(milestone=dice.choice(["m1", "m2"])),
    ]
    told = [GoalSubmitted(text=dice.choice("xy"), repo="/r"), *(dice.choice(drawn)() for _ in range(9))]
    ends = [GoalCompleted(tasks=()), GoalFailed(reasons=("z",)), TaskCancelled()]
    return [*told, *dice.sample(ends, dice.randint(0, 2))]


def of_task(dice: random.Random) -> list[Event]:
    """Return what happened in a world to a task of a goal or of none, its session, and rollbacks to anywhere."""
    goal = dice.choice(["", "g1", "g2"])
    milestone = dice.choice(["m1", "m2"]) if goal else ""
    after = tuple(dice.sample(["t1", "t2"], 1))
    asked = TaskSubmitted(text="x", repo="/r", priority=dice.randint(1, 9), after=after, goal=goal, milestone=milestone)
    told = [asked if isinstance(event, TaskSubmitted) else event for event in World(dice.randrange(500)).play()[:40]]
    session = dice.choice(["1", "g1/m1"])
    for event in (
        SessionOpened(session=session),
        SessionBriefed(session=session, briefings=(Briefing(name="workplan"),) * dice.randint(0, 3)),
        SessionWarned(session=session, used=dice.random()),
        SessionRefreshed(session=session, summary=Content.of("s"), by=dice.choice(["extract", "llm"]), used=0.5),
        SessionRefreshed(session=session, summary=Content.of("s"), emergency=True),
        SessionClosed(session=session),
        TaskHeld(waits_for="slot", reason="full"),
        TaskHeld(waits_for="tasks", reason="t1"),
        TaskReadied(complexity=Complexity(total=dice.randint(0, 100))),
        *(TaskRolledBack(to=dice.randint(0, 250)) for _ in range(dice.choice([0, 0, 1, 3]))),
    ):
        told.insert(dice.randint(1, len(told)), event)
    return told[: dice.randint(1, len(told))]


def stream(seed: int) -> list[Raw]:
    """Return what happens in two projects whose goals and tasks are all worked on at once."""
    dice, queues = random.Random(seed), []
    for project in ("shop", "farm"):
        pasts = {f"t{n}": of_task(dice) for n in range(TASKS)} | {name: of_goal(dice) for name in ("g1", "g2")}
        pasts["-"] = [dice.choice([ProjectPaused(reason="lunch"), ProjectResumed()]) for _ in range(3)]
        queues += [envelopes(Scope(project, name), told) for name, told in pasts.items()]
    told = []
    while queues := [queue for queue in queues if queue]:
        told.append(dice.choice(queues).pop(0))
    return messages(*told)


def pasts_of(raws: Iterable[Raw]) -> Pasts:
    pasts: Pasts = {}
    for raw in raws:
        assert raw.envelope
        pasts.setdefault(raw.envelope.scope, []).append(Recorded(raw.position, raw.envelope))
    return pasts


def stood(past: Sequence[Recorded], *kinds: type[Event]) -> list[Recorded]:
    """Return the events of these types that count."""
    return [recorded for recorded in standing(past) if isinstance(recorded.event, kinds)]


def moment(recorded: Sequence[Recorded], at: int = 0) -> str | None:
    return f"{recorded[at].envelope.at:%Y-%m-%dT%H:%M:%S.%fZ}" if recorded else None


def stories(pasts: Pasts) -> dict[Scope, tuple[Story, TaskSubmitted]]:
    """Return the story of each task, and what it was submitted with."""
    found = {}
    for scope, past in pasts.items():
        submitted = [recorded.event for recorded in stood(past, TaskSubmitted)]
        if submitted and isinstance(submitted[0], TaskSubmitted):
            found[scope] = fold(past), submitted[0]
    return found


def numbers(members: list[Story]) -> dict[str, int]:
    return {
        "tasks": len(members),
        "completed": sum(story.status == "completed" for story in members),
        "open": sum(story.status not in OVER for story in members),
    }


def lines(pasts: Pasts) -> Rows:
    found = []
    for scope, (story, task) in stories(pasts).items():
        past, queued = pasts[scope], story.status == "queued"
        held, readied = stood(past, TaskHeld), stood(past, TaskReadied)
        last = held[-1].event if held else None
        ready = readied[-1].event if readied else None
        found.append({
            "project": scope.project, "task": scope.task, "status": story.status, "priority": task.priority,
            "deadline": task.deadline, "after": list(task.after), "goal": task.goal, "milestone": task.milestone,
            "waits_for": (last.waits_for if isinstance(last, TaskHeld) else None) if queued else "",
            "reasons": list(story.reasons) if queued else [],
            "complexity": ready.complexity.total if isinstance(ready, TaskReadied) else None,
            "held_at": moment(held), "readied_at": moment(readied),
            "position": stood(past, TaskSubmitted)[0].position,
        })  # fmt: skip
    return found


def goal_status(past: Sequence[Recorded]) -> str:
    if ends := stood(past, GoalCompleted, GoalFailed, TaskCancelled):
        match ends[0].event:
            case GoalCompleted():
                return "completed"
            case GoalFailed():
                return "failed"
            case _:
                return "cancelled"
    words = stood(past, BreakpointRaised, BreakpointResolved, PlanDrafted, PlanAccepted)
    if words and isinstance(words[-1].event, BreakpointRaised):
        return "waiting"
    return "running" if stood(past, PlanAccepted) else "planning"


def goals(pasts: Pasts) -> Rows:
    found, told = [], stories(pasts)
    for scope, past in pasts.items():
        if not (submitted := stood(past, GoalSubmitted)):
            continue
        goal = submitted[0].event
        assert isinstance(goal, GoalSubmitted)
        assert {"submitted": "planning"}.get(status := fold(past).status, status) == goal_status(past), scope
        members = [one for at, (one, task) in told.items() if (at.project, task.goal) == (scope.project, scope.task)]
        ends = stood(past, GoalCompleted, GoalFailed, TaskCancelled)
        why = stood(past, GoalFailed, BreakpointRaised, PlanRejected)
        concerned = stood(
            past, GoalSubmitted, GoalCompleted, GoalFailed, PlanRequested, PlanDrafted, PlanRejected, PlanAccepted,
            BreakpointRaised, BreakpointResolved, MilestoneReached, TaskCancelled,
        )  # fmt: skip
        found.append({
            "project": scope.project, "goal": scope.task,
            "status": goal_status(past),
            "text": goal.text, "repo": goal.repo, "drafts": len(stood(past, PlanDrafted)), **numbers(members),
            "milestones": [r.event.milestone for r in stood(past, MilestoneReached)
                           if isinstance(r.event, MilestoneReached)],
            "reasons": list(getattr(why[-1].event, "reasons", ())) if why else [],
            "cost_usd": round(sum(one.cost_usd for one in members), 6),
            "submitted_at": moment(submitted), "ended_at": moment(ends), "position": concerned[-1].position,
        })  # fmt: skip
    return found


def milestones(pasts: Pasts) -> Rows:
    groups: dict[tuple[str, str, str], list[Scope]] = {}
    told = stories(pasts)
    for scope, (_, task) in told.items():
        if task.milestone:
            groups.setdefault((scope.project, task.goal, task.milestone), []).append(scope)
    found = []
    for (project, goal, name), members in groups.items():
        reached = [
            recorded for recorded in stood(pasts.get(Scope(project, goal), []), MilestoneReached)
            if isinstance(recorded.event, MilestoneReached) and recorded.event.milestone == name
        ]  # fmt: skip
        found.append({
            "project": project, "goal": goal, "milestone": name,
            **numbers([told[scope][0] for scope in members]), "reached_at": moment(reached),
            "position": min(stood(pasts[scope], TaskSubmitted)[0].position for scope in members),
        })  # fmt: skip
    return found


def projects(pasts: Pasts) -> Rows:
    found, told = [], stories(pasts)
    for project in sorted({scope.project for scope in pasts}):
        tasks = [story for scope, (story, _) in told.items() if scope.project == project]
        words = [one.event for one in stood(pasts.get(Scope(project, "-"), []), ProjectPaused, ProjectResumed)]
        if not tasks and not words:
            continue
        last = words[-1] if words else None
        found.append({
            "project": project, "paused": isinstance(last, ProjectPaused),
            "reason": last.reason if isinstance(last, ProjectPaused) else "", "tasks": len(tasks),
            "queued": sum(story.status == "queued" for story in tasks),
            "working": sum(story.status in WORKING for story in tasks),
            "waiting": sum(story.status == "waiting" for story in tasks),
            "completed": sum(story.status == "completed" for story in tasks),
            "lost": sum(story.status in LOST for story in tasks),
            "cost_usd": round(sum(story.cost_usd for story in tasks), 6),
        })  # fmt: skip
    return found


def sessions(pasts: Pasts) -> Rows:
    found = []
    for scope, past in pasts.items():
        told = stood(past, SessionOpened, SessionBriefed, SessionWarned, SessionRefreshed, SessionClosed)
        if not told:
            continue
        name = getattr(told[-1].event, "session", "")
        warned = [r.event for r in told if isinstance(r.event, SessionWarned)]
        renewed = [r.event for r in told if isinstance(r.event, SessionRefreshed)]
        used = [event.used for event in warned] + [event.used for event in renewed]
        briefed = [len(r.event.briefings) for r in told if isinstance(r.event, SessionBriefed)]
        found.append({
            "project": scope.project, "task": scope.task, "session": name, "shared": name != "1",
            "opened_at": moment(stood(past, SessionOpened)), "closed_at": moment(stood(past, SessionClosed), -1),
            "warnings": len(warned), "used_max": max([0.0, *used]),
            "refreshes": len(renewed), "emergencies": sum(event.emergency for event in renewed),
            "extracts": sum(event.by == "extract" for event in renewed), "briefings": max([0, *briefed]),
            "position": told[-1].position,
        })  # fmt: skip
    return found


FOLDS: dict[str, Callable[[Pasts], Rows]] = {
    "line": lines, "goal": goals, "milestone": milestones, "project": projects, "session": sessions,
}  # fmt: skip


def placed(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: [str(row.get(name)) for name in ("project", "goal", "milestone", "task")])


@pytest.mark.parametrize("seed", range(4))
def test_each_view_says_what_its_fold_says_at_any_position(tmp_path: Path, seed: int) -> None:
    raws, dice = stream(seed), random.Random(seed)
    rows, cut = [row_of(raw) for raw in raws], dice.randrange(1, len(raws))
    store = Store(tmp_path / "s")
    store.append(rows[:cut])
    derived.settle(store.db)
    store.append(rows[cut:])
    store.close()
    moments = [cut, len(raws), *(dice.randint(1, len(raws)) for _ in range(MOMENTS))]
    for at in moments:
        pasts = pasts_of(raws[:at])
        for view, folded in FOLDS.items():
            found = local_query(tmp_path / "s", f"FROM {view}(as_of := {at})").records
            assert placed(found) == placed(folded(pasts)), (view, at)
