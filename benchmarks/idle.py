"""CPU of an Obra that has nothing to do: the host with its seven services, and the server."""

import asyncio

import psutil

from benchmarks.place import place
from benchmarks.table import show
from obra.shared.config import Settings
from obra.shared.embedded import notice
from obra.shared.embedded.join import join
from obra.shared.home import Home

SETTLE_S, WATCH_S = 5.0, 30.0


async def main() -> None:
    with place() as at:
        async with join(Home(at.home), Settings()):
            board = notice.read(Home(at.home))
            assert board
            host, server = psutil.Process(board.host_pid), psutil.Process(board.server_pid)
            await asyncio.sleep(SETTLE_S)
            before = [cpu_s(process) for process in (host, server)]
            await asyncio.sleep(WATCH_S)
            spent = [cpu_s(process) - start for process, start in zip((host, server), before, strict=True)]
            sizes = [process.memory_info().rss / 1024**2 for process in (host, server)]
    rows = [
        [what, f"{100 * cpu / WATCH_S:.2f}", f"{size:.0f}"]
        for what, cpu, size in zip(("host", "nats-server"), spent, sizes, strict=True)
    ]
    show(
        f"idle for {WATCH_S:.0f} s",
        ["", "% of one CPU", "RSS MiB"],
        [*rows, ["both", f"{100 * sum(spent) / WATCH_S:.2f}", ""]],
    )


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
