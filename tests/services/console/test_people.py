"""What waits, and what people say to it: real processes, a real server, a scripted agent."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from obra.shared.embedded import notice
from obra.shared.home import Home
from tests import processes
from tests.loopback.ollama import MODEL, Says, Scripted, ScriptedOllama
from tests.services.console.person import Person, arrived

pytestmark = pytest.mark.bus


class Understanding(ScriptedOllama):
    """A model that has nothing to say about work, and replies to plain words in turn."""

    def next_reply(self, question: dict[str, Any]) -> Scripted:
        if "intent" not in json.dumps(question.get("format", "")):
            return Says("{}")
        return super().next_reply(question)


WRITE: list[dict[str, Any]] = [{"write": {"path": "b.txt", "text": "b\n"}}, {"say": "Done."}]
ASK: list[dict[str, Any]] = [{"ask": "Which letter?"}]
CHECK = ("--check", "test -f b.txt", "--llm", "none")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return arrived(tmp_path)


def test_a_question_waits_in_the_inbox_and_its_answer_reaches_the_agent(person: Person) -> None:
    person.obra("run", "add b", "--agent", person.script(ASK, WRITE), *CHECK, "--task-id", "t1", code=3)
    (item,) = person.json("inbox")["waiting"]
    assert (item["task"], item["kind"], item["question"]) == ("t1", "question", "Which letter?")
    assert "obra answer t1 'TEXT'" in person.obra("inbox").stdout
    done = person.json("answer", item["id"][:8], "The letter b.")
    assert (done["status"], done["attempts"]) == ("completed", 2)
    assert "this holds as the task does: The letter b." in person.obra("prompt", "show", "t1").stdout
    late = person.obra("answer", item["id"][:8], "too late", code=2).stderr
    assert late.startswith(f"obra: {item['id'][:8]!r} is already resolved: it was answered by ")
    assert person.json("inbox") == {"waiting": []}


def test_what_waits_survives_a_kill_of_everything_and_tells_whoever_listens(person: Person) -> None:
    told = person.root / "told.json"
    script = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
    command = json.dumps([sys.executable, "-I", "-c", script, str(told)])
    with person.start("up") as up:
        assert up.stdout
        assert up.stdout.readline().startswith("Obra runs on ")
        person.obra("run", "add b", "--agent", person.script(WRITE), "--llm", "none", "--task-id", "t1", code=3)
        board = notice.read(Home(person.home))
        assert board
        os.kill(board.host_pid, signal.SIGKILL)
        up.wait()
    assert [item["task"] for item in person.json("inbox")["waiting"]] == ["t1"]
    assert not told.exists()
    (person.home / "obra.toml").write_text(f"[notify]\ncommand = {command}\n")
    assert person.json("approve", "t1")["status"] == "completed"
    person.obra("run", "add c", "--agent", person.script(WRITE), "--llm", "none", "--task-id", "t2", code=3)
    assert [json.loads(line)["task"] for line in told.read_text().splitlines()] == ["t2"]
    assert processes.left(person.home) == []


def test_plain_words_are_understood_agreed_to_and_done(person: Person) -> None:
    def means(intent: str, words: str, text: str = "") -> Says:
        return Says(json.dumps({"words": words, "intent": intent, "text": text}))

    replies = [means("approve", "ship it"), means("approve", "ship it"), means("retry", "once more", "with a c")]
    with Understanding(replies=replies) as server:
        mine = replace(person, llm=server.url)
        agent = ("--agent", mine.script(WRITE), "--llm")
        with mine.up():
            mine.obra("run", "add b", *agent, f"ollama/{MODEL}", "--task-id", "t1", code=3)
            assert "were not said" in mine.obra("say", "t1", "do it again", "--yes", code=2).stderr
            told = mine.json("say", "t1", "ship it", code=3)
            assert (told["intent"], told["words"], told["done"]) == ("approve", "ship it", False)
            again = mine.json("say", "t1", "once more, please", "--yes", code=3)
            assert (again["status"], again["attempts"]) == ("waiting", 2)
            assert "with a c" in mine.obra("prompt", "show", "t1").stdout
            mine.obra("run", "add b", *agent, "none", "--task-id", "t2", code=3)
            assert "need nobody who understands" in mine.obra("say", "t2", "ship it", "--yes", code=2).stderr


def test_a_task_is_taken_over_with_its_work_as_a_branch_or_decided_otherwise(person: Person) -> None:
    agent = person.script(WRITE)
    person.obra("run", "add b", "--agent", agent, "--llm", "none", "--task-id", "t1", code=3)
    taken = person.json("take-over", "t1")
    assert (taken["branch"], taken["problem"]) == ("obra/t1-wip", "")
    assert person.git("show", "--format=", "--name-only", "obra/t1-wip") == "b.txt\n"
    assert (Path(taken["path"]) / "b.txt").read_text() == "b\n"
    assert "is already resolved: it was taken over by" in person.obra("approve", "t1", code=2).stderr
    person.obra("run", "add b", "--agent", agent, "--llm", "none", "--task-id", "t2", code=3)
    assert person.json("override", "t2", "proceed", "--reason", "I looked")["branch"] == "obra/t2"
    assert "over already" in person.obra("override", "t2", "stop", code=2).stderr
