"""Logs are JSON lines, and never on stdout."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from obra.shared.log import get_logger, setup


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    setup()


def test_a_line_is_one_object_with_what_the_call_gave(tmp_path: Path) -> None:
    setup("info", tmp_path / "logs" / "x.log")
    get_logger("decider").info("answered", position=7, path=Path("/x"), **{"ü": "ß"})
    get_logger("decider").debug("not this")
    [line] = (tmp_path / "logs" / "x.log").read_text().splitlines()
    found = msgspec.json.decode(line)
    assert found.pop("at").endswith("Z")
    assert found == {"event": "answered", "level": "info", "position": 7, "path": "PosixPath('/x')", "ü": "ß"}


def test_a_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    secret = "-".join(["top", "secret"])
    try:
        int(secret and "x")
    except ValueError:
        get_logger().exception("it failed")
    out, err = capsys.readouterr()
    assert out == ""
    assert "ValueError" in msgspec.json.decode(err)["exception"]
    assert secret not in err
