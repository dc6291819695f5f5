"""A command that found nothing running, and an Obra that was started before it could read the store."""

from pathlib import Path

import pytest

from obra.services.console.options import Place
from obra.services.console.reading import Stored
from obra.services.console.selection import Selection
from obra.services.console.storefile import updated
from obra.shared.config import Settings
from obra.shared.home import Home
from tests.services.console.person import arrived

pytestmark = pytest.mark.bus


async def test_the_obra_that_was_started_meanwhile_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obra.shared.store.LOCK_TRIES", (0.0,))
    person = arrived(tmp_path)
    place = Place(Home(person.home), Settings(), None)
    with person.up():
        person.obra("sql", "SELECT 1")  # log-sink has the store
        stored = Stored(place)
        assert (await stored.sql("SELECT min(position) AS first FROM event")).records == [{"first": 1}]
        assert [raw.position async for raw in stored.events(Selection())][:1] == [1]
        assert not updated(place.home.store), "a copy is asked for instead"
