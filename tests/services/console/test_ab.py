"""`obra ab` as a person calls it."""

import json
from pathlib import Path

import pytest

from obra.services.console.main import main
from tests.loopback.ollama import MODEL, Says, ScriptedOllama
from tests.shared.test_trial import answers


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OBRA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def called(*args: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ab", *args])
    assert ended.value.code == code


def test_without_a_model_tokens_are_compared_and_the_rows_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called("--a", "hybrid", "--b", "plain", "--llm", "none", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["inputs"], told["llm"], told["reason"]) == (36, "none", "none was asked for")
    assert [each["measure"] for each in told["measures"]] == ["tokens_estimated"]
    assert told["rows"] == str(home / "ab" / "hybrid-plain.jsonl")
    rows = [json.loads(line) for line in Path(told["rows"]).read_text().splitlines()]
    assert len(rows) == 72
    assert {row["template"] for row in rows} == {"hybrid-1", "plain-1"}


def test_a_model_that_is_there_is_asked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    with ScriptedOllama([Says(answers())]) as server:
        monkeypatch.setenv("OBRA_LLM__BASE_URL", server.url)
        called("--a", "hybrid", "--b", "plain-1", "--rows", str(rows))
        assert len(server.asked) == 72
    said = capsys.readouterr().out
    assert f"asked: ollama/{MODEL}\n" in said
    assert "agreement: no winner: such a difference can be chance (p = 1)\n" in said
    assert len(rows.read_text().splitlines()) == 72


def test_nonsense_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    called("--a", "hybrid", "--b", "xml", code=2)
    called("--a", "hybrid", "--b", "plain", "--llm", "gpt", code=2)
    called("--a", "hybrid", "--b", "plain", "--llm", "ollama/none-such", code=4)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "obra: there is no template 'xml'; there are: hybrid, plain, hybrid-1, plain-1"
    assert said[1].startswith("obra: --llm 'gpt': give `auto`, `none`, ")
    assert "11434" in said[2]
