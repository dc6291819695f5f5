"""`obra task`: submit without following, list, show."""

import asyncio
from typing import Any

import click

from obra.services.console.commands.run import CONTEXT, run
from obra.services.console.commands.show import show
from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import OVER, rows
from obra.services.console.render.table import listed
from obra.services.console.render.text import one_line
from obra.services.console.way import TASK, detached
from obra.shared.submission import prepare, token

ALL = """
    SELECT l.project, l.task, l.status, l.priority, l.deadline, l.goal, l.milestone, t.attempts, t.branch, t.text,
        t.reasons
    FROM line l JOIN task t USING (project, task)
    WHERE ({everything} OR l.status NOT IN {over}) AND {project}
    ORDER BY l.position DESC LIMIT 500
"""


@click.group(context_settings=CONTEXT, short_help="Submit tasks without following them; list and show them.")
def task() -> None:
    """Submit tasks without following them; list and show them."""


@placed
def _create(place: Place, text: str | None, project: str | None, json_: bool, **wishes: Any) -> int:
    """Submit TASK to an Obra that runs (`obra up`) and return. Options as for `obra run`."""
    if not text:
        raise click.UsageError("give a TASK in words")
    submission = prepare(text, settings=place.settings, project=project, task=wishes.pop("task_id"), **wishes)
    return detached(place, submission, TASK, json_=json_)


task.add_command(
    click.Command(
        "create", context_settings=CONTEXT, callback=_create, help=_create.__doc__,
        short_help="Submit a task and return; needs a running `obra up`.",
        params=[param for param in run.params if param.name not in ("resume", "detach")],
    )
)  # fmt: skip
task.add_command(show)


@task.command(name="list", short_help="List open tasks, or all of them.")
@click.option("--all", "everything", is_flag=True, help="Those that have ended too.")
@click.option("--project", metavar="NAME", help="Of this project alone.")
@as_json("Print a list of JSON objects.")
@placed
def list_(place: Place, everything: bool, project: str | None, json_: bool) -> int:
    """List open tasks, the newest first, with what the queued ones wait for."""
    of = f"l.project = '{token(project, 'project')}'" if project else "true"
    found = asyncio.run(rows(place, ALL.format(everything=str(everything).lower(), project=of, over=OVER)))
    none = "no tasks yet" if everything else "no open tasks"
    return listed(found, ["task", "status", "priority", "attempts", "text", "waits"], _row, none=none, json_=json_)


def _row(task: dict[str, Any]) -> list[Any]:
    why = one_line("; ".join(task["reasons"]), 60) if task["status"] in ("queued", "waiting") else ""
    return [task["task"], task["status"], task["priority"], task["attempts"], one_line(task["text"], 50), why]
