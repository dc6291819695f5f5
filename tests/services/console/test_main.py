"""The command line itself: light, helpful, honest about failures."""

import importlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from obra.services.console import main as console
from obra.shared.errors import BadUsage, EnvironmentLacks

HEAVY = {"nats", "duckdb", "pydantic", "rich", "ollama", "structlog", "msgspec", "asyncio", "psutil", "tiktoken"}


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    said = python(
        "import sys, json\n"
        "from obra.services.console.main import run\n"
        "code = run(['--help'])\n"
        "print('\\n' + json.dumps([code, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    code, modules = json.loads(said.splitlines()[-1])
    assert code == 0
    assert set(modules) & HEAVY == set()


def test_importing_obra_imports_nothing_heavy_and_still_offers_the_api() -> None:
    said = python(
        "import sys, json, obra\n"
        "before = sorted({name.split('.')[0] for name in sys.modules})\n"
        "print(json.dumps([before, obra.Orchestrator.__module__]))"
    )
    modules, where = json.loads(said)
    assert set(modules) & HEAVY == set()
    assert where == "obra.shared.client"


@pytest.mark.parametrize("name", console.COMMANDS)
def test_the_table_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    module, attribute = console.COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(f"obra.services.console.commands.{module}"), attribute)
    assert isinstance(command, click.Command)
    assert (command.name, command.get_short_help_str(200)) == (name, console.COMMANDS[name][1])


def test_every_option_of_every_command_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for name in console.COMMANDS:
        assert console.run([name, "--help"]) == 0
        command = console.cli.get_command(click.Context(console.cli), name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.name}"
    capsys.readouterr()


def test_an_unknown_command_is_answered_with_what_comes_close(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["evnts"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "obra: there is no command 'evnts'; did you mean `obra events`?"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run([]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "Usage: obra [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full", 4, "obra: the disk is full: free some"),
        (">/dev/full 2>/dev/full", 4, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_is_survived(streams: str, code: int, said: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m obra.services.console --version {streams}'],
        capture_output=True, text=True, timeout=30, check=False, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stderr[: len(said)], bool(done.stderr)) == (code, said, bool(said))


@pytest.mark.parametrize(
    ("encoding", "said"), [("ascii", b"There is no task '??'"), ("utf-8", b"There is no task '\xc3\xa9\xff'")]
)
def test_what_a_terminal_can_not_show_is_no_error(encoding: str, said: bytes, tmp_path: Path) -> None:
    script = "import sys; from obra.services.console import main as m; m._never_unprintable(); print(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, b"There is no task '\xc3\xa9\xff'"], capture_output=True, timeout=30,
        check=False, env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == (said, 0), done.stderr


def test_a_wrong_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["run", "x", "--nonsense"]) == 2
    assert (
        capsys.readouterr().err
        == "obra: No such option '--nonsense'. Did you mean '--silence'?\n  `obra run --help` shows how it is used\n"
    )


def test_an_unknown_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    (tmp_path / "obra.toml").write_text("[llm]\nmodle = 'x'\n")
    assert console.run(["status"]) == 2
    assert capsys.readouterr().err == f"obra: {tmp_path}/obra.toml: unknown key 'llm.modle'\n"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OBRA_STORE__QUERY_MEMORY", "much", r"'store.query_memory': String should match pattern "
         r"'^\d+(\.\d+)? ?([KMGT]i?)?B$'"),
        ("OBRA_NOTIFY__COMMAND", "say", "'notify.command': Input should be a list, as JSON"),
        ("OBRA_AGENT__ENV", "A=1", "'agent.env': Input should be a table, as JSON"),
        ("OBRA_LLM", "none", "'llm': Input should be a table, as JSON"),
        ("OBRA_LOG__LEVEL", "loud", "'log.level': Input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_in_the_words_of_settings(
    variable: str, value: str, said: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    assert console.run(["status"]) == 2
    assert capsys.readouterr().err == f"obra: {variable}: {said}\n"


def test_a_home_whose_name_is_no_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBRA_HOME", "/nowhere/\udcff")
    assert console.run(["status"]) == 2
    assert capsys.readouterr().err == r"obra: OBRA_HOME: '/nowhere/\udcff' is not UTF-8; name another directory" "\n"


@pytest.mark.parametrize(
    "command", [["status"], ["events"], ["sql", "SELECT 1"], ["run", "--resume", "x"], ["demo"], ["service", "scorer"]]
)
def test_a_home_that_can_not_be_made_is_a_lack_of_the_environment(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OBRA_HOME", str(tmp_path / "file" / "home"))
    assert console.run(command) == 4
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"obra: Nothing can be kept in {tmp_path}/file/home: Not a directory. "
        "Set OBRA_HOME to a directory that you can write to."
    )


def test_the_doctor_names_a_home_that_can_not_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OBRA_HOME", str(tmp_path / "file"))
    assert console.run(["doctor", "--json"]) == 4
    [home] = [found for found in json.loads(capsys.readouterr().out)["findings"] if found["name"] == "home"]
    assert (home["state"], home["detail"]) == ("missing", f"{tmp_path}/file can't be written: Not a directory")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadUsage(problem="that can't be"), 2, "obra: that can't be\n"),
        (EnvironmentLacks(problem="git is missing"), 4, "obra: git is missing\n"),
        (ExceptionGroup("two", [EnvironmentLacks(problem="git is missing")]), 4, "obra: git is missing\n"),
        (
            KeyError("x"), 4,
            "obra: unexpected KeyError: 'x'; OBRA_LOG__LEVEL=debug shows where it came from\n",
        ),
    ],
)  # fmt: skip
def test_errors_are_one_sentence_and_an_exit_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console._failed(error) == code
    assert capsys.readouterr().err == said


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OBRA_LOG__LEVEL", "debug")
    assert console._failed(BadUsage(problem="no")) == 2
    assert "obra.shared.errors.BadUsage: no" in capsys.readouterr().err


def test_ctrl_c_before_the_command_is_loaded_ends_it_without_a_traceback() -> None:
    code = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
from obra.services.console.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False, env={})
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
