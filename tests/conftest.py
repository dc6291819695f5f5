"""Fixtures: a bus in memory and one on a real nats-server. No Docker, no fixed port."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from obra.shared.bus import Bus
from tests.rig import MemoryRig, NatsRig, Rig, nats_rig

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")  # the same examples each time; `--hypothesis-profile default` looks for others


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--slow` run what takes a minute and more."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow unless it is asked for."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: needs --slow"))


BOTH = ["memory", pytest.param("jetstream", marks=pytest.mark.bus)]


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsRig]:
    """JetStream with streams and users, and a service that is logged in."""
    rig = await nats_rig(tmp_path)
    yield rig
    await rig.close()


@pytest.fixture
async def memory() -> AsyncIterator[MemoryRig]:
    """The bus in memory."""
    rig = MemoryRig()
    yield rig
    await rig.bus.close()


@pytest.fixture(params=BOTH)
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each bus in turn, with what a test may do to it beside using it."""
    made: Rig = request.getfixturevalue("memory" if request.param == "memory" else "nats")
    return made


@pytest.fixture
def bus(rig: Rig) -> Bus:
    """Each bus in turn."""
    return rig.bus
