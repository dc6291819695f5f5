"""Whatever an agent has put somewhere can be removed."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from obra.shared.removal import remove


def _locked_tree(path: Path) -> None:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").write_text("x")
    (path / "a" / "b").chmod(0o500)
    (path / "a").chmod(0)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))


THINGS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None, "a file": Path.touch, "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a directory": lambda path: path.symlink_to(path.parent / "kept"), "a named pipe": os.mkfifo,
    "a socket": _socket, "directories that are locked": _locked_tree,
}  # fmt: skip


@pytest.mark.parametrize("thing", THINGS)
def test_whatever_is_there_is_gone_and_nothing_else(
    thing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    THINGS[thing](tmp_path / "it")
    remove(tmp_path / "it")
    remove(tmp_path / "kept" / "file" / "below a file")
    assert sorted(os.listdir(tmp_path)) == ["kept"]
    assert (tmp_path / "kept" / "file").exists()
