"""From nothing running to the first event on the stream: server, host, services and join."""

import asyncio
import time
from statistics import median

from benchmarks.place import place
from benchmarks.table import show
from obra.events import InputReceived
from obra.events.base import Content
from obra.events.subjects import Scope
from obra.shared.config import Settings
from obra.shared.doctor import host_lock_held
from obra.shared.embedded.join import join
from obra.shared.envelope import fresh
from obra.shared.home import Home

ROUNDS = 5


async def main() -> None:
    cold, warm = [], []
    with place() as at:
        for _ in range(ROUNDS):
            await gone(Home(at.home))
            cold.append(await once(Home(at.home)))
        async with join(Home(at.home), Settings()):
            for _ in range(ROUNDS):
                warm.append(await once(Home(at.home)))
    show(
        "from a command to the first durable event", ["", "median ms", "max ms"],
        [
            ["nothing runs: start the host", f"{median(cold):.0f}", f"{max(cold):.0f}"],
            ["Obra runs: join", f"{median(warm):.0f}", f"{max(warm):.0f}"],
        ],
    )  # fmt: skip


async def gone(home: Home) -> None:
    """Wait until the host of the round before has ended, which it does by itself."""
    async with asyncio.timeout(30):
        while host_lock_held(home):
            await asyncio.sleep(0.05)


async def once(home: Home) -> float:
    start = time.perf_counter()
    async with join(home, Settings()) as joined:
        await joined.bus.append([fresh(Scope("bench", "-"), InputReceived(text=Content.of("hello")), "edge")])
        return (time.perf_counter() - start) * 1e3
