"""Where lines go: a terminal gets colour and one live status line, anything else gets plain lines."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

import click

from obra.services.console.render.line import Line
from obra.services.console.render.text import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

T = TypeVar("T")
MINUTE_S = 60
STOPPED = 130
"""The exit code after Ctrl-C, as shells have it."""
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


class Doing:
    """The live line: what is going on, and since when; it is asked anew whenever the line is drawn."""

    def __init__(self) -> None:
        """Begin to count."""
        self.what = "starting"
        self._began = time.monotonic()

    def __rich__(self) -> "Text":
        """Return the line as rich draws it."""
        from rich.text import Text  # noqa: PLC0415 - rich is loaded on terminals only

        elapsed_s = round(time.monotonic() - self._began)
        elapsed = duration(1000 * elapsed_s) if elapsed_s >= MINUTE_S else f"{elapsed_s} s"
        return Text(f"{self.what} ({elapsed})", style="dim")


class TerminalScreen:
    """Colour, and a live line below."""

    def __init__(self, console: "Console", doing: Doing) -> None:
        """Print through *console*, above *doing*."""
        self._console = console
        self._doing = doing

    def show(self, line: Line) -> None:
        """Print *line* in the colour of its tone; its text is never read as markup."""
        from rich.text import Text  # noqa: PLC0415 - as above

        self._console.print(Text(line.text, style=STYLES[line.tone]), soft_wrap=True)

    def doing(self, what: str) -> None:
        """Replace the live line."""
        self._doing.what = what


@contextlib.contextmanager
def screen(stream: TextIO) -> Iterator[Screen]:
    """Open the screen for *stream*, one of the standard ones."""
    if not stream.isatty():
        yield PlainScreen(stream)
        return
    from rich.console import Console  # noqa: PLC0415 - heavy, and only terminals need it

    console, doing = Console(file=stream), Doing()
    with console.status(doing):
        yield TerminalScreen(console, doing)


def on_screen(work: Callable[[Screen], Coroutine[Any, Any, T]], *, json_: bool, kept: str) -> T:
    """Run *work* with a screen, on stderr where stdout is for JSON; Ctrl-C ends it and says what is *kept*."""
    try:
        with screen(sys.stderr if json_ else sys.stdout) as lines:
            return asyncio.run(work(lines))
    except KeyboardInterrupt:
        click.echo(f"\nobra: stopped; {kept}", err=True)
        raise click.exceptions.Exit(STOPPED) from None
