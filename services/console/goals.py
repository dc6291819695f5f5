"""A goal with its tasks, as people see it: followed on the screen, and told at the end."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from obra.events import MilestoneReached, PlanAccepted, PlannedTask, TaskHeld
from obra.events.subjects import Scope
from obra.services.console.following import Ears
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen
from obra.services.console.render.table import grid
from obra.services.console.render.text import count, money, one_line, page
from obra.services.console.render.words import lines
from obra.shared.client import Orchestrator
from obra.shared.envelope import Recorded
from obra.shared.goals import NoGoal
from obra.shared.outcome import exit_code, result
from obra.shared.story import Story, evolve_story
from obra.shared.waiting import Item, waiting

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
    said: list[Recorded] = field(default_factory=list)

    def take(self, recorded: Recorded) -> str | None:
        """Take in one event; return whose it is, `""` for the goal itself, None for somebody else's."""
        event, task = recorded.event, recorded.envelope.task
        if recorded.envelope.scope == self.scope:
            self.story = evolve_story(self.story, recorded)
            self.said.append(recorded)
            if isinstance(event, PlanAccepted):
                self.plan, self.tasks = event.tasks, {task.task: Story() for task in event.tasks}
            if isinstance(event, MilestoneReached):
                self.milestones.append(event.milestone)
            return ""
        if task not in self.tasks:
            return None
        self.tasks[task] = evolve_story(self.tasks[task], recorded)
        if isinstance(event, TaskHeld):
            self.behind[task] = event.waits_for in ("tasks", "milestone")
        return task

    @property
    def status(self) -> str:
        """Return how the goal stands; *waiting* where nothing more of it goes on before a person has spoken."""
        if self.story.over:
            return self.story.status
        going = [(name, story) for name, story in self.tasks.items() if not story.over]
        rest = all(story.status in RESTING or (story.status == "queued" and self.behind[name]) for name, story in going)
        if rest and (self.asked or any(story.status in RESTING for _, story in going)):
            return "waiting"
        return "running" if self.story.status == "waiting" else self.story.status

    @property
    def asked(self) -> tuple[Item, ...]:
        """Return what a person is asked about the goal itself."""
        return waiting(self.said)

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
        if self.status != "waiting":
            return self.story.reasons if self.story.over else ()
        resting = ((name, story) for name, story in self.tasks.items() if story.status in RESTING)
        of_tasks = (f"{name}: {reason}" for name, story in resting for reason in story.reasons)
        return (*(reason for item in self.asked for reason in item.reasons), *of_tasks)

    @property
    def position(self) -> int:
        """Return the position of the newest event taken in."""
        return max([self.story.position, *(story.position for story in self.tasks.values())])

    def result(self) -> dict[str, Any]:
        """Return the object that ``obra goal --json`` prints."""
        stories = self.tasks.values()
        return {
            "goal": self.scope.task, "project": self.scope.project, "status": self.status, "text": self.story.text,
            "tasks": [result(story) | {"task": name} for name, story in self.tasks.items()],
            "milestones": self.milestones, "branches": self.branches, "reasons": list(self.reasons),
            "cost_usd": round(sum(story.cost_usd for story in stories), 6),
            "position": self.position,
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
        for item in self.asked:
            yield from _of_item(self.scope.task, item, named=len(self.asked) > 1)
        for name, story in self.tasks.items():
            if story.status in RESTING:
                yield f"\n  obra approve|reject|retry {name}"


def _of_item(goal: str, item: Item, *, named: bool) -> Iterator[str]:
    """Yield what a person can say about one thing that a goal waits with."""
    yield ""
    if item.name == "milestone":
        which = item.id[:8] if named else goal
        yield f"  obra approve {which}                  let the goal go on"
        yield f"  obra reject {which}                   end it here"
        return
    if item.name == "plan_review":
        yield f"  obra approve {goal}                  accept the plan as it stands"
    yield f"  obra goal edit {goal} --plan FILE    give another plan"
    yield f"  obra retry {goal} --note TEXT        have another one drafted"
    yield f"  obra reject {goal}                   give the goal up"


async def board(obra: Orchestrator, scope: Scope) -> Board:
    """Return the goal as it stands; `NoGoal` if there is none."""
    found = Board(scope)
    for recorded in (await obra.joined.bus.past(scope)).events:
        found.take(recorded)
    if not found.story.goal:
        raise NoGoal(goal=scope.task, project=scope.project)
    for name in found.tasks:
        for recorded in (await obra.joined.bus.past(Scope(scope.project, name))).events:
            found.take(recorded)
    return found


async def follow_goal(obra: Orchestrator, scope: Scope, screen: Screen, ears: Ears, after: int) -> Board:
    """Show what happens to the goal and its tasks after position *after*, until nothing more does by itself.

    What agents say meanwhile stands behind the names of their tasks.
    """
    found, whole = Board(scope), await obra.joined.bus.last_position([f"obra.{scope.project}.*.>"])
    start = (await obra.client.past(scope))[0].position - 1
    async with contextlib.aclosing(obra.events(start, [f"obra.{scope.project}.*.>"])) as raws:
        async for raw in raws:
            whose = found.take(Recorded(raw.position, raw.envelope)) if raw.envelope else None
            if raw.envelope and isinstance(raw.envelope.event, PlanAccepted) and whose == "":
                for name in found.tasks:
                    await ears.at(Scope(scope.project, name), f"{name}:")
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
        page(found.told())
    return exit_code(found.status)
