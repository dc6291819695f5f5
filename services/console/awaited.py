"""Waiting for what a service answers to a person's word."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from obra.events import Event
from obra.events.subjects import Scope
from obra.shared.client import Orchestrator
from obra.shared.errors import EnvironmentLacks

Said = TypeVar("Said", bound=Event)


async def awaited(
    obra: Orchestrator, scope: Scope, after: int, kind: type[Said], within_s: float, *, otherwise: str,
    accept: Callable[[Said], bool] = lambda _: True,
) -> Said:  # fmt: skip
    """Return the first event of *kind* in *scope* behind position *after* that is one to *accept*.

    Raises `EnvironmentLacks`, which says *otherwise*, where none has come within *within_s*.
    """
    try:
        async with asyncio.timeout(within_s), contextlib.aclosing(obra.events(after, [scope.everything])) as raws:
            async for raw in raws:
                event = raw.envelope.event if raw.envelope else None
                if isinstance(event, kind) and accept(event):
                    return event
    except TimeoutError as error:
        raise EnvironmentLacks(problem=otherwise) from error
    raise AssertionError("events do not end")  # pragma: no cover
