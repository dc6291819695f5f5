"""`obra interactive`: a prompt at which every command works, and plain words about what waits are understood."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click

from obra.services.console.main import COMMANDS, run
from obra.services.console.options import Place, placed
from obra.services.console.reading import rows
from obra.services.console.render.text import clean, count, one_line
from obra.shared.errors import ObraError
from obra.shared.submission import token

PROJECT = "OBRA_PROJECT"
INBOX = "SELECT task, project FROM inbox"
SLASHES: dict[str, tuple[str, ...]] = {
    "pause": ("project", "pause"), "resume": ("project", "resume"), "stop": ("down",), "to-impl": ("retry",),
    "to-orch": ("say",), "override-decision": ("override",),
}  # fmt: skip
"""Words of their own, after a slash; any command may have one before it, too."""

HELP = """\
Every command of `obra --help`, without the word obra: run "TASK" --check CMD, inbox, approve ID, show TASK, …
use PROJECT          the project of what follows; `use` alone goes back to the configured one
/pause  /resume      start nothing more in the project; let it go on
/stop                stop the Obra that runs
/to-impl ID TEXT     have the agent of what waits try again; it reads TEXT
/to-orch ID TEXT     tell the reviewing LLM in plain words how what waits goes on
/override-decision ID ACTION
help  exit           (or Ctrl-D)
Anything else is taken for plain words: about the one thing that waits, else for a task to be done."""


@click.command(short_help="A prompt at which every command works.")
@placed
def interactive(place: Place) -> int:
    """Read commands line by line, as on the command line but without the word obra, until `exit` or Ctrl-D.

    A line that is no command is taken for plain words: about the one thing that waits for you (`obra say`), else
    for a task, which you are asked about. Where no terminal is there, lines are read from standard input, nothing is
    asked, and the exit code is that of the first command that did not end with 0.
    """
    terminal = sys.stdin.isatty()
    with _history(place) if terminal else contextlib.nullcontext():
        return Prompt(place, run, terminal=terminal).until_exit()


@contextlib.contextmanager
def _history(place: Place) -> Iterator[None]:
    """Have lines edited and remembered, readable by their owner alone, where Python has readline."""
    try:
        import readline  # noqa: PLC0415 - not everywhere, and only on terminals
    except ImportError:
        yield
        return
    file = place.home.run / "history"
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(1_000)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(file)
            file.chmod(0o600)


@dataclass
class Prompt:
    """Reads lines and has them done by *call*, which takes arguments and returns an exit code."""

    place: Place
    call: Callable[[Sequence[str]], int]
    terminal: bool
    project: str = ""

    def until_exit(self) -> int:
        """Read lines to the end; return the first exit code that is not 0, on a terminal always 0."""
        if self.terminal:
            click.echo("`help` says what can be said here, `exit` ends it.")
        first = 0
        for line in self._lines():
            if line in ("exit", "quit"):
                break
            code = self.line(line)
            first = first or code
        return 0 if self.terminal else first

    def _lines(self) -> Iterator[str]:
        while True:
            try:
                line = input(f"obra{f'[{self.project}]' if self.project else ''}> ") if self.terminal else input()
            except EOFError:
                return
            except KeyboardInterrupt:
                click.echo("")
                continue
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()

    def line(self, line: str) -> int:
        """Have one line done; what is wrong with it is said, and the prompt goes on."""
        try:
            return self._done(line)
        except (click.UsageError, ObraError) as error:
            click.echo(clean(f"obra: {error if isinstance(error, ObraError) else error.format_message()}"), err=True)
            return 2
        except (click.Abort, KeyboardInterrupt):
            return 130

    def _done(self, line: str) -> int:
        slash, line = line.startswith("/"), line.removeprefix("/")
        name, _, rest = line.partition(" ")
        if name in ("help", "?"):
            click.echo(HELP)
            return 0
        if name == "use":
            return self._use(rest.strip())
        if slash and name in SLASHES:
            return self._call([*SLASHES[name], *self._slash(name, _words(rest))])
        if name in COMMANDS and name != "interactive":
            return self._call([name, *_words(rest)])
        if slash or (" " not in line and get_close_matches(line, COMMANDS, n=1)):
            close = get_close_matches(name, [*COMMANDS, *SLASHES], n=1)
            raise click.UsageError(f"there is no command {name!r}" + (f"; did you mean {close[0]}?" if close else ""))
        return self._plain(line)

    def _slash(self, name: str, words: list[str]) -> list[str]:
        """Return the arguments of a word with a slash: what is for the agent or the LLM need not be quoted."""
        if name not in ("to-impl", "to-orch"):
            return words
        if len(words) < 2:  # noqa: PLR2004 - an id and a text
            raise click.UsageError(f"/{name} takes the ID of what waits, and a text")
        text = " ".join(words[1:])
        return [words[0], "--note", text] if name == "to-impl" else [words[0], text]

    def _use(self, project: str) -> int:
        self.project = token(project, "project") if project else ""
        return 0

    def _plain(self, line: str) -> int:
        """Take *line* for a word on the one thing that waits, else for a task."""
        waiting: list[dict[str, Any]] = asyncio.run(rows(self.place, INBOX))
        mine = [row for row in waiting if row["project"] == (self.project or self.place.settings.project)]
        if len(mine) == 1:
            return self._call(["say", mine[0]["task"], line])
        if mine:
            raise click.UsageError(f"{count(len(mine), 'thing')} waiting: say which one, with /to-orch ID TEXT")
        if not self.terminal:
            raise click.UsageError(f"{one_line(line, 60)!r} is no command, and nothing waits that it could be about")
        if not click.confirm(f"Have this done in {os.getcwd()}: {one_line(line, 100)}?"):
            return 0
        return self._call(["run", line])

    def _call(self, args: Sequence[str]) -> int:
        with _in_project(self.project):
            return self.call(args)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"{error}: quote what belongs together") from error


@contextlib.contextmanager
def _in_project(project: str) -> Iterator[None]:
    """Have *project* be the configured one, as far as commands can see."""
    before = os.environ.get(PROJECT)
    if project:
        os.environ[PROJECT] = project
    try:
        yield
    finally:
        if project:
            os.environ.pop(PROJECT)
            if before is not None:
                os.environ[PROJECT] = before
