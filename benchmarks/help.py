"""CPU time of `obra --help`, beside that of an interpreter that does nothing."""

import os
import resource
import subprocess
import sys
from statistics import median

from benchmarks.table import show

ROUNDS = 15


def cpu_ms(argv: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}, timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def main() -> None:
    code = "import sys; from obra.services.console.main import main; sys.argv = ['obra', '--help']; main()"
    bare = median(cpu_ms([sys.executable, "-c", "pass"]) for _ in range(ROUNDS))
    ours = median(cpu_ms([sys.executable, "-c", code]) for _ in range(ROUNDS))
    show(
        "obra --help", ["what", "CPU ms (median)", "ratio"],
        [["python -c pass", f"{bare:.0f}", "1.0"], ["obra --help", f"{ours:.0f}", f"{ours / bare:.1f}"]],
    )  # fmt: skip
