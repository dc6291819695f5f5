"""`obra`: a table of commands, each imported when it is called, and the one place where errors become sentences."""

import codecs
import contextlib
import errno
import importlib
import io
import os
import sys
import time
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from obra.shared.errors import ObraError, ObraWarning

STARTED_NS = time.time_ns()
"""When this command began: what happens from here on, `obra events --follow` shows."""

SECTIONS = {
    "Begin": {
        "demo": ("demo:demo", "Show the whole loop on a sample repository; needs no account."),
        "doctor": ("doctor:doctor", "Say what is installed, what is missing and what to do about it."),
    },
    "Have work done": {
        "run": ("run:run", "Have a task done on a git repository, and follow it to its end."),
        "goal": ("goal:goal", "Have a goal planned and reached, task by task."),
        "task": ("task:task", "Submit tasks without following them; list and show them."),
        "milestone": ("milestone:milestone", "List milestones, and show the tasks of one."),
        "project": ("project:project", "List projects; pause one, and let it go on."),
        "up": ("up:up", "Keep Obra running in the foreground until Ctrl-C."),
        "down": ("down:down", "Stop the Obra that runs; nothing is lost."),
    },
    "See what happens": {
        "status": ("status:status", "Say what runs, what waits for a person and what is lacking."),
        "report": ("report:report", "Say what happened lately, what it cost, and what to do now."),
        "show": ("show:show", "Tell the whole story of a task."),
        "events": ("events:events", "List events, or follow them as they happen."),
        "prompt": ("prompt:prompt", "Show the prompts that were sent to agents."),
        "diff": ("diff:diff", "Show what changed in a task between two points."),
        "sql": ("sql:sql", "Ask the store in SQL, read-only."),
        "interactive": ("interactive:interactive", "A prompt at which every command works."),
    },
    "Decide what waits for you": {
        "inbox": ("inbox:inbox", "List what waits for a person."),
        "answer": ("answer:answer", "Answer the question that a task waits with."),
        "say": ("say:say", "Say in plain words how something that waits goes on."),
        "approve": ("resolve:approve", "Accept the work of a task that waits for a person."),
        "reject": ("resolve:reject", "Refuse the work of a task that waits for a person."),
        "retry": ("resolve:retry", "Let the agent try again, on a task that waits for a person."),
        "override": ("override:override", "Decide otherwise about a task, whatever the rules say."),
        "take-over": ("takeover:takeover", "Go on with a task by hand: its work so far becomes a branch."),
        "cancel": ("resolve:cancel", "Take a task back; its running agent is stopped."),
        "rollback": ("rollback:rollback", "Return a task, or a whole project, to an earlier point."),
    },
    "Judge the judgement": {
        "label": ("label:label", "Say whether accepted or refused work was good in the end."),
        "calibration": ("calibration:calibration", "Measure how far confidences can be believed, on labelled work."),
        "whatif": ("whatif:whatif", "Decide recorded history again under another policy."),
        "canary": ("canary:canary", "Let a candidate policy shadow live decisions."),
        "ab": ("ab:ab", "Compare two prompt templates on the same inputs."),
    },
    "Keep and prove the record": {
        "verify": ("verify:verify", "Prove that the store is unaltered, or name what was altered."),
        "anchor": ("anchor:anchor", "Sign the head of the chain into a git note or a file."),
        "replay": ("replay:replay", "Rebuild the store, and prove that it is the same."),
        "export": ("export:export", "Write everything as Parquet, partitioned by day."),
        "restore": ("restore:restore", "Bring back a stream or a store that is lost."),
        "import": ("import_:import_", "Restore a store from an export."),
        "prune": ("prune:prune", "Let the stream forget what an export holds."),
        "tidy": ("tidy:tidy", "Make room: remove the workspaces of tasks that are over."),
    },
    "Distribute": {
        "provision": ("provision:provision", "Prepare a NATS server of your own for Obra."),
        "service": ("service:service", "Run one service alone, for a distributed installation."),
    },
}
"""Commands by what they are for: where each is, and its line in `obra --help`, so that help imports none."""

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

FOLLOWING = frozenset({"demo", "run", "goal", "answer", "say", "approve", "reject", "retry", "override"})


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        loaded = importlib.import_module(f"obra.services.console.commands.{module}")
        command: click.Command = getattr(loaded, attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* call; an unknown one is answered with what comes close."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `obra {close[0]}`?" if close else "`obra --help` lists the commands"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; end in silence where nobody reads its output any more.

        That is success for a command that only looks. One that follows a task has not seen its end, and exits as
        SIGPIPE would have made it.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(141 if ctx.invoked_subcommand in FOLLOWING else 0) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables of commands, aligned with one another."""
        wide = max(map(len, COMMANDS))
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(f"{name:<{wide}}", line) for name, (_, line) in commands.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only here

        click.echo(f"obra {version('obra')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say the version.")
def cli() -> None:
    """Obra supervises coding agents: a task goes in, a real agent works, evidence decides.

    Exit codes: 0 accepted or done, 1 not accepted, 2 wrong usage, 3 waiting for a person, 4 environment.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    _stand_in()
    _never_unprintable()
    _say_warnings()
    code = run(args)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # a full disk, say, or a reader that is gone; Python would try again, and exit with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _stand_in() -> None:
    """Put /dev/null where a standard stream was closed, so that no file or socket of ours takes its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode))  # noqa: SIM115 - until the process ends
            if getattr(sys, name).fileno() != number:
                os.dup2(getattr(sys, name).fileno(), number)


def _never_unprintable() -> None:
    """Have what a stream's encoding can't express come out as `?`, and a path's odd bytes as they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            unicode = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if unicode else "replace")


def _say_warnings() -> None:
    """Have Obra's own warnings come out as sentences, each time."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, ObraWarning):
            _say(str(message))
        else:
            usual(message, category, *place, **more)

    usual, warnings.showwarning = warnings.showwarning, show
    warnings.simplefilter("always", ObraWarning)


def run(args: Sequence[str] | None) -> int:
    """Run one command and return its exit code; what is wrong is said."""
    try:
        code = cli.main(args=args, prog_name="obra", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _say(error.format_message())
        if isinstance(error, click.UsageError) and error.ctx is not None:
            _say(f"`{error.ctx.command_path} --help` shows how it is used", sep="  ")
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:  # noqa: BLE001,RUF100 - the edge: a person gets a sentence, not a traceback
        return 130 if isinstance(error.__cause__, KeyboardInterrupt) else _failed(error)
    return code if isinstance(code, int) else 0


def _failed(error: BaseException) -> int:
    """Say what went wrong in one sentence; the traceback is for whoever asks for it."""
    if os.environ.get("OBRA_LOG__LEVEL", "").lower() == "debug":
        import traceback  # noqa: PLC0415 - only here

        traceback.print_exception(error)
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        at = f" ({error.filename})" if error.filename else ""
        _say(f"the disk is full{at}: free some; `obra tidy` removes what tasks that are over left")
        return 4
    if isinstance(error, ObraError):
        _say(str(error))
        return error.exit_code
    _say(f"unexpected {type(error).__name__}: {error}; OBRA_LOG__LEVEL=debug shows where it came from")
    return 4


def _say(text: str, sep: str = "obra: ") -> None:
    with contextlib.suppress(OSError):  # nobody can be told any more; the exit code still says it
        from obra.services.console.render.text import clean  # noqa: PLC0415 - only where something is wrong

        click.echo(clean(sep + text), err=True)
