"""What an agent is asked to do, as the runner hands it to an adapter."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from obra.events import Output


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one agent. Times in seconds, sizes in bytes; ``env`` holds all that the agent inherits.

    ``home`` is the agent's private HOME, kept from attempt to attempt so that its own sessions can be resumed.
    ``marker`` stands in every process of the run as the variable OBRARUN, so leftovers of a crash can be found.
    """

    agent: str
    prompt: str
    attempt: int
    run: int
    workspace: Path
    home: Path
    transcript: Path
    marker: str
    env: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    model: str = ""
    turns_max: int = 0
    budget_usd: float | None = None
    timeout_s: float = 7_200.0
    silence_s: float = 900.0
    stuck_max: int = 0
    resume: str = ""


Say = Callable[[Output], Awaitable[None]]
"""Takes one piece of live output; best effort, never raises, never blocks long."""
