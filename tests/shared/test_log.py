"""Logs are JSON lines, and never on stdout."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from obra.shared.log import FILE_BYTES_MAX, get_logger, setup


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


def test_a_file_that_has_grown_large_is_begun_anew_and_the_one_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"x" * FILE_BYTES_MAX)
    setup("info", path)
    get_logger("decider").info("the last that fits")
    get_logger("decider").info("the first of the next")
    assert [len(file.read_text().splitlines()) for file in sorted(tmp_path.iterdir())] == [1, 1]
    assert (tmp_path / "x.log.1").read_text().startswith("xxx")


def test_a_full_disk_ends_nobody_who_logs() -> None:
    setup("info", Path("/dev/full"))
    get_logger("decider").info("answered")
    setup()


def test_before_anybody_sets_it_up_warnings_are_sentences_for_a_person() -> None:
    code = "from obra.shared.log import get_logger as log; log('x').info('no'); log('x').warning('no room', bytes=7)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True, env={})
    assert (done.stdout, done.stderr) == ("", "obra: no room (bytes: 7)\n")


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
