"""How a run ended, for every recorded run of the real Claude Code 2.1.330 and for what Obra itself does."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from obra.events import Denial, Ending, Tokens
from obra.services.agent_runner.adapters.classify import LOGIN, Exit, Stopped, classify
from obra.services.agent_runner.adapters.messages import Observed
from obra.services.agent_runner.adapters.reader import LineSplitter, read

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
DONE = "it ended by itself and reported success"
NOTHING = "it exited with code {} without a result"
BASH = (Denial(tool="Bash", target="python3 hello.py"),)
TOUCH = (Denial(tool="Bash", target="touch made_by_bash.txt"),)
BOTH = (Denial(tool="Write", target="/workspace/hello.py"), *BASH)
LIMITED = (
    "API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later."
)
GATEWAY = "If it persists, check your inference gateway (127.0.0.1:8801)."
OVERLOADED = (
    "API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary. "
    f"Try again in a moment. {GATEWAY}"
)

NO_MODEL = (
    "There's an issue with the selected model (claude-opus-5-5). It may not exist or you may not have "
    "access to it. Run --model to pick a different model."
)
TOO_LONG = (
    "Prompt is too long · the request is ~250000 tokens (limit 200000) but this conversation is only "
    "~2646 tokens — the rest is system prompt, tool definitions, and attachment content. A single-"
    "exchange conversation cannot be compacted; reduce attached files/tools or start with less context."
)
SLOW = (
    "Request timed out. If the API is slow to answer, or a proxy or gateway holds responses, set "
    "API_TIMEOUT_MS above 5000."
)
BROKEN = (
    "API Error: 500 Internal server error. This is a server-side issue, usually temporary — "
    f"try again in a moment. {GATEWAY}"
)


@dataclass(frozen=True)
class Case:
    """A transcript, the exit code it came with, and all that must be read from it."""

    name: str
    returned: int
    ending: Ending
    detail: str
    turns: int = 0
    tokens: tuple[int, int] = (0, 0)
    cost_usd: float = 0.0
    denials: tuple[Denial, ...] = ()


CASES = [
    Case("api_400_credit", 1, "rejected", "Credit balance is too low", 1),
    Case("api_401_default_full", 1, "not_logged_in", f"Invalid API key · Fix external API key{LOGIN}", 1),
    Case("api_401_retries2", 1, "not_logged_in", f"Invalid API key · Fix external API key{LOGIN}", 1),
    Case("api_404_model", 1, "rejected", NO_MODEL, 1),
    Case("api_413_toolong", 1, "rejected", TOO_LONG, 1),
    Case("api_429_once_then_ok", 0, "completed", DONE, 3, (38427, 131), 0.156328),
    Case("api_429_retry_after_2", 1, "rate_limited", LIMITED, 1),
    Case("api_429_retry_after_3600", 1, "rate_limited", LIMITED, 1),
    Case("api_500", 1, "unreachable", BROKEN, 1),
    Case("api_529", 1, "unreachable", OVERLOADED, 1),
    Case("api_529_once_then_ok", 0, "completed", DONE, 3, (38427, 131), 0.156328),
    Case("api_sse_error", 1, "unreachable", OVERLOADED, 1),
    Case("ask_user", 0, "completed", DONE, 2, (25505, 74), 0.1035),
    Case("bad_flag", 1, "failed", NOTHING.format(1)),
    Case(
        "bash_child_sigint",
        0,
        "killed",
        "it was interrupted from outside in the middle of its work",
        3,
        (12688, 43),
        0.051612,
    ),
    Case("bash_child_sigterm", -15, "killed", "signal 15 ended it before any result", 1, (12689, 1)),
    Case("bash_detached_job", 0, "completed", DONE, 2, (25467, 63), 0.103128),
    Case("bash_timeout_nobg", 0, "completed", DONE, 2, (24776, 51), 0.100124),
    Case("budget_exceeded", 1, "over_budget", "it reached its cost limit", 2, (25506, 86), 0.103744),
    Case("budget_tiny", 1, "over_budget", "it reached its cost limit", 1, (12695, 59), 0.05196),
    Case("bwrap_success", 0, "completed", DONE, 3, (37919, 126), 0.154196),
    Case("continue", 0, "completed", DONE, 1, (13373, 17), 0.053832),
    Case("disallowed_bash", 0, "completed", DONE, 3, (38056, 130), 0.154824),
    Case(
        "disallowed_bash_pattern",
        0,
        "denied",
        "it reported success, but was denied Bash",
        3,
        (38450, 132),
        0.15644,
        BASH,
    ),
    Case("empty_prompt", 1, "failed", NOTHING.format(1)),
    Case("error_max_turns_1", 1, "max_turns", "it used up its turns", 2, (12688, 60), 0.051952),
    Case("hang_api_timeout_5s", 1, "unreachable", SLOW, 1),
    Case("hang_sigint", 0, "failed", NOTHING.format(0)),
    Case("hang_sigterm", -15, "killed", "signal 15 ended it before any result"),
    Case("hook_deny_json", 0, "denied", "it reported success, but was denied Bash", 3, (38553, 129), 0.156792, BASH),
    Case("hooks_settings", 0, "completed", DONE, 3, (38408, 129), 0.156212),
    Case("input_stream_json", 0, "completed", DONE, 3, (38419, 130), 0.156276),
    Case("json_schema", 0, "completed", DONE, 2, (12791, 33), 0.051824),
    Case(
        "json_schema_bad",
        1,
        "failed",
        "it could not produce the structured output asked for",
        6,
        (65121, 145),
        0.263384,
    ),
    Case("json_schema_json", 0, "failed", NOTHING.format(0)),
    Case(
        "midhang_sigint",
        0,
        "killed",
        "it was interrupted from outside in the middle of its work",
        2,
        (12686, 2),
        0.050784,
    ),
    Case("output_json", 0, "failed", NOTHING.format(0)),
    Case("output_json_error", 1, "failed", NOTHING.format(1)),
    Case("partial_messages", 0, "completed", DONE, 3, (38414, 130), 0.156256),
    Case(
        "perm_acceptEdits_nobash",
        0,
        "denied",
        "it reported success, but was denied Bash",
        3,
        (38447, 132),
        0.156428,
        BASH,
    ),
    Case("perm_auto", 0, "denied", "it reported success, but was denied Bash", 3, (39725, 128), 0.16146, BASH),
    Case("perm_bypass_root_refused", 1, "failed", NOTHING.format(1)),
    Case(
        "perm_default_denied",
        0,
        "denied",
        "it reported success, but was denied Bash, Write",
        3,
        (38423, 131),
        0.156312,
        BOTH,
    ),
    Case(
        "perm_dontAsk", 0, "denied", "it reported success, but was denied Bash, Write", 3, (38883, 129), 0.158112, BOTH
    ),
    Case(
        "perm_manual", 0, "denied", "it reported success, but was denied Bash, Write", 3, (38397, 129), 0.156168, BOTH
    ),
    Case(
        "project_settings_default",
        0,
        "denied",
        "it reported success, but was denied Bash",
        2,
        (26079, 55),
        0.105416,
        TOUCH,
    ),
    Case(
        "project_settings_sources_empty",
        0,
        "denied",
        "it reported success, but was denied Bash",
        2,
        (25567, 55),
        0.103368,
        TOUCH,
    ),
    Case("real_qwen05b_cli", 0, "completed", DONE, 1, (599, 54), 0.003477),
    Case(
        "sdk_control.stdout", 0, "denied", "it reported success, but was denied Bash", 3, (36019, 127), 0.146616, BASH
    ),
    Case("session_fork", 0, "completed", DONE, 1, (13338, 17), 0.053692),
    Case("session_id", 0, "completed", DONE, 3, (38395, 128), 0.15614),
    Case("session_id_reused", 1, "failed", NOTHING.format(1)),
    Case("session_resume", 0, "completed", DONE, 3, (39209, 128), 0.159396),
    Case("session_resume_other_cwd", 0, "completed", DONE, 1, (13263, 17), 0.053392),
    Case("skip_permissions_root_IS_SANDBOX", 0, "completed", DONE, 3, (38607, 134), 0.157108),
    Case("skip_permissions_root_refused", 1, "failed", NOTHING.format(1)),
    Case("stream_without_verbose", 1, "failed", NOTHING.format(1)),
    Case("success", 0, "completed", DONE, 3, (38385, 128), 0.1561),
    Case(
        "tool_errors",
        0,
        "denied",
        "it reported success, but was denied Read",
        4,
        (51267, 103),
        0.207128,
        (Denial(tool="Read", target="/nonexistent/file.txt"),),
    ),
    Case(
        "webfetch_denied",
        0,
        "denied",
        "it reported success, but was denied WebFetch",
        2,
        (25465, 44),
        0.10274,
        (Denial(tool="WebFetch", target="http://example.invalid/"),),
    ),
]


def heard(data: bytes) -> Observed:
    seen, splitter = Observed(), LineSplitter()
    for line in [*splitter.feed(data), *splitter.finish()]:
        if (message := read(line).message) is not None:
            seen.take(message)
    return seen


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_recorded_run_is_understood(case: Case) -> None:
    seen = heard((TRANSCRIPTS / f"{case.name}.jsonl").read_bytes())
    ending, detail = classify(seen, Exit(case.returned))
    spent = seen.spent()
    turns = seen.result.turns if seen.result else seen.turns
    denials = tuple(seen.denials.values())
    found = Case(
        case.name, case.returned, ending, detail, turns, (spent.input, spent.output), round(seen.cost_usd, 6), denials
    )
    assert found == case


def test_no_transcript_is_forgotten() -> None:
    assert {case.name for case in CASES} == {path.stem for path in TRANSCRIPTS.glob("*.jsonl")}


INIT = b'{"type":"system","subtype":"init","session_id":"s1"}\n'
RESULT = (
    b'{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","session_id":"s1",'
    b'"result":"done","permission_denials":[]}\n'
)
ERROR = RESULT.replace(b'"is_error":false', b'"is_error":true').replace(b'"done"', b'"it broke"')


@pytest.mark.parametrize(
    ("data", "returned", "expected"),
    [
        (INIT + RESULT, 0, ("completed", DONE)),
        (INIT + RESULT, 1, ("failed", "it reported success, but exited with code 1")),
        (INIT + RESULT, -9, ("killed", "signal 9 ended it after its result")),
        (INIT, -9, ("killed", "signal 9 ended it before any result")),
        (INIT, 0, ("failed", NOTHING.format(0))),
        (RESULT, 0, ("failed", NOTHING.format(0))),
        (RESULT + INIT, 0, ("failed", NOTHING.format(0))),
        (INIT + RESULT.replace(b'"s1"', b'"s2"'), 0, ("failed", NOTHING.format(0))),
        (INIT.replace(b"s1", b"s0") + INIT + RESULT, 0, ("failed", NOTHING.format(0))),
        ((INIT + RESULT).replace(b"s1", b"--dangerously-skip-permissions"), 0, ("failed", NOTHING.format(0))),
        (INIT + RESULT + ERROR, 1, ("failed", "it broke")),
        (INIT + ERROR + RESULT, 0, ("completed", DONE)),
        (INIT + RESULT.replace(b'"is_error":false,', b""), 0, ("failed", "done")),
        (INIT + RESULT.replace(b'"success"', b"7"), 0, ("failed", NOTHING.format(0))),
        (INIT + RESULT.replace(b"completed", b"stop_hook_prevented"), 0,
         ("failed", "it reported success, but ended with 'stop_hook_prevented'")),
        (INIT + RESULT.replace(b"[]", b'[{"tool_name":"AskUserQuestion","tool_use_id":"t"}]'), 0, ("completed", DONE)),
        (INIT + RESULT.replace(b"[]", b'[{"tool_name":"Edit","tool_use_id":"t"}]'), 0,
         ("denied", "it reported success, but was denied Edit")),
    ],
)  # fmt: skip
def test_a_result_counts_only_if_it_is_one(data: bytes, returned: int, expected: tuple[str, str]) -> None:
    assert classify(heard(data), Exit(returned)) == expected


def test_a_result_inside_the_agents_text_is_text() -> None:
    said = RESULT.decode().strip().replace('"', '\\"')
    text = f'{{"type":"assistant","message":{{"id":"m","content":[{{"type":"text","text":"{said}"}}]}}}}\n'
    assert classify(heard(INIT + text.encode()), Exit(0)) == ("failed", NOTHING.format(0))


@pytest.mark.parametrize(
    ("stopped", "limit", "expected"),
    [
        ("cancelled", "", ("cancelled", "it was stopped because it was cancelled")),
        ("timed_out", "9 s", ("timed_out", "after 9 s (--timeout)")),
        ("hung", "9 s", ("hung", "after 9 s of silence (--silence)")),
        ("lingering", "", ("completed", "it reported success, did not exit by itself, and was stopped")),
    ],
)
def test_what_obra_did_itself_comes_first(stopped: Stopped, limit: str, expected: tuple[str, str]) -> None:
    assert classify(heard(INIT + RESULT), Exit(-9, stopped, limit=limit)) == expected


@pytest.mark.parametrize(
    ("exit_", "expected"),
    [
        (Exit(None, problem="claude: No such file"), ("unavailable", "claude: No such file")),
        (Exit(1, stderr="bwrap: No permissions\n"), ("unavailable", "bwrap: No permissions")),
        (Exit(1, stderr="Not logged in\nPlease run /login\n"), ("not_logged_in", f"Please run /login{LOGIN}")),
        (Exit(1, stderr="error: unknown option\n"), ("failed", f"{NOTHING.format(1)}: error: unknown option")),
    ],
)
def test_what_never_spoke_is_judged_by_its_end(exit_: Exit, expected: tuple[str, str]) -> None:
    assert classify(Observed(), exit_) == expected


@pytest.mark.parametrize(
    ("status", "error", "ending"),
    [
        (408, "", "unreachable"), (422, "", "rejected"), (402, "billing_error", "rejected"), (503, "", "unreachable"),
        (0, "rate_limit", "rate_limited"), (0, "unknown", "unreachable"), (0, "max_output_tokens", "refused"),
    ],
)  # fmt: skip
def test_an_error_of_the_provider_is_known_by_status_or_name(status: int, error: str, ending: str) -> None:
    told = f'{{"type":"assistant","error":"{error}","message":{{"id":"m","content":[]}}}}\n'.encode()
    result = ERROR.replace(b'"is_error"', f'"api_error_status":{status or "null"},"is_error"'.encode())
    assert classify(heard(INIT + told + result), Exit(1)) == (ending, "it broke")


def test_spending_is_added_up_over_several_results() -> None:
    usage = (
        b'"model_usage_since_last_result":{"a":{"inputTokens":5,"outputTokens":2,"cacheReadInputTokens":1,'
        b'"cacheCreationInputTokens":3,"costUSD":0.25},"b":{"inputTokens":1,"costUSD":0.5}},"is_error"'
    )
    seen = heard(INIT + RESULT.replace(b'"is_error"', usage) * 2)
    assert (seen.spent(), seen.cost_usd) == (Tokens(input=12, output=4, cache_read=2, cache_write=6), 1.5)


def test_values_of_a_wrong_kind_count_as_absent() -> None:
    odd = (
        b'{"type":"assistant","message":7}\n{"type":"assistant","message":{"content":{"a":1},"usage":[]}}\n'
        b'{"type":"user","message":{"content":[null,{"type":"tool_result","content":[{"text":5}]}]}}\n'
        b'{"type":7}\n{"type":"rate_limit_event","rate_limit_info":[]}\n'
        b'{"type":"result","subtype":"success","is_error":false,"session_id":"s1","usage":{"input_tokens":-5,'
        b'"output_tokens":1e99},"total_cost_usd":"much","permission_denials":[3],"errors":{},"num_turns":true}\n'
    )
    seen = heard(INIT + odd)
    assert (seen.spent(), seen.cost_usd, seen.result is not None and seen.result.turns) == (Tokens(), 0.0, 0)


def test_a_rejected_limit_says_when_it_resets() -> None:
    event = b'{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1800000000}}\n'
    assert heard(INIT + event).retry_at == "2027-01-15T08:00:00+00:00"
