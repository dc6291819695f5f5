"""Circles in what an agent does, and waits that are none: synthetic steps, and every recorded transcript."""

import json
from pathlib import Path
from typing import Any

import pytest

from obra.events import SelfTest, Stuck
from obra.services.agent_runner.adapters.messages import Observed
from obra.services.agent_runner.patterns import patterns

TRANSCRIPTS = sorted((Path(__file__).parents[2] / "transcripts").glob("*.jsonl"))


def call(tool: str, said: str = "ok", *, wrong: bool = False, **wanted: Any) -> tuple[Any, ...]:
    return (tool, wanted, said, wrong)


def bash(command: str, said: str = "ok", *, wrong: bool = False) -> tuple[Any, ...]:
    return call("Bash", said, wrong=wrong, command=command)


def edit(path: str, old: str, new: str) -> tuple[Any, ...]:
    return call("Edit", file_path=path, old_string=old, new_string=new)


def write(path: str, text: str) -> tuple[Any, ...]:
    return call("Write", file_path=path, content=text)


def observed(*steps: Any) -> Observed:
    """Return what is understood of *steps*: calls with their outcomes, or words."""
    seen = Observed()
    seen.take({"type": "system", "subtype": "init", "session_id": "s"})
    for number, step in enumerate(steps):
        content: dict[str, Any] = {"type": "text", "text": step}
        if isinstance(step, tuple):
            content = {"type": "tool_use", "id": f"t{number}", "name": step[0], "input": step[1]}
        seen.take({"type": "assistant", "message": {"id": f"m{number}", "content": [content]}})
        if isinstance(step, tuple):
            result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": step[2], "is_error": step[3]}
            seen.take({"type": "user", "message": {"content": [result]}})
    return seen


def found(*steps: Any) -> tuple[Stuck, ...]:
    return patterns(list(observed(*steps).steps.threads.get("", ())))


CIRCLES: list[tuple[list[Any], Stuck]] = [
    ([bash("cat a.py")] * 4, Stuck(kind="repeated_call", times=4, detail="Bash cat a.py")),
    (
        [bash("pytest -q", f"2 passed in 0.0{n}s") for n in range(5)],
        Stuck(kind="repeated_call", times=5, detail="Bash pytest -q"),
    ),
    ([bash("make", "no rule", wrong=True)] * 3, Stuck(kind="repeated_error", times=3, detail="Bash make")),
    (
        [bash(f"make -j{n}", f"Makefile:{n}: no rule", wrong=True) for n in range(3)],
        Stuck(kind="repeated_error", times=3, detail="Bash make -j0"),
    ),
    (
        [step for n in range(5) for step in (bash("pytest", "1 failed", wrong=True), edit("a.py", str(n), f"{n}x"))],
        Stuck(kind="repeated_error", times=5, detail="Bash pytest"),
    ),
    (
        [bash("cat a.py", "a"), bash("cat b.py", "b")] * 3,
        Stuck(kind="alternation", times=3, detail="Bash cat a.py / Bash cat b.py"),
    ),
    (
        [edit("a.py", "x", "y"), edit("a.py", "y", "x"), edit("a.py", "x", "y")],
        Stuck(kind="edit_revert", times=2, detail="a.py"),
    ),
    (
        [write("a.py", "1"), write("a.py", "2"), write("a.py", "1"), write("a.py", "2")],
        Stuck(kind="edit_revert", times=2, detail="a.py"),
    ),
    (["I will now fix it."] * 3, Stuck(kind="monologue", times=3, detail="I will now fix it.")),
    ([bash("sleep 1; cat log")] * 60, Stuck(kind="repeated_call", times=60, detail="Bash sleep 1; cat log")),
]


@pytest.mark.parametrize(("steps", "expected"), CIRCLES, ids=lambda value: getattr(value, "kind", ""))
def test_a_circle_is_seen(steps: list[Any], expected: Stuck) -> None:
    assert found(*steps) == (expected,)
    assert found("First words.", bash("ls"), *steps, bash("git diff"), "Done.") == (expected,)


NO_CIRCLES: list[list[Any]] = [
    [],
    [bash("cat a.py")] * 3,
    [bash("cat a.py", str(n)) for n in range(9)],
    [bash("make", "no rule", wrong=True)] * 2,
    [bash("make", f"error {chr(97 + n)}", wrong=True) for n in range(9)],
    [step for n in range(4) for step in (bash("pytest", "1 failed", wrong=True), edit("a.py", str(n), f"{n}x"))],
    [bash("pytest", "1 failed", wrong=True)] * 2 + [bash("pytest")] + [bash("pytest", "1 failed", wrong=True)] * 2,
    [bash("cat a.py", "a"), bash("cat b.py", "b")] * 2,
    [step for n in range(5) for step in (bash("cat a.py", str(n)), bash("pytest", f"{n} failed"))],
    [edit("a.py", "x", "y"), edit("a.py", "y", "x")],
    [edit("a.py", "x", "y"), edit("b.py", "y", "x"), edit("a.py", "y", "z")],
    ["I will now fix it.", bash("ls"), "I will now fix it.", bash("ls -l"), "I will now fix it."],
]


@pytest.mark.parametrize("steps", NO_CIRCLES, ids=range(len(NO_CIRCLES)))
def test_work_is_no_circle(steps: list[Any]) -> None:
    assert found(*steps) == ()


WAITS: list[Any] = [
    bash("sleep 30 && tail -n 5 build.log", "still building"),
    bash("gh run view 17 --json status", "in_progress"),
    bash("kubectl get pods", "Pending"),
    bash("docker compose ps", "starting"),
    bash("curl -s http://127.0.0.1:8000/health", "connection refused", wrong=True),
    bash("until pg_isready; do sleep 1; done", "timeout", wrong=True),
    call("BashOutput", "running", bash_id="1"),
]


@pytest.mark.parametrize("step", WAITS, ids=range(len(WAITS)))
def test_to_wait_for_something_is_no_circle(step: Any) -> None:
    assert found(*[step] * 20) == ()
    assert found(*[step, bash("ls", "no dist yet")] * 10) == ()


def test_what_another_agent_does_in_between_hides_nothing() -> None:
    seen = Observed()
    for number in range(8):
        thread = "sub" if number % 2 else None
        use = {"type": "tool_use", "id": f"t{number}", "name": "Read", "input": {"file_path": f"{thread}"}}
        seen.take({"type": "assistant", "parent_tool_use_id": thread, "message": {"id": "m", "content": [use]}})
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "x"}
        seen.take({"type": "user", "parent_tool_use_id": thread, "message": {"content": [result]}})
    assert [patterns(list(steps))[0].times for steps in seen.steps.threads.values()] == [4, 4]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_of_all_recorded_agents_one_went_in_a_circle(transcript: Path) -> None:
    circles = [Stuck(kind="repeated_error", times=5, detail="StructuredOutput")]
    seen = Observed()
    for line in transcript.read_text(errors="replace").splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            seen.take(message)
    found = [stuck for steps in seen.steps.threads.values() for stuck in patterns(list(steps))]
    assert found == (circles if transcript.stem == "json_schema_bad" else [])


def test_odd_calls_are_taken_as_they_come() -> None:
    odd: list[Any] = [call("Edit", file_path=7), call("Write", file_path="a", content=None), call("", x=float("nan"))]
    assert found(*odd) == ()


def test_memory_is_bounded() -> None:
    seen = observed(*[bash(f"pytest {n}", "1 passed") for n in range(2_500)])
    assert len(seen.steps.threads[""]) == 2_000
    assert len(seen.steps.tested) == 20


def test_its_own_runs_of_tests_are_kept() -> None:
    seen = observed(
        bash("python -m pytest -q", "F.\n=== 1 failed, 85 passed in 0.31s ===\n", wrong=True),
        bash("ls tests", "test_a.py"), bash("cargo test", "test result: ok. 3 passed; 0 failed; 0 ignored"),
    )  # fmt: skip
    assert list(seen.steps.tested) == [
        SelfTest(command="python -m pytest -q", failed=True, said="=== 1 failed, 85 passed in 0.31s ==="),
        SelfTest(command="cargo test", failed=False, said="test result: ok. 3 passed; 0 failed; 0 ignored"),
    ]
