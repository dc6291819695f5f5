"""Finds the real Claude Code: on PATH, or where CI puts it, in `.claude-cli` at the top of the repository."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.anthropic import Anthropic, serving

PLACE = Path(__file__).parents[2] / ".claude-cli" / "node_modules" / "@anthropic-ai"
INSTALL = "npm install --prefix .claude-cli @anthropic-ai/claude-code"


@pytest.fixture(scope="session")
def claude() -> str:
    """The executable."""
    places = [shutil.which("claude"), *sorted(str(path) for path in PLACE.glob("claude-code-*/claude"))]
    for found in filter(None, places):
        return found
    pytest.skip(f"Claude Code is not installed: `{INSTALL}`")


@pytest.fixture(scope="session")
def anthropic() -> Iterator[Anthropic]:
    """The scripted API that it talks to."""
    with serving() as server:
        yield server
