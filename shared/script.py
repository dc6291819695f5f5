"""The file behind ``scripted:FILE``: what a scripted agent does, attempt by attempt, checked before anything runs.

```json
{"attempts": [{"steps": [{"write": {"path": "a.txt", "text": "hello"}}, {"run": "ls"}, {"say": "done"}],
               "cost_usd": 0.01, "tokens": {"input": 900, "output": 120}, "denials": ["Bash"]}]}
```

The last attempt repeats. The agent that plays it is `obra.services.agent_runner.scripted_agent`.
"""

import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from obra.shared.errors import BadUsage
from obra.shared.strict import plainly

SCRIPT_BYTES_MAX = 64 * 1024**2

Path4K = Annotated[str, Field(min_length=1, max_length=4096)]


class Part(BaseModel):
    """A piece of a script; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileText(Part):
    """A file, relative to the workspace or absolute, and text for it."""

    path: Path4K
    text: str


class Step(Part):
    """Exactly one thing that the agent does."""

    write: FileText | None = None
    append: FileText | None = None
    delete: Path4K | None = None
    run: Annotated[str, Field(min_length=1, description="by `sh -c`, in the workspace")] | None = None
    say: str | None = None
    ask: Annotated[str, Field(min_length=1, description="a person, who is not there; it is denied")] | None = None
    sleep_s: Annotated[float, Field(ge=0, le=7 * 86_400)] | None = None
    hang: Annotated[Literal[True], Field(description="say nothing more, do nothing more")] | None = None
    exit: Annotated[int, Field(ge=0, le=255, description="end without a result")] | None = None
    kill: Annotated[int, Field(ge=1, le=64, description="send oneself this signal")] | None = None
    raw: Annotated[str, Field(description="a line printed as it stands, to forge or to flood")] | None = None
    raw_base64: Annotated[str, Field(description="bytes printed as they stand")] | None = None
    repeat: Annotated[int, Field(ge=1, le=10_000_000, description="prints the raw line so often")] | None = None
    ending: (
        Literal[
            "max_turns",
            "over_budget",
            "rate_limited",
            "unreachable",
            "not_logged_in",
            "rejected",
            "refused",
            "failed",
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Step":
        given = self.model_fields_set
        if self.repeat is not None:
            given = given - {"repeat"}
            if not given & {"raw", "raw_base64"}:
                raise ValueError("`repeat` belongs to `raw` or `raw_base64`")
        if len(given) != 1:
            raise ValueError(f"a step is exactly one thing, not {len(given)}")
        return self


class ScriptTokens(Part):
    """Tokens that the agent claims to have used."""

    input: Annotated[int, Field(ge=0)] = 0
    output: Annotated[int, Field(ge=0)] = 0
    cache_read: Annotated[int, Field(ge=0)] = 0
    cache_write: Annotated[int, Field(ge=0)] = 0


class ScriptAttempt(Part):
    """What the agent does in one attempt, and what it claims that this cost."""

    steps: tuple[Step, ...] = ()
    cost_usd: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    tokens: ScriptTokens = ScriptTokens()
    denials: tuple[str, ...] = Field(default=(), description="tools it claims to have been denied")


class Script(Part):
    """The whole file."""

    attempts: tuple[ScriptAttempt, ...] = Field(min_length=1)


def check_script(path: Path | str) -> None:
    """Read the script at *path*; `BadUsage` names the file and the key that is wrong."""
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a device or a pipe might never end
            raise BadUsage(problem=f"{path}: the script must be a file")
        with path.open("rb") as file:
            data = file.read(SCRIPT_BYTES_MAX + 1)
        if len(data) > SCRIPT_BYTES_MAX:
            raise BadUsage(problem=f"{path}: a script may have {SCRIPT_BYTES_MAX // 1024**2} MiB at most")
    except OSError as error:
        raise BadUsage(problem=f"{path}: the script can't be read: {error.strerror}") from error
    try:
        Script.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadUsage(problem=f"{path}: {where + ': ' if where else ''}{plainly(first)}") from error
