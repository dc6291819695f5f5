"""A person keeps history: verifies, anchors, exports, prunes, loses the store, moves to another home."""

import json
import shutil
from pathlib import Path

from tests.archive.stores import rewritten, tamper
from tests.processes import left
from tests.services.console.person import arrived


def test_history_outlives_the_stream_the_store_and_the_home(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    agent = person.script([{"write": {"path": "b.txt", "text": "b"}}, {"say": "done " + "x" * 70_000}])
    run = ("run", "write b", "--llm", "none", "--sandbox", "none", "--agent", agent, "--check", "test -f b.txt")
    with person.up():
        person.json(*run, "--task-id", "t1")
        verified = person.json("verify")
        assert (verified["ok"], verified["stream"]) == (True, verified["events"])
        person.obra("anchor")
        exported = person.json("export", str(tmp_path / "out"))
        assert (exported["through"], exported["blobs_missing"]) == (verified["through"], [])
        result = person.json("run", "--resume", "t1")
        shown, listed = person.json("show", "t1"), person.lines("events", "--json")
        pruned = person.json("prune", str(tmp_path / "out"))
        assert (pruned["tasks"], pruned["messages"] > 10) == (1, True)
        assert person.json("show", "t1") == shown
        assert person.lines("events", "--json")[: len(listed)] == listed
        assert person.json("run", "--resume", "t1") == result
        assert "archived" in person.obra("rollback", "t1", "--to", "3", code=2).stderr
        assert person.json("show", "t1", "--as-of", str(exported["through"])) == shown
        taken = person.obra(*run, "--task-id", "t1", code=2)
        assert "exists already" in taken.stderr
        assert person.json("verify", "--anchor", "note")["ok"]
        assert person.json("replay", "--check", "--from", str(tmp_path / "out"))["ok"]
        assert "The stream lacks what was over at position" in person.obra("replay", "--check", code=2).stderr
        assert "Another Obra already runs" in person.obra("replay", "--from", str(tmp_path / "out"), code=4).stderr
    other = tmp_path / "other"
    person.obra("import", str(tmp_path / "out"), "--into", str(other))
    assert "holds all" in person.obra("import", str(tmp_path / "out"), "--into", str(other)).stdout
    rewritten(person.home / "obra.duckdb", exported["through"] - 1, '"service"', '"Service"')
    assert person.json("verify")["ok"]
    fault = person.json("verify", "--anchor", "note", code=1)["fault"]
    assert (fault["kind"], fault["position"]) == ("altered", verified["through"])
    tamper(person.home / "obra.duckdb", "UPDATE event SET task = 'x' WHERE position = 3")
    assert person.json("verify", code=1)["fault"]["position"] == 3
    person.obra("replay", "--from", str(tmp_path / "out"))
    assert person.json("verify", "--anchor", "note")["ok"]
    assert person.json("show", "t1") == shown
    assert "nothing happened between" in person.obra("export", str(tmp_path / "no"), "--since", "999", code=2).stderr
    shutil.rmtree(person.home / "nats")
    assert "`obra restore` makes it anew" in person.obra("run", "--resume", "t1", code=4).stderr
    assert person.json("restore", str(tmp_path / "out"))["what"] == "stream"
    assert person.json("run", "--resume", "t1") == result
    assert "lacks nothing" in person.obra("restore").stdout
    assert left(person.home) == []
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["head"] == exported["head"]


def test_where_nothing_ever_happened_there_is_nothing_to_rebuild_or_restore(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    assert "There is no store" in person.obra("verify", code=4).stderr
    assert "nothing has happened yet" in person.obra("replay", code=2).stderr
    assert "name an export" in person.obra("restore", code=2).stderr
