"""Runs every benchmark, or those named: ``just bench overhead start``. Figures are of this machine, on this day."""

import asyncio
import inspect
import sys
from importlib import import_module

NAMES = ("help", "start", "overhead", "idle", "store", "eventsourcing", "whatif", "supervision", "ab")


def main(asked: list[str]) -> int:
    unknown = sorted(set(asked) - set(NAMES))
    if unknown:
        sys.stderr.write(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}\n")
        return 2
    for name in asked or NAMES:
        result = import_module(f"benchmarks.{name}").main()
        if inspect.isawaitable(result):
            asyncio.run(result)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
