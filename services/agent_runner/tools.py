"""What all runs of one process share, and how they wait."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from obra.services.agent_runner.ledger import Fenced
from obra.services.agent_runner.spares import Spares
from obra.services.agent_runner.watch import Signals
from obra.shared.config import Settings
from obra.shared.errors import ObraError
from obra.shared.home import Home

P = ParamSpec("P")
T = TypeVar("T")


class Stopped(ObraError):
    """The service is to end; what is in hand goes back"""


class Cancelled(ObraError):
    """A person cancelled the attempt"""


@dataclass(frozen=True, slots=True)
class Tools:
    """Settings, the home, who this runner is, threads for what blocks, and workspaces made beforehand."""

    settings: Settings
    home: Home
    runner: str
    threads: Executor
    spares: Spares

    async def blocking(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *do* in a thread, always to its end: if this is cancelled, the thread is waited for first."""
        work = asyncio.get_running_loop().run_in_executor(self.threads, partial(do, *args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    @asynccontextmanager
    async def beside(
        self, do: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[None]:  # fmt: skip
        """Run *do* in a thread while the block goes on; both have ended when this does."""
        doing = asyncio.create_task(self.blocking(do, *args, **kwargs))
        try:
            yield
        finally:
            await asyncio.wait([doing])
            doing.result()


async def together(*work: Awaitable[Any]) -> list[Any]:
    """Await all of *work* side by side, and raise the first error once all have ended."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return done


async def attend(
    work: "asyncio.Task[T]", stop: asyncio.Event, signals: Signals, halt: asyncio.Event | None = None
) -> T:
    """Return what *work* returns. Cancels it and raises `Stopped` on *stop*, `Fenced` once nobody awaits it.

    When a person cancels, sets *halt*, so that it can end in its own way; without one, raises `Cancelled`.
    """
    ends = [asyncio.create_task(event.wait()) for event in (signals.gone, stop, signals.cancel)]
    gone, stopping, cancel = ends
    try:
        waiting = {work, *ends}
        while not work.done():
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                break
            if gone.done():
                raise Fenced(key=signals.key, scope=".".join(signals.scope))
            if stopping.done():
                raise Stopped
            if halt is None:
                raise Cancelled
            halt.set()
            waiting.discard(cancel)
        return work.result()
    finally:
        for task in (*ends, work):
            task.cancel()
        everything: list[asyncio.Future[Any]] = [*ends, work]
        await asyncio.gather(*everything, return_exceptions=True)
