"""Where nothing can be kept any more, that is said, and nobody waits for what can't come."""

import asyncio
import shutil
from pathlib import Path

import pytest

from obra.shared import client
from obra.shared.client import ObraGone, Orchestrator
from obra.shared.config import home_of
from obra.shared.embedded.join import Joined
from obra.shared.embedded.lease import Lease
from obra.shared.home import ROOM_BYTES_MIN, Home, HomeFull


def test_a_home_is_known_by_its_real_path_since_the_sandbox_has_no_other(tmp_path: Path) -> None:
    real = tmp_path.resolve() / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to("real")
    asked = [tmp_path / "link", tmp_path / "link" / ".." / "real", tmp_path / "none" / ".." / "real"]
    assert [home_of({"OBRA_HOME": str(path)}) for path in asked] == [real, real, real]
    assert [Orchestrator(path).home.root for path in asked] == [real, real, real]
    assert home_of({"XDG_DATA_HOME": str(tmp_path / "link")}) == home_of({"HOME": "/", "XDG_DATA_HOME": str(real)})
    assert home_of({"HOME": str(tmp_path / "link")}) == real / ".local" / "share" / "obra"


def left(free: int) -> object:
    return lambda _: shutil._ntuple_diskusage(10**9, 10**9 - free, free)


def test_a_home_is_full_when_not_even_a_few_events_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Home(tmp_path).full, Home(tmp_path / "none yet").full) == (False, False)
    monkeypatch.setattr(shutil, "disk_usage", left(ROOM_BYTES_MIN - 1))
    assert (Home(tmp_path).full, Home(tmp_path / "none yet").full) == (True, False)


@pytest.mark.parametrize("full", [True, False])
async def test_who_waits_is_told_that_the_disk_is_full_or_that_obra_is_gone(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_EVERY_S", 0.01)
    if full:
        monkeypatch.setattr(shutil, "disk_usage", left(0))
    obra, loop = Orchestrator(tmp_path), asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    obra.joined = Joined(None, "", started=True, lease=Lease(reader, None))  # type: ignore[arg-type]
    never, lost = loop.create_future(), loop.create_future()
    if not full:
        loop.call_later(0.05, lost.set_result, None)
    with pytest.raises(HomeFull if full else ObraGone) as raised:
        await obra._arrived(never, lost, "`obra run --resume t` goes on")
    assert str(raised.value) == (
        f"The disk is full, and nothing more can be recorded: free some (`obra tidy` does, in {tmp_path}/tasks); "
        "`obra run --resume t` goes on"
        if full
        else "Obra has stopped; `obra run --resume t` goes on."
    )
