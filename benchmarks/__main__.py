"""Runs every benchmark, or those named: ``just bench overhead start``. Figures are of this machine, on this day.

``just bench archive=50000`` measures with fewer events, where a benchmark takes a number of them.
"""

import asyncio
import inspect
import sys
from importlib import import_module

NAMES = (
    "help",
    "start",
    "overhead",
    "idle",
    "store",
    "views",
    "archive",
    "eventsourcing",
    "whatif",
    "supervision",
    "ab",
)


def main(asked: list[str]) -> int:
    sizes = {name: [int(size)] if size else [] for name, _, size in (one.partition("=") for one in asked or NAMES)}
    unknown = sorted(set(sizes) - set(NAMES))
    if unknown:
        sys.stderr.write(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}\n")
        return 2
    for name, size in sizes.items():
        run = import_module(f"benchmarks.{name}").main
        if size and not inspect.signature(run).parameters:
            sys.stderr.write(f"the benchmark {name} has one size; leave out `={size[0]}`\n")
            return 2
        result = run(*size)
        if inspect.isawaitable(result):
            asyncio.run(result)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
