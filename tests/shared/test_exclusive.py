"""Directories that one process, or one task of it, has for itself."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest

from obra.shared import exclusive as module
from obra.shared.errors import EnvironmentLacks
from obra.shared.exclusive import exclusive, own_folder


async def test_who_wants_a_folder_that_is_held_gets_it_once_it_is_let_go_of(tmp_path: Path) -> None:
    order: list[str] = []

    async def second() -> None:
        async with exclusive(tmp_path):
            order.append("second")

    async with exclusive(tmp_path):
        waiting = asyncio.create_task(second())
        await asyncio.wait([waiting], timeout=0.05)
        order.append("first")
    await asyncio.wait_for(waiting, 20)
    assert order == ["first", "second"]


async def test_who_waits_for_too_long_says_what_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    async with exclusive(tmp_path):
        with pytest.raises(EnvironmentLacks, match=f"another process has held {tmp_path} for 0 s; try again"):
            async with exclusive(tmp_path):
                raise AssertionError("not reached")


def test_two_at_once_have_a_folder_each_and_nothing_is_left_of_them(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        one, two = (stack.enter_context(own_folder(tmp_path, "made-")) for _ in range(2))
        assert one != two
        (one / "file").write_text("x")
        (two / "file").write_text("y")
        assert sorted(tmp_path.iterdir()) == sorted([one, two])
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "made-before").mkdir()
    (tmp_path / "made-before" / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    with own_folder(tmp_path, "made-") as folder:
        assert sorted(tmp_path.iterdir()) == sorted([folder, tmp_path / "mine"])


def test_a_folder_that_another_took_for_a_left_one_before_it_was_held_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, taken = tempfile.mkdtemp, list[Path]()

    def made(prefix: str, dir: Path) -> str:
        folder = make(prefix=prefix, dir=str(dir))
        if not taken:
            taken.append(Path(folder))
            taken[0].rmdir()
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", made)
    with own_folder(tmp_path, "made-") as folder:
        assert folder not in taken
        assert folder.is_dir()
