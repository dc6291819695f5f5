"""The past of a running Obra, for the Python API and the commands: as of, back to, and between points."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from obra.events import BranchDelivered
from obra.events.subjects import Scope
from obra.shared.difference import Difference, compare
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.history import until
from obra.shared.moment import ATTEMPT, point_of, position_at
from obra.shared.rollback import Plan
from obra.shared.story import Story, fold
from obra.shared.turning import halt, planned, restored, roll_back
from obra.shared.variables import renew_environment

if TYPE_CHECKING:
    from obra.shared.client import Orchestrator

BY_THEN = "SELECT max(position) FROM event WHERE happened_at <= $1::TIMESTAMPTZ"
TASKS = """
    SELECT DISTINCT task FROM event WHERE type = 'task.submitted' AND project = $1
        AND ($2 = '' OR body.milestone::VARCHAR = $2) ORDER BY task
"""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did, or would do.

    ``position`` is that of its last event, 0 if it was only planned; ``problems`` are sentences on workspaces that
    are not put back yet, ``reverts`` the branches that were made to take back delivered ones.
    """

    plans: tuple[Plan, ...]
    position: int = 0
    problems: tuple[str, ...] = ()
    reverts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """What can be asked of the past of *obra*, and done with it."""

    obra: "Orchestrator"

    async def position(self, scope: Scope, at: int | str, what: str) -> tuple[tuple[Recorded, ...], int]:
        """Return a task's past, and the position in it that *at* names; `BadUsage` says what is wrong with it."""
        past = await self.obra.past(scope)
        last = await self.obra.joined.bus.last_position()
        return past, position_at(str(at), past, last, datetime.now(UTC), what)

    async def as_of(self, scope: Scope, at: int | str) -> Story:
        """Return the task as it was at a point."""
        past, position = await self.position(scope, at, "as of")
        return fold(until(past, position))

    async def diff(self, scope: Scope, before: int | str, after: int | str) -> Difference:
        """Return what changed in the task between two points."""
        past, a = await self.position(scope, before, "--from")
        _, b = await self.position(scope, after, "--to")
        return await asyncio.to_thread(compare, self.obra.home, scope, past, a, b)

    async def rollback(
        self, scopes: Sequence[Scope], to: int | str, *, reason: str, cancel: bool, dry_run: bool, revert: bool
    ) -> RolledBack:
        """Return tasks to a point, all or none. See `Orchestrator.rollback`."""
        client = self.obra.client
        if len(scopes) == 1:
            position = (await self.position(scopes[0], to, "--to"))[1]
        else:
            position = await self._common(to)
        if cancel and not dry_run:
            for scope in scopes:
                await halt(client, scope, reason)
        if dry_run:
            return RolledBack(tuple(await planned(client, scopes, position, stopped=cancel)))
        plans, last = await roll_back(client, scopes, position, reason)
        renewed = [await renew_environment(self.obra.home, made.scope, made.task) for made in plans if made.task]
        problems = [*filter(None, renewed), *await restored(client, plans)]
        reverts = [branch for made in plans if revert for branch in await self._reverted(made)]
        return RolledBack(tuple(plans), last, tuple(problems), tuple(reverts))

    async def _common(self, to: int | str) -> int:
        """Return the position that *to* names for tasks of a kind."""
        text, last = str(to), await self.obra.joined.bus.last_position()
        if text.startswith(ATTEMPT):
            raise BadUsage(problem=f"--to {text}: several tasks return to one position or time, not to an attempt")
        point = point_of(text, last, datetime.now(UTC), "--to")
        if isinstance(point, int):
            return point
        found = await self.obra.sql(BY_THEN, point.isoformat())
        return int(found.rows[0][0] or 0)

    async def _reverted(self, made: Plan) -> list[str]:
        from obra.shared.revert import make_revert  # noqa: PLC0415 - starts processes; only a revert needs it

        last: dict[str, BranchDelivered] = {one.branch: one for one in made.branches}
        repo = Path(made.now.repo)
        return [await asyncio.to_thread(make_revert, repo, made.scope.task, one) for one in last.values()]

    async def tasks(self, project: str, milestone: str = "") -> list[Scope]:
        """Return the tasks of a project, or of one milestone in it; `BadUsage` if there are none."""
        found = await self.obra.sql(TASKS, project, milestone)
        scopes = [Scope(project, str(row[0])) for row in found.rows]
        if not scopes:
            where = f"milestone {milestone!r} of project {project!r}" if milestone else f"project {project!r}"
            raise BadUsage(problem=f"there are no tasks in {where}")
        return scopes
