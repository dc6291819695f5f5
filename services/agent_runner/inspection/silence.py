"""A runner of tests that ends well and has no result to show was ended by something else."""

import re

from obra.events import ChecksRan, Finding
from obra.services.agent_runner.inspection.model import Suspicion

RUNNERS = (
    (re.compile(r"^\s*(?:\w+=\S+\s+)*(?:python[\d.]*\s+-m\s+)?pytest\b(?![^\n]*(?:--co\b|--collect-only|--version|--help))[^\n|&;>]*$"),
     re.compile(r"\d+ (?:passed|skipped|deselected|xfailed|xpassed|tests? ran)|\[100%\]")),
    (re.compile(r"^\s*(?:\w+=\S+\s+)*python[\d.]*\s+-m\s+unittest\b[^\n|&;>]*$"), re.compile(r"\bRan \d+ tests?\b")),
)  # fmt: skip

LAST_LINES = 3
FAILED = re.compile(r"\b[1-9]\d* (?:failed|errors?)\b.* in [\d.]+s|^FAILED \((?:failures|errors)=", re.MULTILINE)


def silent(ran: ChecksRan) -> tuple[Finding, ...]:
    """Return a finding for each check that calls a runner of tests, exited 0, and shows no result, or a bad one."""
    found = []
    for check in ran.checks:
        for command, result in RUNNERS:
            if command.search(check.command):
                last = "\n".join(check.output.text.rstrip().splitlines()[-LAST_LINES:])
                said = f"`{check.command[:120]}` exited 0"
                if not result.search(check.output.text):
                    found.append(f"{said} without saying that any test ran: something ended it")
                elif FAILED.search(last):
                    found.append(f"{said} and says that tests failed")
    return tuple(Suspicion("checks_altered", what).finding(blocks=True) for what in found)
