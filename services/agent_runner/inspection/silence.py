"""A runner of tests that ends well and has no result to show was ended by something else."""

import re

from obra.events import ChecksRan, Finding
from obra.services.agent_runner.inspection.model import Suspicion

RUNNERS = (
    (re.compile(r"^\s*(?:\w+=\S+\s+)*(?:python[\d.]*\s+-m\s+)?pytest\b(?![^\n]*(?:--co\b|--collect-only|--version|--help))[^\n|&;>]*$"),
     re.compile(r"\d+ (?:passed|skipped|deselected|xfailed|xpassed|tests? ran)|\[100%\]")),
    (re.compile(r"^\s*(?:\w+=\S+\s+)*python[\d.]*\s+-m\s+unittest\b[^\n|&;>]*$"), re.compile(r"\bRan \d+ tests?\b")),
)  # fmt: skip


def silent(ran: ChecksRan) -> tuple[Finding, ...]:
    """Return a finding for each check that calls a runner of tests, exited 0 and shows no result of it."""
    return tuple(
        Suspicion(
            "checks_altered", f"`{check.command[:120]}` exited 0 without saying that any test ran: something ended it"
        ).finding(blocks=True)
        for check in ran.checks
        for command, result in RUNNERS
        if command.search(check.command) and not result.search(check.output.text)
    )  # fmt: skip
