"""How a run ended, from what was observed alone. Exit code and subtype both lie, so neither is trusted by itself."""

from dataclasses import dataclass
from typing import Literal

from obra.events import Ending
from obra.services.agent_runner.adapters.messages import Observed, Result
from obra.shared.evidence import NOT_WORK

Stopped = Literal["", "cancelled", "timed_out", "hung", "stuck", "lingering"]
"""Why Obra ended it. ``lingering``: it had said its result and did not exit."""

UNAUTHORIZED, FORBIDDEN, TIMED_OUT, CONFLICT, TOO_MANY, SERVER = 401, 403, 408, 409, 429, 500
BY_ERROR: dict[str, Ending] = {
    "rate_limit": "rate_limited",
    "authentication_failed": "not_logged_in",
    "oauth_org_not_allowed": "not_logged_in",
    "billing_error": "rejected",
    "invalid_request": "rejected",
    "model_not_found": "rejected",
    "max_output_tokens": "refused",
    "overloaded": "unreachable",
    "server_error": "unreachable",
    "unknown": "unreachable",
}
"""What the agent calls an error of its provider, where no status came with it."""

BY_SUBTYPE: dict[str, tuple[Ending, str]] = {
    "error_max_turns": ("max_turns", "it used up its turns"),
    "error_max_budget_usd": ("over_budget", "it reached its cost limit"),
    "error_max_structured_output_retries": ("failed", "it could not produce the structured output asked for"),
}
PROVIDER = ("api_error", "prompt_too_long")
ABORTED = ("aborted_tools", "aborted_streaming")
LOGIN = "; pass the agent its key (--agent-env ANTHROPIC_API_KEY), or set agent.claude.credentials to your login's file"
STDERR_HINTS: tuple[tuple[str, Ending], ...] = (
    ("not logged in", "not_logged_in"),
    ("please run /login", "not_logged_in"),
    ("invalid api key", "not_logged_in"),
    ("bwrap: ", "unavailable"),
)


@dataclass(frozen=True, slots=True)
class Exit:
    """How the process went: ``returned`` is negative for a signal and None if it never ran."""

    returned: int | None
    stopped: Stopped = ""
    problem: str = ""
    stderr: str = ""
    limit: str = ""


def classify(seen: Observed, exit_: Exit) -> tuple[Ending, str]:
    """Return the ending and one sentence for a person, with what to do where only a person can do it.

    What Obra did itself comes first, then what the agent's last result says, then how the process went.
    """
    ending, detail = _classify(seen, exit_)
    return ending, detail + (LOGIN if ending == "not_logged_in" else "")


def _classify(seen: Observed, exit_: Exit) -> tuple[Ending, str]:
    if exit_.returned is None:
        return "unavailable", exit_.problem or "it could not be started"
    if exit_.stopped and exit_.stopped != "lingering":
        return exit_.stopped, {
            "cancelled": "it was stopped because it was cancelled",
            "timed_out": f"after {exit_.limit} (--timeout)",
            "stuck": "it went round in circles and was stopped",
            "hung": f"after {exit_.limit} of silence (--silence)",
        }[exit_.stopped]
    if seen.result is None:
        return _without_result(seen, exit_)
    return _with_result(seen, seen.result, exit_)


def _with_result(seen: Observed, result: Result, exit_: Exit) -> tuple[Ending, str]:
    """Return the first row that is true."""
    said = _first_line(result.text or "; ".join(result.errors))
    stop = result.stop_reason or seen.stop_reason
    wrong, why, code = result.is_error, result.terminal_reason, exit_.returned or 0
    left = exit_.stopped == "lingering"
    by_subtype = BY_SUBTYPE.get(result.subtype, ("failed", ""))
    denied = sorted({denial.tool for denial in seen.denials.values() if denial.tool not in NOT_WORK})
    rows: tuple[tuple[object, Ending, str], ...] = (
        (result.subtype in BY_SUBTYPE, *by_subtype),
        (stop == "refusal", "refused", said or "the model refused"),
        (wrong and stop == "max_tokens", "refused", said or "the answer was cut at the token limit"),
        (wrong and (result.api_status or why in PROVIDER), _provider(seen, result), said or "the provider failed"),
        (why in ABORTED, "killed", "it was interrupted from outside in the middle of its work"),
        (wrong and seen.api_error in BY_ERROR, BY_ERROR.get(seen.api_error, "failed"), said or seen.api_error),
        (wrong or result.subtype != "success", "failed", said or f"it reported {result.subtype}"),
        (why not in ("", "completed"), "failed", f"it reported success, but ended with {why!r}"),
        (code < 0 and not left, "killed", f"signal {-code} ended it after its result"),
        (code and not left, "failed", f"it reported success, but exited with code {code}"),
        (denied, "denied", f"it reported success, but was denied {', '.join(denied)}"),
        (left, "completed", "it reported success, did not exit by itself, and was stopped"),
    )
    for true, ending, detail in rows:
        if true:
            return ending, detail
    return "completed", "it ended by itself and reported success"


def _provider(seen: Observed, result: Result) -> Ending:
    """Return the ending for an error of the provider: by its status, else by the agent's word for it."""
    status = result.api_status or 0
    if result.terminal_reason == "prompt_too_long":
        return "rejected"
    if status == TOO_MANY:
        return "rate_limited"
    if status in (UNAUTHORIZED, FORBIDDEN):
        return "not_logged_in"
    if status in (TIMED_OUT, CONFLICT) or status >= SERVER:
        return "unreachable"
    if status:
        return "rejected"
    return BY_ERROR.get(seen.api_error, "unreachable")


def _without_result(seen: Observed, exit_: Exit) -> tuple[Ending, str]:
    said = _last_line(exit_.stderr)
    returned = exit_.returned or 0
    if returned < 0:
        return "killed", f"signal {-returned} ended it before any result"
    for hint, ending in STDERR_HINTS:
        if not seen.session and hint in exit_.stderr.lower():
            return ending, said
    if seen.api_error in BY_ERROR:
        return BY_ERROR[seen.api_error], f"{seen.api_error}, and it exited with code {returned}"
    return "failed", f"it exited with code {returned} without a result{': ' + said if said else ''}"


def _first_line(text: str) -> str:
    return next((line.strip()[:500] for line in text.splitlines() if line.strip()), "")


def _last_line(text: str) -> str:
    return _first_line("\n".join(reversed(text.splitlines())))
