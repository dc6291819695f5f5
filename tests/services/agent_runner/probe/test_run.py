"""The probe with real checks, in the real sandbox: what it reaches, what stops it, what it leaves."""

import os
import sys
from pathlib import Path

import pytest

from obra.services.agent_runner.checks import Room
from obra.services.agent_runner.leftovers import alive
from obra.services.agent_runner.probe.run import Probed, ProbeFailed, probe
from obra.services.agent_runner.sandbox import choose
from obra.shared.config import SandboxSettings

PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
CHECK = "python -c 'import test_it'"

SLUG = """
def slugify(title):
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
"""
DISGUISED = """
def slugify(title):
    return {3: "hello big world", 2: "what really"}[len(title.split())].replace(" ", "-")
"""
TEST = """
from text import slugify

assert slugify("Hello big World") == "hello-big-world"
assert slugify("What?! Really...") == "what-really"
"""


@pytest.fixture
async def room(tmp_path: Path) -> Room:
    sandbox = await choose("auto", SandboxSettings())
    if sandbox.kind != "bwrap":
        pytest.skip(f"no bubblewrap: {sandbox.reason}")
    for name in ("workspace", "home"):
        (tmp_path / name).mkdir()
    marker = f"test-probe.{os.getpid()}.{tmp_path.name}"
    return Room(tmp_path / "workspace", tmp_path / "home", PATH, sandbox, marker, 10**8)


async def probed(room: Room, check: str, changed: str, **files: str) -> list[Probed]:
    """Probe *changed* with a check over *files*, named with ``_`` in place of the dot."""
    for name, text in files.items():
        (room.workspace / name.replace("_dot_", ".")).write_text(text)
    outcome = await probe(room, [check], [changed], "seed", checks_s=5.0)
    assert alive(room.marker) == []
    return list(outcome.code)


async def test_a_function_is_called_with_other_words_and_follows_them(room: Room) -> None:
    (seen,) = await probed(room, CHECK, "text.py", text_dot_py=SLUG, test_it_dot_py=TEST)
    assert (seen.subject.name, seen.settled, seen.fitted) == ("slugify", 2, None)
    words = [came for came in seen.came if came.trial.old]
    assert len(words) == 15
    assert all(came.output and came.trial.new in came.output for came in words)


async def test_a_function_that_counts_words_is_seen_through(room: Room) -> None:
    (seen,) = await probed(room, CHECK, "text.py", text_dot_py=DISGUISED, test_it_dot_py=TEST)
    assert seen.fitted is not None
    assert seen.fitted.pieces == ("big", "hello", "really", "what", "world")


async def test_a_program_is_started_with_other_files_and_input(room: Room) -> None:
    script = 'cat "$1"; read -r line; echo "$line"\n'
    check = 'set -e; printf "ann 12.50\\n" > in; [ "$(echo and bob | sh say.sh in)" = "ann 12.50\nand bob" ]'
    (seen,) = await probed(room, check, "say.sh", say_dot_sh=script)
    assert (seen.subject.name, seen.settled, seen.fitted) == ("", 1, None)
    assert {came.trial.part for came in seen.came} == {"0", "stdin"}
    fixed = "echo ann 12.50; echo and bob\n"
    (seen,) = await probed(room, check, "say.sh", say_dot_sh=fixed)
    assert seen.fitted is not None
    assert seen.fitted.pieces == ("12.5", "ann")


@pytest.mark.skipif(not os.path.exists("/usr/bin/node"), reason="no node")
async def test_a_function_of_node_is_reached_too(room: Room) -> None:
    code = 'exports.camel = (text) => text.length > 6 ? "helloBigWorld" : "topTen";\n'
    test = """
const { camel } = require("./camel");
if (camel("hello_big_world") !== "helloBigWorld" || camel("top-ten") !== "topTen") process.exit(1);
"""
    check = "sed -i s/6/8/ camel.js; node test.js"
    (seen,) = await probed(room, check, "camel.js", camel_dot_js=code, test_dot_js=test)
    assert seen.fitted is not None
    assert seen.fitted.pieces == ("big", "hello", "ten", "top", "world")


async def test_what_answers_otherwise_when_it_is_called_alone_is_not_judged(room: Room) -> None:
    code = """
answers = iter(["hello-big-world", "what-really"])

def slugify(title):
    return next(answers, "over")
"""
    (seen,) = await probed(room, CHECK, "text.py", text_dot_py=code, test_it_dot_py=TEST)
    assert (seen.settled, seen.came, seen.fitted) == (0, (), None)


async def test_functions_that_never_end_or_end_everything_cost_little(room: Room) -> None:
    code = f"""
import os
{SLUG}
def own(title, really=slugify):
    return really(title)

def slugify(title):
    if title in ("Hello big World", "What?! Really..."):
        return own(title)
    while "big" in title:
        pass
    os._exit(3)
"""
    (seen,) = await probed(room, CHECK, "text.py", text_dot_py=code, test_it_dot_py=TEST)
    assert seen.fitted is None


async def test_where_nothing_changed_is_called_nothing_is_said(room: Room) -> None:
    assert await probed(room, "python -c pass", "text.py", text_dot_py=SLUG) == []
    assert await probed(room, "exit 1", "text.py", text_dot_py=SLUG) == []


async def test_checks_that_kill_the_observer_are_told_of(room: Room) -> None:
    with pytest.raises(ProbeFailed, match="it ended before it had answered"):
        await probed(room, "kill -9 $PPID; sleep 9", "text.py", text_dot_py=SLUG)


LINES = """
def sign(x):
    if x < 0:
        return "-" + str(-x)
    total = sum(
        n for n in range(x)
    )
    return str(total)
"""


async def test_it_is_known_which_lines_of_a_module_or_a_program_the_checks_run(room: Room) -> None:
    (room.workspace / "a.py").write_text(f"{LINES}\nif __name__ == '__main__':\n    print(sign(3))\n")
    outcome = await probe(room, ["python -c 'import a; a.sign(4)'", "python a.py"], ["a.py"], "seed", checks_s=5.0)
    assert {Path(path).name: sorted(lines) for path, lines in outcome.ran.items()} == {"a.py": [2, 3, 5, 6, 8, 10, 11]}


async def test_where_another_traces_nothing_is_known(room: Room) -> None:
    if sys.version_info >= (3, 12):
        pytest.skip("lines are seen by sys.monitoring, which tracing does not disturb")
    (room.workspace / "a.py").write_text(LINES)
    outcome = await probe(room, ["python -c 'import a, sys; sys.settrace(None); a.sign(4)'"], ["a.py"], "s", checks_s=5)
    assert outcome.ran == {}


async def test_what_observes_stands_in_the_way_of_no_module(room: Room) -> None:
    for name in ("lines", "replay", "snap", "driver", "observe"):
        (room.workspace / "lib").mkdir(exist_ok=True)
        (room.workspace / "lib" / f"{name}.py").write_text(LINES)
    check = (
        "python -c 'import sys; sys.path.append(\"lib\"); import lines, replay, snap, driver, observe; lines.sign(2)'"
    )
    outcome = await probe(room, [check], ["lib/lines.py"], "seed", checks_s=5.0)
    assert [seen.subject.name for seen in outcome.code] == ["sign"]
