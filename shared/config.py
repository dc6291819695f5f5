"""Settings: read once at the edge from file and environment, then passed down by value.

Every key of ``obra.toml`` is also an environment variable: ``[llm] base_url`` is ``OBRA_LLM__BASE_URL``. The
environment wins over the file. An unknown key or a bad value is an error that names it.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from obra.events import Policy, Rule
from obra.shared.errors import BadSetting
from obra.shared.strict import CONTAINERS, converted, plainly

PREFIX = "OBRA_"
NOT_SETTINGS = frozenset({"OBRA_HOME", "OBRA_CONFIG"})

PositiveS = Annotated[float, Field(gt=0, le=30 * 86_400)]


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NatsSettings(Section):
    """Which NATS to use."""

    url: str = Field(default="", description="empty: the embedded server")
    user: str = Field(default="", description="for an external server")
    password_file: str = Field(default="", description="file with the password for an external server")
    sync: Literal["always", "default"] = Field(
        default="always", description="embedded: always means that an acknowledged event survives power loss"
    )
    replicas: int = Field(default=1, ge=1, le=5)
    stream_bytes_max: int = Field(default=16 * 1024**3, ge=1024**2)
    output_bytes_max: int = Field(default=512 * 1024**2, ge=1024**2)


class OpenAISettings(Section):
    """A server that speaks OpenAI's chat completions."""

    base_url: str = Field(default="", pattern=r"^(https?://[^/\s]|$)", description="empty: that of the LLM")
    key_file: str = Field(default="", description="file with the key")
    key_env: str = Field(default="", description="or the name of a variable of the service's environment that holds it")


class LlmSettings(Section):
    """The reviewing LLM."""

    provider: Literal["ollama", "openai"] = "ollama"
    model: str = "qwen2.5-coder:7b"
    base_url: str = Field(default="http://127.0.0.1:11434", pattern=r"^https?://[^/\s]")
    timeout_s: PositiveS = 120.0
    probe_timeout_s: PositiveS = 2.0
    temperature: float = Field(default=0.1, ge=0, le=2)
    context_tokens: int = Field(default=16_384, ge=2_048)
    openai: OpenAISettings = OpenAISettings()


class ClaudeSettings(Section):
    """Claude Code."""

    path: str = Field(default="", description="of the executable; empty: found on PATH, or in claude-agent-sdk")
    permission_mode: Literal["acceptEdits", "default", "dontAsk", "plan"] = "acceptEdits"
    allowed_tools: tuple[str, ...] = Field(default=(), description="allowed beside the checks, when not sandboxed")
    disallowed_tools: tuple[str, ...] = ()
    credentials: str = Field(default="", description="a .credentials.json to copy into the agent's private home")
    extra_args: tuple[str, ...] = ()


class AgentSettings(Section):
    """Coding agents and what they get."""

    env: dict[str, str] = Field(default_factory=dict, description="variables that every agent gets")
    path: str = Field(default="", description="PATH of agents and checks; empty: that of the submitting command")
    concurrency: int = Field(default=4, ge=1, le=256, description="attempts at once in one runner")
    workspace_bytes_max: int = Field(default=4 * 1024**3, ge=1024)
    file_bytes_max: int = Field(default=1024**3, ge=1024, description="largest file an agent may write")
    output_bytes_max: int = Field(default=256 * 1024**2, ge=1024, description="kept of one attempt's output")
    claude: ClaudeSettings = ClaudeSettings()


class PromptSettings(Section):
    """The prompts that agents get; which template, the policy says."""

    rules: str = Field(default="", description="your own rules.yaml, beside or in place of the shipped rules")


class SandboxSettings(Section):
    """The sandbox around agents and checks."""

    network: bool = True
    read_only: tuple[str, ...] = Field(default=(), description="further paths the agent may read")


class StoreSettings(Section):
    """The DuckDB store."""

    batch_max: int = Field(default=20_480, ge=1, le=100_000)
    query_timeout_s: PositiveS = 30.0
    query_memory: str = Field(
        default="1GB",
        pattern=r"^\d+(\.\d+)? ?([KMGT]i?)?B$",
        description="like 512MB, 1.5GiB; of one operator of a query",
    )
    query_rows_max: int = Field(default=1_000_000, ge=1)


class AnchorSettings(Section):
    """Where and how often the head of the store's chain is anchored by itself."""

    to: str = Field(default="", pattern=r"^(note|/.+)?$", description="`note`, a file's absolute path, empty: nowhere")
    repo: str = Field(default="", pattern=r"^(/.+)?$", description="absolute path of the repository of the note")
    every_s: PositiveS = Field(default=3600.0, description="where anything has happened since")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.to == "note" and not self.repo:
            raise ValueError("a note needs a repository: set anchor.repo")
        return self


class NotifySettings(Section):
    """Who is told when something starts to wait for a person."""

    webhook: str = Field(default="", pattern=r"^(https?://[^/\s].*)?$", description="gets a JSON object by POST")
    secret_file: str = Field(default="", description="file with the secret that signs what the webhook gets")
    command: tuple[str, ...] = Field(default=(), description="program and arguments; gets the object on stdin")
    env: dict[str, str] = Field(default_factory=dict, description="variables that the command gets beside PATH")
    severity: Literal["notice", "warning", "critical"] = "notice"
    timeout_s: PositiveS = 10.0
    tries_max: int = Field(default=4, ge=1, le=20)
    pause_s: PositiveS = Field(default=1.0, description="after the first try; twice as long after each further one")


class LogSettings(Section):
    """Logs of the services."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    redact_personal: bool = False


class Settings(Section):
    """Everything an operator may change, with the unit in the name."""

    project: str = Field(default="default", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    nats: NatsSettings = NatsSettings()
    llm: LlmSettings = LlmSettings()
    agent: AgentSettings = AgentSettings()
    prompt: PromptSettings = PromptSettings()
    sandbox: SandboxSettings = SandboxSettings()
    store: StoreSettings = StoreSettings()
    anchor: AnchorSettings = AnchorSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    decision: dict[str, Any] = Field(default_factory=dict, description="fields of the policy, by name")
    rule: tuple[dict[str, Any], ...] = Field(default=(), description="rules of one's own, asked in this order")

    @field_validator("decision")
    @classmethod
    def _is_a_policy(cls, value: dict[str, Any]) -> dict[str, Any]:
        policy = converted(value, Policy)
        if not policy.weight_checks + policy.weight_change + policy.weight_ending:
            raise ValueError("weight_checks, weight_change and weight_ending can't all be 0")
        _check_rules(policy.rules)
        return msgspec.to_builtins(policy)  # type: ignore[no-any-return]

    @field_validator("rule")
    @classmethod
    def _are_rules(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        rules = tuple(converted(each, Rule) for each in value)
        _check_rules(rules)
        return tuple(msgspec.to_builtins(rule) for rule in rules)

    def policy(self) -> Policy:
        """Return the policy that these settings put into force: as many tasks in work as one runner takes."""
        policy = msgspec.convert({"tasks_max": self.agent.concurrency, **self.decision}, Policy)
        return msgspec.structs.replace(policy, rules=(*policy.rules, *msgspec.convert(self.rule, tuple[Rule, ...])))


def _check_rules(rules: tuple[Rule, ...]) -> None:
    """Raise ValueError for the first of *rules* that can't be used."""
    if not rules:
        return
    from obra.shared.expression import BadExpression  # noqa: PLC0415 - only where there are rules
    from obra.shared.rulebook import check  # noqa: PLC0415

    try:
        check(rules)
    except BadExpression as error:
        raise ValueError(str(error)) from error


def home_of(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the only directory Obra writes to: OBRA_HOME, else the platform's data directory."""
    if asked := environ.get("OBRA_HOME"):
        return home_at(asked)
    base = environ.get("XDG_DATA_HOME")
    return home_at((Path(base) if base else Path(environ.get("HOME") or Path.home()) / ".local" / "share") / "obra")


def home_at(asked: str | Path) -> Path:
    """Return *asked* without links and dots: inside the sandbox there is only the real path.

    Raises `BadSetting` where it is not UTF-8, as paths in events and in configurations must be.
    """
    real = Path(os.path.realpath(Path(asked).expanduser()))
    try:
        str(real).encode()
    except UnicodeEncodeError as error:
        raise BadSetting(where="OBRA_HOME", problem=f"{str(real)!r} is not UTF-8; name another directory") from error
    return real


def load(home: Path, config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of *config* (else ``obra.toml`` in *home*), overridden by *environ*.

    Raises `BadSetting`, which names the file or variable and the key.
    """
    path = config or (Path(environ["OBRA_CONFIG"]) if environ.get("OBRA_CONFIG") else home / "obra.toml")
    tree = _read(path, required=path != home / "obra.toml")
    _check(tree, str(path))
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            _put(tree, variable, value)
    return _check(tree, "settings")


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise BadSetting(where=path, problem="there is no such file") from error
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(where=path, problem=f"can't be read as TOML: {error}") from error


def _put(tree: dict[str, Any], variable: str, value: str) -> None:
    """Set one key from one variable, and say which variable it was if it does not fit."""
    *tables, key = variable.removeprefix(PREFIX).lower().split("__")
    at = tree
    for table in tables:
        at = at.setdefault(table, {})
        if not isinstance(at, dict):
            raise BadSetting(where=variable, problem=f"{table} is no table")
    at[key] = _value(value)
    alone: dict[str, Any] = {key: at[key]}
    for table in reversed(tables):
        alone = {table: alone}
    _check(alone, variable)


def _value(text: str) -> Any:
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _check(tree: dict[str, Any], where: str) -> Settings:
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise BadSetting(where=where, problem=f"unknown key {key!r}") from error
        hint = ", as JSON" if where.startswith(PREFIX) and first["type"] in CONTAINERS else ""
        raise BadSetting(where=where, problem=f"{key!r}: {plainly(first)}{hint}") from error
