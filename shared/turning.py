"""What an edge does to roll back: stop what is in hand, plan, say it for one task or for many at once, wait."""

import asyncio
import contextlib
import random
from collections.abc import Sequence

from obra.events import AttemptCancelled, AttemptRequested, ServiceDegraded
from obra.events import WorkspaceRestored as Restored
from obra.events.subjects import Scope
from obra.shared.archive.pruned import is_cut
from obra.shared.edge import EDGE, Client, TaskUnknown, person
from obra.shared.envelope import fresh
from obra.shared.errors import EnvironmentLacks, StaleAppend
from obra.shared.history import standing
from obra.shared.rollback import Plan, RollbackRefused, check, in_hand, moving, plan
from obra.shared.story import fold

TRIES_MAX = 5
HALT_S = 90.0
RESTORED_S = 60.0


async def roll_back(client: Client, scopes: Sequence[Scope], to: int, reason: str = "") -> tuple[list[Plan], int]:
    """Return every task of *scopes* to position *to*, all or none; return what was done and the last position.

    One task must have something to undo. Of several, those to which nothing has happened since are left as they
    are. `RollbackRefused` names the first task that can't be rolled back, and why.
    """
    for tries in range(TRIES_MAX):
        plans = await planned(client, scopes, to)
        said = [(fresh(made.scope, made.event(reason, person()), EDGE), made.expected) for made in plans]
        with contextlib.suppress(StaleAppend):
            return plans, await client.bus.append_each(said)
        await asyncio.sleep(random.uniform(0.01, 0.05) * 2**tries)
    raise EnvironmentLacks(problem="the tasks keep changing; try again, or with --cancel")


async def planned(client: Client, scopes: Sequence[Scope], to: int, *, stopped: bool = False) -> list[Plan]:
    """Return what `roll_back` would do, once what is in hand is *stopped*. Raises as it does."""
    plans = [await _planned(client, scope, to, alone=len(scopes) == 1) for scope in scopes]
    due = [made for made in plans if made is not None]
    for made in due:
        check(made, stopped=stopped)
    if not due:
        raise RollbackRefused(task=f"{len(scopes)} tasks", reason=f"nothing has happened to them since position {to}")
    return due


async def _planned(client: Client, scope: Scope, to: int, *, alone: bool) -> Plan | None:
    past = await client.bus.past(scope)
    if not past.events:
        raise TaskUnknown(task=scope.task, project=scope.project)
    if is_cut(past.events):
        if not alone and to >= past.position:
            return None
        raise RollbackRefused(task=scope.task, reason="its past is archived, and the stream was pruned of it")
    made = plan(scope, past, to)
    if alone:
        return made
    if not made.gone and to < made.earliest:
        made = plan(scope, past, made.earliest)
    idle = (not made.earliest and not made.gone) or (made.gone and not made.now.submitted_at)
    return None if idle or made.there or not (made.undone or made.restored) else made


async def halt(client: Client, scope: Scope, reason: str = "") -> None:
    """Stop whatever is in hand for the task, and wait until it has come to rest, 90 s at most.

    A running attempt is cancelled, so that its end is on record; where none runs, the task is. If it ended before it
    heard of that, and another one was begun, that is cancelled too.
    """
    past = await client.past(scope)
    if not moving(fold(past)):
        return
    attempt = in_hand(standing(past))
    said = reason or f"stopped by {person()} for a rollback"
    if attempt:
        await _cancel(client, scope, attempt, said)
    else:
        await client.cancel(scope, said)
    try:
        async with asyncio.timeout(HALT_S):
            async for recorded, story in client.watch(scope, past[-1].position):
                if not moving(story):
                    return
                if isinstance(recorded.event, AttemptRequested) and recorded.event.attempt > attempt:
                    attempt = recorded.event.attempt
                    await _cancel(client, scope, attempt, said)
    except TimeoutError:
        problem = f"task {scope.task!r} did not come to rest within {HALT_S:g} s of being cancelled; try again"
        raise EnvironmentLacks(problem=problem) from None


async def _cancel(client: Client, scope: Scope, attempt: int, reason: str) -> None:
    await client.bus.append([fresh(scope, AttemptCancelled(attempt=attempt, reason=reason), EDGE)])


async def restored(client: Client, plans: Sequence[Plan]) -> list[str]:
    """Wait until workspaces are put back, 60 s at most; return why not, a sentence for each task where they aren't."""
    waits = [_restored(client, made) for made in plans if made.worked]
    return [problem for problem in await asyncio.gather(*waits) if problem]


async def _restored(client: Client, made: Plan) -> str:
    later = "it is put back before the next attempt"
    try:
        async with asyncio.timeout(RESTORED_S):
            async with contextlib.aclosing(client.bus.follow(made.expected, [made.scope.everything])) as raws:
                async for raw in raws:
                    match raw.envelope.event if raw.envelope else None:
                        case Restored():
                            return ""
                        case ServiceDegraded(lacking="workspace") as event:
                            return f"{made.scope.task}: {event.reason}; {event.effect}"
    except TimeoutError:
        pass
    return f"{made.scope.task}: no runner has put its workspace back within {RESTORED_S:g} s; {later}"
