"""From what a person asks for to `task.submitted`: checked before anything is said on the bus."""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from obra.events import GoalSubmitted, TaskSubmitted
from obra.events.subjects import PROJECT_LEVEL, TOKEN, Scope
from obra.shared.config import Settings
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.problems import problems
from obra.shared.variables import variables

LIMIT = re.compile(r"Expected `(\w+)`( of length)? (>=|<=|>|<) ([0-9.]+)")
RELATIONS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
SLUG_CHARS_MAX = 24
ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Submission:
    """A task, or a goal, ready to be submitted.

    ``environment`` is what the runner needs beside the event and what never travels: PATH and the values of the
    variables in ``event.agent_env``. ``notices`` are sentences that a person should see.
    """

    scope: Scope
    event: TaskSubmitted | GoalSubmitted
    environment: dict[str, str]
    notices: tuple[str, ...] = ()


def task_id(text: str) -> str:
    """Return a fresh id that reads like *text*: at most 24 characters of it, and 4 random ones."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    slug = words[:SLUG_CHARS_MAX]
    if len(words) > SLUG_CHARS_MAX and words[SLUG_CHARS_MAX] != "-" and "-" in slug:
        slug = slug.rsplit("-", 1)[0]
    tail = "".join(secrets.choice(ID_ALPHABET) for _ in range(4))
    return f"{slug.strip('-') or 'task'}-{tail}"


def prepare(
    text: str,
    *,
    repo: str | Path = ".",
    settings: Settings,
    project: str | None = None,
    task: str | None = None,
    agent: str = "claude",
    agent_env: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    **wishes: Any,
) -> Submission:
    """Return the submission for *text*; `BadUsage` says what is wrong, `EnvironmentLacks` what is missing.

    *wishes* are further fields of `TaskSubmitted`; those that are None keep their defaults. *agent_env* holds
    ``NAME=VALUE``, or ``NAME`` for the value in *environ*.
    """
    if not text.strip():
        raise BadUsage(problem="the task is empty: say in words what is to be done")
    scope = Scope(token(project or settings.project, "project"), token(task or task_id(text), "task id"))
    target, notices = _target(Path(repo), str(wishes.get("base") or ""))
    named = variables(agent_env, environ)
    fields = {name: value for name, value in wishes.items() if value is not None}
    checks = tuple(fields.pop("checks", ()))
    hidden = fields["hidden_checks"] = tuple(fields.pop("hidden_checks", ()))
    if any(not check.strip() for check in (*checks, *hidden)):
        raise BadUsage(problem="a check is empty: give --check a shell command, like --check 'pytest -q'")
    if deadline := fields.pop("deadline", ""):
        fields["deadline"] = _deadline(str(deadline))
    event = _event(
        fields | {
            "text": text, "repo": target, "agent": _agent(agent, settings, environ), "checks": checks,
            "agent_env": tuple(named),
        }
    )  # fmt: skip
    if wrong := next(problems(event), ""):
        raise BadUsage(problem=wrong)
    if event.sandbox == "bwrap" and not settings.nats.url:
        _bubblewrap(environ)
    return Submission(scope, event, {"PATH": environ.get("PATH", os.defpath), **named}, notices)


def token(text: str, what: str) -> str:
    """Return *text* if it can name a task or a project; `BadUsage` says what that takes."""
    if not TOKEN.fullmatch(text) or text == PROJECT_LEVEL:
        raise BadUsage(problem=f"{what} {text!r}: up to 64 letters, digits, dashes and underscores, please")
    return text


def _deadline(text: str) -> str:
    """Return a time as it travels, in UTC; one without a zone is local. `BadUsage` for none, or one that has passed."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadUsage(problem=f"--deadline {text!r} is no time: give one like 2026-12-31T18:00") from error
    if at <= datetime.now(UTC):
        raise BadUsage(problem=f"--deadline {text!r} has passed already")
    return at.isoformat(timespec="seconds")


def _target(repo: Path, base: str) -> tuple[str, tuple[str, ...]]:
    """Look at the repository; return its absolute path and what a person should know about it."""
    from obra.shared.repository import inspect  # noqa: PLC0415 - starts processes; only submitting needs it

    target = inspect(repo, base)
    return str(target.path), tuple(target.notices)


def _agent(agent: str, settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the agent in the form in which it travels; refuse one that can't be run."""
    kind, _, rest = agent.partition(":")
    if kind == "scripted":
        from obra.shared.script import check_script  # noqa: PLC0415 - only for this agent

        path = Path(rest).absolute()
        check_script(path)
        return f"scripted:{path}"
    if agent != "claude":
        raise BadUsage(problem=f"there is no agent {agent!r}: there are `claude` and `scripted:FILE`")
    if not settings.nats.url:
        _claude(settings, environ)
    return agent


def _bubblewrap(environ: Mapping[str, str]) -> None:
    """Refuse early where the sandbox that was asked for is missing; whether it works, the runner tries."""
    from obra.shared.doctor import bwrap_path  # noqa: PLC0415 - only where it is asked for

    if bwrap_path(environ.get("PATH", os.defpath)) is None:
        raise EnvironmentLacks(
            problem="--sandbox bwrap: bubblewrap is not installed (`apt install bubblewrap`); "
            "--sandbox none leans on the agent's own permission system"
        )


def _claude(settings: Settings, environ: Mapping[str, str]) -> None:
    """Refuse early where Claude Code is missing; which one is run, the runner decides."""
    from obra.shared.doctor import claude_path  # noqa: PLC0415 - only for this agent

    if claude_path(settings, environ.get("PATH", os.defpath)) is None:
        raise EnvironmentLacks(
            problem=(
                f"agent.claude.path is {settings.agent.claude.path!r}, which can't be executed"
                if settings.agent.claude.path
                else "Claude Code is not installed: `npm install -g @anthropic-ai/claude-code`, or set "
                "agent.claude.path; `obra demo` needs neither"
            )
        )


def _event(fields: dict[str, Any]) -> TaskSubmitted:
    try:
        event = msgspec.convert({"type": "task.submitted", **fields}, TaskSubmitted)
        msgspec.json.encode(event)
    except msgspec.ValidationError as error:
        raise BadUsage(problem=_in_words(str(error))) from error
    except UnicodeEncodeError as error:  # an argument or a path whose bytes are no UTF-8
        raise BadUsage(problem=f"{error.object!a} is not UTF-8 and can't be recorded: write or name it so") from error
    return event


def _in_words(message: str) -> str:
    """Turn msgspec's message about a field into one about the option that sets it."""
    what, _, where = message.partition(" - at `$.")
    field = where.strip("`").split("[")[0]
    options = {
        "attempts_max": "--attempts", "turns_max": "--turns", "budget_usd": "--budget", "timeout_s": "--timeout",
        "silence_s": "--silence", "checks": "--check", "agent_env": "--agent-env", "repo": "--repo", "text": "the task",
        "check_timeout_s": "--check-timeout", "hidden_checks": "--hidden-check",
    }  # fmt: skip
    if limit := LIMIT.fullmatch(what):
        kind, length, relation, number = limit.groups()
        unit = "" if not length else " characters" if kind == "str" else " of them"
        what = f"must be {RELATIONS[relation]} {float(number):,g}{unit}"
    return f"{options.get(field, '--' + field)}: {what[:1].lower()}{what[1:]}"
