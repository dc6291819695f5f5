"""From what a person wants to reach to `goal.submitted`: a goal, a plan from a file, a look at the repository."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from obra.events import (
    Content,
    GoalSubmitted,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRequested,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.config import Settings
from obra.shared.edge import EDGE, Client, person
from obra.shared.envelope import fresh
from obra.shared.errors import BadUsage
from obra.shared.story import fold
from obra.shared.submission import Submission, prepare

GOAL_CHARS_MAX = 58
"""So that `GOAL-12345` is still a name."""

FILES_MAX, README_CHARS_MAX = 400, 6_000
PLAN_BYTES_MAX = 1024 * 1024
COMMON = frozenset(GoalSubmitted.__struct_fields__) & frozenset(TaskSubmitted.__struct_fields__)


class BadPlan(BadUsage):
    """{file}: {problem}"""


class NoGoal(BadUsage):
    """There is no goal {goal!r} in project {project!r}; `obra goal list` names those there are."""


class PlanSettled(BadUsage):
    """Goal {goal!r} takes no plan any more: it is {status}."""


class TaskInFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One ``[[task]]`` of a plan file; ``name`` may stand for ``id``."""

    id: str
    text: str
    after: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    milestone: str = ""
    complexity: int = 0
    priority: int = 0
    kind: str = ""


class PlanFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A plan as a TOML file: ``goal`` in words, ``checks`` of the whole, and a ``[[task]]`` for each task."""

    task: Annotated[tuple[TaskInFile, ...], Meta(min_length=1)]
    goal: str = ""
    checks: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[PlannedTask, ...]:
        """Return the tasks as the planner takes them."""
        return tuple(
            PlannedTask(
                task=task.id, text=task.text, after=task.after, checks=task.checks, acceptance=task.acceptance,
                milestone=task.milestone, complexity=task.complexity, priority=task.priority, kind=task.kind,
            )
            for task in self.task
        )  # fmt: skip

    @property
    def checked(self) -> tuple[PlannedTask, ...]:
        """Return the tasks for a goal that was stated without these checks: who has none of its own gets them."""
        return tuple(msgspec.structs.replace(task, checks=task.checks or self.checks) for task in self.tasks)


def read_plan(file: Path) -> PlanFile:
    """Return the plan in *file*; `BadPlan` says what is wrong with it."""
    try:
        if file.stat().st_size > PLAN_BYTES_MAX:
            raise BadPlan(file=file, problem=f"a plan is at most {PLAN_BYTES_MAX:,} bytes")
        plan = msgspec.convert(_spelt(tomllib.loads(file.read_text())), PlanFile)
        msgspec.json.decode(msgspec.json.encode(plan.tasks), type=tuple[PlannedTask, ...])
    except OSError as error:
        raise BadPlan(file=file, problem=f"can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadPlan(file=file, problem=f"is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        hint = "a plan has `goal`, `checks` and a [[task]] with id, text, after, checks, acceptance, … for each task"
        raise BadPlan(file=file, problem=f"{error}; {hint}") from error
    return plan


def _spelt(tree: dict[str, Any]) -> dict[str, Any]:
    """Return *tree* with its tasks under the names that are documented: `tasks` and `name` are understood too."""
    tasks = tree.pop("tasks", None) or tree.get("task") or []
    named = [
        {"id" if key == "name" and "id" not in task else key: value for key, value in task.items()}
        if isinstance(task, dict)
        else task
        for task in (tasks if isinstance(tasks, list) else [tasks])
    ]
    return tree | {"task": named}


def prepare_goal(
    text: str | None,
    *,
    settings: Settings,
    plan: Path | None = None,
    review: bool = False,
    goal: str | None = None,
    **wishes: Any,
) -> Submission:
    """Return the submission of a goal; errors as `obra.shared.submission.prepare` raises them.

    *plan* is a TOML file, *goal* the id; *wishes* are those of a task and hold for every task of the goal.
    """
    given = read_plan(plan) if plan else None
    words = text or (given.goal if given else "")
    checks = (*(given.checks if given else ()), *(wishes.pop("checks", None) or ()))
    if not words.strip():
        raise BadUsage(problem="the goal is empty: say in words what is to be reached, or `goal = …` in the plan file")
    if goal and len(goal) > GOAL_CHARS_MAX:
        raise BadUsage(problem=f"the goal's id is longer than {GOAL_CHARS_MAX} characters: {goal}")
    task = prepare(words, settings=settings, task=goal, checks=checks, **wishes)
    event = GoalSubmitted(
        plan=given.tasks if given else (), review=review,
        context=Content() if given else _look(Path(task.event.repo), task.event.base),
        **{name: getattr(task.event, name) for name in COMMON},
    )  # fmt: skip
    return Submission(task.scope, event, task.environment, task.notices)


def _look(repo: Path, base: str) -> Content:
    """Return what a planner may want to know of the repository: its files, and the beginning of its README."""
    from obra.shared.git import Git  # noqa: PLC0415 - starts processes; only submitting needs it

    listed = Git(cwd=repo).try_("ls-tree", "-r", "-z", "--name-only", base or "HEAD")
    files = [os.fsdecode(name) for name in listed.out.split(b"\0") if name] if not listed.code else []
    more = [f"… and {len(files) - FILES_MAX:,} more files"] if len(files) > FILES_MAX else []
    readme = next((name for name in files if name.lower().startswith("readme") and "/" not in name), "")
    shown = Git(cwd=repo).try_("show", f"{base or 'HEAD'}:{readme}").text[:README_CHARS_MAX] if readme else ""
    text = "\n".join([*files[:FILES_MAX], *more, *(["", f"{readme}:", shown] if readme else [])])
    return Content.of(text) if text else Content()


async def draft(client: Client, scope: Scope, tasks: tuple[PlannedTask, ...]) -> int:
    """Propose *tasks* as the plan of the goal in *scope*, and return the position; the planner judges them.

    `NoGoal` where there is none, `PlanSettled` once it has a plan or has ended, `StaleAppend` if it moves meanwhile.
    """
    past = await client.bus.past(scope)
    story, events = fold(past.events), [recorded.event for recorded in past.events]
    if not story.goal:
        raise NoGoal(goal=scope.task, project=scope.project)
    if story.over or any(isinstance(event, PlanAccepted) for event in events):
        raise PlanSettled(goal=scope.task, status=story.status)
    number = 1 + max((e.draft for e in events if isinstance(e, PlanDrafted | PlanRequested)), default=0)
    event = PlanDrafted(tasks=tasks, draft=number, by=person())
    return await client.bus.append([fresh(scope, event, EDGE)], expected=past.position)
