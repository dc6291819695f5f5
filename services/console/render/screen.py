"""Where lines go: a terminal gets colour and one live status line, anything else gets plain lines."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from obra.services.console.render.words import Line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

STYLES = {
    "plain": "", "good": "green", "bad": "red", "warning": "yellow", "quiet": "dim", "agent": "cyan",
}  # fmt: skip


class Screen(Protocol):
    """Takes lines as they come, and what is going on right now."""

    def show(self, line: Line) -> None:
        """Print *line*."""

    def doing(self, what: str) -> None:
        """Say what is going on right now; the next call replaces it."""


class PlainScreen:
    """Plain lines, flushed one by one."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        self._stream = stream

    def show(self, line: Line) -> None:
        """Print *line* without colour."""
        self._stream.write(line.text + "\n")
        self._stream.flush()

    def doing(self, what: str) -> None:
        """Say nothing: a file needs no live line."""


class TerminalScreen:
    """Colour, and a live status line with the time since the command began."""

    def __init__(self, console: "Console", status: "Status") -> None:
        """Print through *console*, above *status*."""
        self._console = console
        self._status = status
        self._began = time.monotonic()

    def show(self, line: Line) -> None:
        """Print *line* in the colour of its tone; its text is never read as markup."""
        self._console.print(line.text, style=STYLES[line.tone] or None, markup=False, highlight=False, soft_wrap=True)

    def doing(self, what: str) -> None:
        """Replace the live line."""
        from rich.text import Text  # noqa: PLC0415 - rich is loaded on terminals only

        self._status.update(Text(f"{what} ({time.monotonic() - self._began:.0f} s)"))


@contextlib.contextmanager
def screen(stream: TextIO | None = None) -> Iterator[Screen]:
    """Open the screen for *stream*, stdout unless given."""
    stream = stream or sys.stdout
    if not stream.isatty():
        yield PlainScreen(stream)
        return
    from rich.console import Console  # noqa: PLC0415 - heavy, and only terminals need it

    console = Console(file=stream)
    with console.status("starting") as status:
        yield TerminalScreen(console, status)
