"""What several tests of services share."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.services.test_supervisor_llm import Bench


@pytest.fixture
async def benches() -> "AsyncIterator[list[Bench]]":
    """Take in what a test of supervisor-llm makes, and close it at the end."""
    made: list[Bench] = []
    yield made
    for bench in made:
        await bench.llm.close()
        await bench.bus.close()
