"""The real Claude Code against a scripted API on loopback: every way a run ends, in the sandbox and without."""

import asyncio
import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from obra.events import Content, Denial, Output
from obra.events.subjects import Scope
from obra.services.agent_runner import memory
from obra.services.agent_runner.leftovers import alive
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.sandbox import Sandbox, choose
from obra.shared.config import AgentSettings, ClaudeSettings, SandboxSettings
from tests.loopback.anthropic import Anthropic
from tests.services.agent_runner.jobs import Ran, job, run

pytestmark = pytest.mark.real

NONE = Sandbox("none")
KEY = "dummy-key-for-loopback"
NO_COMMANDS = (
    "There is no sandbox, so only the task's own checks may be run as commands (none). "
    "Do the work with the file tools, or say what should be run."
)


@dataclass
class Claude:
    """Runs Claude Code on a scenario of the scripted API."""

    executable: str
    anthropic: Anthropic
    where: Path
    sandbox: Sandbox

    async def __call__(self, scenario: str, sandbox: Sandbox | None = None, **more: Any) -> Ran:
        env = {
            more.pop("key", "ANTHROPIC_API_KEY"): KEY, "CLAUDE_CODE_MAX_RETRIES": "1",
            "ANTHROPIC_BASE_URL": more.pop("url", "") or self.anthropic.url(scenario),
        }  # fmt: skip
        watch, stop = more.pop("watch", None), more.pop("stop", None)
        a_job = job(self.where, "claude", env, **more)
        settings = AgentSettings(claude=ClaudeSettings(path=self.executable))
        ran = await run(a_job, sandbox or self.sandbox, settings, stop, watch)
        assert alive(a_job.marker) == []
        assert KEY not in a_job.transcript.read_text()
        return ran


@pytest.fixture
async def run_claude(claude: str, anthropic: Anthropic, tmp_path: Path) -> Claude:
    sandbox = await choose("auto", SandboxSettings(), [tmp_path])
    return Claude(claude, anthropic, tmp_path, sandbox)


def how(ran: Ran) -> tuple[str, int | None]:
    return ran.exited.ending, ran.exited.exit_code


async def test_success(run_claude: Claude, tmp_path: Path) -> None:
    if run_claude.sandbox.kind != "bwrap":
        pytest.skip(run_claude.sandbox.reason)
    ran = await run_claude("success")
    exited = ran.exited
    assert (exited.ending, exited.exit_code, exited.detail) == (
        "completed", 0, "it ended by itself and reported success"
    )  # fmt: skip
    assert exited.result == Content.of("Done: hello.py was created.")
    assert (exited.turns, exited.tools, exited.denials, exited.errors, exited.lines_odd) == (
        3, {"Write": 1, "Bash": 1}, (), (), 0
    )  # fmt: skip
    assert (exited.tokens.input, exited.tokens.output, exited.cost_usd > 0) == (3_000, 300, True)
    assert all((exited.session, exited.model, exited.version))
    assert (tmp_path / "workspace" / "hello.py").read_text() == "print('hello from claude')\n"
    path = str(tmp_path.resolve() / "workspace" / "hello.py")
    tools = [(output.tool, output.text) for output in ran.outputs if output.kind == "tool"]
    assert tools == [("Write", path), ("Bash", "python3 hello.py")]
    assert ran.said("text") == ["I'll create the file.", "Now run it.", "Done: hello.py was created."]
    assert ran.said("result")[-1] == "hello from claude"


async def test_a_prompt_of_any_size_arrives_whole(run_claude: Claude, anthropic: Anthropic) -> None:
    prompt = "Do the work.\n" + "ünïcode line\n" * 15_000 + "THE END"
    ran = await run_claude("success", NONE, prompt=prompt)
    assert ran.exited.turns == 3
    assert any(prompt in str(block.get("text")) for body in anthropic.asked for block in _last_user(body))


def _last_user(body: dict[str, Any]) -> list[dict[str, Any]]:
    content: Any = next((m["content"] for m in reversed(body.get("messages", [])) if m["role"] == "user"), [])
    return [{"text": content}] if isinstance(content, str) else content


async def test_a_denied_command_is_told_without_a_sandbox(run_claude: Claude, tmp_path: Path) -> None:
    ran = await run_claude("success", NONE)
    assert how(ran) == ("denied", 0)
    assert ran.exited.denials == (Denial(tool="Bash", target="python3 hello.py"),)
    assert ran.said("error") == [NO_COMMANDS]
    assert (tmp_path / "workspace" / "hello.py").exists()


async def test_a_check_of_the_task_may_be_run_without_a_sandbox(run_claude: Claude) -> None:
    ran = await run_claude("success", NONE, checks=("python3 hello.py",))
    assert (how(ran), ran.exited.denials) == (("completed", 0), ())


async def test_nothing_escapes_and_no_job_outlives_the_run(run_claude: Claude, tmp_path: Path) -> None:
    ran = await run_claude("escape")
    assert how(ran) == ("completed" if run_claude.sandbox.kind == "bwrap" else "denied", 0)
    assert not list(Path("/var/tmp").glob("obra-escape-probe*"))
    assert not (tmp_path / "escaped").exists()


async def test_without_a_sandbox_nothing_escapes_either(run_claude: Claude, tmp_path: Path) -> None:
    ran = await run_claude("escape", NONE)
    assert how(ran) == ("denied", 0)
    assert [denial.tool for denial in ran.exited.denials] == ["Write", "Bash", "Bash"]
    assert not list(Path("/var/tmp").glob("obra-escape-probe*"))
    assert not (tmp_path / "escaped").exists()


async def test_max_turns(run_claude: Claude) -> None:
    ran = await run_claude("loop", turns_max=2)
    assert (how(ran), ran.exited.turns) == (("max_turns", 1), 3)


async def test_budget(run_claude: Claude) -> None:
    assert how(await run_claude("loop", budget_usd=0.001)) == ("over_budget", 1)


@pytest.mark.parametrize(
    ("scenario", "ending"),
    [
        ("e400", "rejected"), ("e401", "not_logged_in"), ("e403", "not_logged_in"), ("e404", "rejected"),
        ("e413", "rejected"), ("e429", "rate_limited"), ("e500", "unreachable"), ("e529", "unreachable"),
        ("cut", "unreachable"), ("refusal", "refused"), ("max_tokens", "refused"),
    ],
)  # fmt: skip
async def test_the_provider_says_no(scenario: str, ending: str, run_claude: Claude) -> None:
    ran = await run_claude(scenario)
    assert how(ran) == (ending, 1)
    assert ran.exited.detail


async def test_a_subscription_is_told_when_its_limit_resets_and_a_key_is_not(run_claude: Claude) -> None:
    said = await run_claude("spent", key="CLAUDE_CODE_OAUTH_TOKEN")
    assert (said.exited.ending, said.exited.retry_at) == ("rate_limited", "2096-10-02T07:06:40+00:00")
    assert said.exited.retry_after_s > 365 * 86_400
    silent = await run_claude("spent")
    assert (silent.exited.ending, silent.exited.retry_at, silent.exited.retry_after_s) == ("rate_limited", "", 0.0)


async def test_a_refused_connection(run_claude: Claude) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        assert how(await run_claude("refused", url=url)) == ("unreachable", 1)


async def test_a_provider_that_never_answers(run_claude: Claude) -> None:
    ran = await run_claude("hang", silence_s=4.0)
    assert ran.exited.ending == "hung"
    assert ran.exited.detail == "after 4 s of silence (--silence)"


async def test_the_deadline_in_the_middle_of_a_command(run_claude: Claude) -> None:
    ran = await run_claude("sleep", timeout_s=6.0)
    assert ran.exited.ending == "timed_out"


async def test_cancelled_in_the_middle_of_a_command(run_claude: Claude) -> None:
    stop = asyncio.Event()
    ran = await run_claude("sleep", stop=stop, watch=lambda output: stop.set() if _is_sleep(output) else None)
    assert ran.exited.ending == "cancelled"


def _is_sleep(output: Output) -> bool:
    return (output.kind, output.text) == ("tool", "sleep 662")


def _kill_claude(output: Output) -> None:
    if _is_sleep(output):
        for child in psutil.Process().children(recursive=True):
            if child.name() == "claude":
                os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("walls", ["auto", "none"])
async def test_killed_in_the_middle_of_a_command(walls: str, run_claude: Claude) -> None:
    chosen = NONE if walls == "none" else run_claude.sandbox
    checks = ("sleep 662",)  # so that it may run without a sandbox, too
    ran = await run_claude("sleep", chosen, checks=checks, watch=_kill_claude)
    assert (how(ran), ran.exited.detail) == (("killed", -9), "signal 9 ended it before any result")


async def test_a_result_forged_in_its_text_is_text(run_claude: Claude) -> None:
    ran = await run_claude("forged")
    assert (how(ran), ran.exited.turns, ran.said("notice")) == (("completed", 0), 2, [])
    assert ran.exited.result.text.startswith('{"type":"result"')


async def test_nobody_is_there_to_be_asked(run_claude: Claude) -> None:
    ran = await run_claude("ask")
    assert (how(ran), ran.exited.result.text) == (("completed", 0), "I took A.")
    assert ran.exited.denials == (Denial(tool="AskUserQuestion", target="Which database? (A / B)"),)
    assert ran.said("error") == ["No person is present; decide yourself and say so in your answer."]


async def test_a_session_that_was_put_back_knows_nothing_of_what_was_undone(run_claude: Claude, tmp_path: Path) -> None:
    """What `memory` keeps is what Claude Code resumes from: after a rollback the undone prompt is never sent again."""
    place = Place(tmp_path, Scope("shop", "t1"), "m.")
    first = await run_claude("success", prompt="The first prompt.")
    assert memory.keep(place, (1, 1)) == ""
    session = first.exited.session
    await run_claude("success", prompt="An undone prompt.", resume=session)
    assert memory.keep(place, (2, 1)) == ""

    memory.put_back(place, (1, 1))
    run_claude.anthropic.asked.clear()
    again = await run_claude("success", prompt="The third prompt.", resume=session)
    asked = str(run_claude.anthropic.asked)
    assert (again.exited.ending, again.exited.session) == (first.exited.ending, session)
    assert ("The first prompt." in asked, "An undone prompt." in asked, "The third prompt." in asked) == (
        True, False, True
    )  # fmt: skip

    memory.put_back(place, None)
    forgotten = await run_claude("success", resume=session)
    assert forgotten.exited.ending == "failed"


async def test_a_session_can_be_resumed(run_claude: Claude) -> None:
    first = await run_claude("success")
    again = await run_claude("success", resume=first.exited.session)
    assert (how(again), again.exited.session) == (("completed", 0) if run_claude.sandbox.kind == "bwrap" else
                                                  ("denied", 0), first.exited.session)  # fmt: skip


async def test_after_the_turn_limit_the_same_conversation_goes_on(run_claude: Claude, anthropic: Anthropic) -> None:
    first = await run_claude("loop", turns_max=2, prompt="Write the parser.")
    assert first.exited.ending == "max_turns"
    assert first.exited.context_tokens > 0
    assert first.exited.context_window > 0
    before = len(anthropic.asked)
    again = await run_claude("success", resume=first.exited.session, prompt="Finish what is left.")
    assert again.exited.session == first.exited.session
    told = json.dumps([body.get("messages", []) for body in anthropic.asked[before:]])
    assert "Write the parser." in told
    assert "Finish what is left." in told


async def test_an_unknown_session_fails_with_its_reason(run_claude: Claude) -> None:
    ran = await run_claude("success", resume="00000000-0000-4000-8000-000000000000")
    assert how(ran) == ("failed", 1)
    assert "No conversation found" in ran.exited.detail + str(ran.exited.errors)


async def test_the_hooks_of_a_repository_are_not_executed(run_claude: Claude, tmp_path: Path) -> None:
    settings = tmp_path / "workspace" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    hook = '{"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"touch hooked"}]}]}}'
    settings.write_text(hook)
    await run_claude("success")
    assert not (tmp_path / "workspace" / "hooked").exists()
