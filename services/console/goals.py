"""A goal with its tasks, as people see it: followed on the screen, and told at the end."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from obra.events import BreakpointRaised, MilestoneReached, PlanAccepted, PlannedTask, TaskHeld
from obra.events.subjects import Scope
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen
from obra.services.console.render.table import grid
from obra.services.console.render.text import count, money, one_line
from obra.services.console.render.words import lines
from obra.shared.client import Orchestrator
from obra.shared.edge import TaskUnknown
from obra.shared.envelope import Recorded
from obra.shared.outcome import exit_code, result
from obra.shared.story import Story, evolve_story

HEADS = {"completed": "Reached", "failed": "Not reached", "cancelled": "Cancelled", "waiting": "Waits for a person"}
RESTING = frozenset({"waiting", "rolled_back"})


@dataclass
class Board:
    """What is known of a goal so far: its own story, its plan, and the story of each of its tasks."""

    scope: Scope
    story: Story = field(default_factory=Story)
    plan: tuple[PlannedTask, ...] = ()
    tasks: dict[str, Story] = field(default_factory=dict)
    behind: dict[str, bool] = field(default_factory=dict)
    milestones: list[str] = field(default_factory=list)
    asked: str = ""

    def take(self, recorded: Recorded) -> str | None:
        """Take in one event; return whose it is, `""` for the goal itself, None for somebody else's."""
        event, task = recorded.event, recorded.envelope.task
        if recorded.envelope.scope == self.scope:
            self.story = evolve_story(self.story, recorded)
            if isinstance(event, PlanAccepted):
                self.plan, self.tasks = event.tasks, {task.task: Story() for task in event.tasks}
            if isinstance(event, MilestoneReached):
                self.milestones.append(event.milestone)
            if isinstance(event, BreakpointRaised):
                self.asked = event.name
            return ""
        if task not in self.tasks:
            return None
        self.tasks[task] = evolve_story(self.tasks[task], recorded)
        if isinstance(event, TaskHeld):
            self.behind[task] = event.waits_for == "tasks"
        return task

    @property
    def status(self) -> str:
        """Return how the goal stands; *waiting* where nothing goes on before a person has spoken."""
        going = [(name, story) for name, story in self.tasks.items() if not story.over]
        rests = [story.status in RESTING or (story.status == "queued" and self.behind[name]) for name, story in going]
        if self.story.over or not going or not all(rests) or not any(s.status in RESTING for _, s in going):
            return self.story.status
        return "waiting"

    @property
    def settled(self) -> bool:
        """Return whether nothing more happens by itself."""
        return self.story.over or self.status == "waiting"

    @property
    def branches(self) -> list[str]:
        """Return the branches that together hold all accepted work."""
        done = {name for name, story in self.tasks.items() if story.status == "completed"}
        used = {other for task in self.plan if task.task in done for other in task.after}
        return [self.tasks[task.task].branch for task in self.plan if task.task in done - used]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it stands as it does: the goal's own reasons, else those of the tasks that wait."""
        if self.story.reasons or self.status != "waiting":
            return self.story.reasons
        waiting = ((name, story) for name, story in self.tasks.items() if story.status in RESTING)
        return tuple(f"{name}: {reason}" for name, story in waiting for reason in story.reasons)

    def result(self) -> dict[str, Any]:
        """Return the object that ``obra goal --json`` prints."""
        stories = self.tasks.values()
        return {
            "goal": self.scope.task, "project": self.scope.project, "status": self.status, "text": self.story.text,
            "tasks": [result(story) | {"task": name} for name, story in self.tasks.items()],
            "milestones": self.milestones, "branches": self.branches, "reasons": list(self.reasons),
            "cost_usd": round(sum(story.cost_usd for story in stories), 6),
            "position": max([self.story.position, *(story.position for story in stories)]),
        }  # fmt: skip

    def told(self) -> Iterator[str]:
        """Yield the end in a few lines."""
        status = self.status
        yield ""
        yield f"{HEADS.get(status, f'Unfinished ({status})')}: {one_line(self.story.text, 100)}"
        yield f"  goal       {self.scope.task} (project {self.scope.project})"
        rows = [[name, s.status, s.attempts, s.branch, one_line(s.text, 50)] for name, s in self.tasks.items()]
        if rows:
            yield from (f"  {line}" for line in grid(["task", "status", "attempts", "branch", "text"], rows))
        yield from (f"  - {one_line(reason)}" for reason in self.reasons)
        if self.milestones:
            yield f"  milestones {', '.join(self.milestones)}"
        if spent := sum(story.cost_usd for story in self.tasks.values()):
            yield f"  cost       {money(spent)}"
        if self.branches:
            yield f"\nAll accepted work is in {count(len(self.branches), 'branch', 'branches')}:"
            yield f"  git -C {self.story.repo} merge {' '.join(self.branches)}"
        yield from self._advice(status)

    def _advice(self, status: str) -> Iterator[str]:
        if status != "waiting":
            return
        if self.story.status == "waiting":
            yield ""
            if self.asked == "plan_review":
                yield f"  obra approve {self.scope.task}                  accept the plan as it stands"
            yield f"  obra goal edit {self.scope.task} --plan FILE    give another plan"
            yield f"  obra retry {self.scope.task} --note TEXT        have another one drafted"
            yield f"  obra reject {self.scope.task}                   give the goal up"
        for name, story in self.tasks.items():
            if story.status in RESTING:
                yield f"\n  obra approve|reject|retry {name}"


async def board(obra: Orchestrator, scope: Scope) -> Board:
    """Return the goal as it stands; `TaskUnknown` if there is none."""
    found = Board(scope)
    for recorded in await obra.client.past(scope):
        found.take(recorded)
    if not found.story.goal:
        raise TaskUnknown(task=scope.task, project=scope.project)
    for name in found.tasks:
        for recorded in (await obra.joined.bus.past(Scope(scope.project, name))).events:
            found.take(recorded)
    return found


async def follow_goal(obra: Orchestrator, scope: Scope, screen: Screen, *, after: int) -> Board:
    """Show what happens to the goal and its tasks after position *after*, until nothing more does by itself."""
    found, whole = Board(scope), await obra.joined.bus.last_position([f"obra.{scope.project}.*.>"])
    start = (await obra.client.past(scope))[0].position - 1
    async with contextlib.aclosing(obra.events(start, [f"obra.{scope.project}.*.>"])) as raws:
        async for raw in raws:
            whose = found.take(Recorded(raw.position, raw.envelope)) if raw.envelope else None
            if whose is not None and raw.envelope and raw.position > after:
                for line in lines(raw.envelope.event):
                    if not line.detail:
                        screen.show(Line(f"{whose}: {line.text}" if whose else line.text, line.tone))
                screen.doing(f"{scope.task}: {_doing(found)}")
            if raw.position >= whole and found.settled:
                return found
    return found


def _doing(found: Board) -> str:
    if not found.tasks:
        return "planning"
    over = sum(story.over for story in found.tasks.values())
    return f"{over} of {count(len(found.tasks), 'task')} done"


def concluded(found: Board, *, json_: bool) -> int:
    """Print how the goal stands and return the exit code."""
    if json_:
        click.echo(json.dumps(found.result()))
    else:
        for line in found.told():
            click.echo(line)
    return exit_code(found.status)
