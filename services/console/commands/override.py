"""`obra override`: decide otherwise."""

from typing import get_args

import click

from obra.services.console.commands.resolve import spoken
from obra.services.console.options import Place, as_json, in_project, placed
from obra.shared.edge import Override


@click.command(short_help="Decide otherwise about a task, whatever the rules say.")
@click.argument("task", metavar="ID")
@click.argument("action", type=click.Choice(get_args(Override)))
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes on record.")
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def override(place: Place, task: str, action: Override, reason: str, project: str | None, json_: bool) -> int:
    """Decide ACTION about the task ID, whatever the rules say.

    It holds at once where the task rests, and for stop; otherwise when the run in hand ends. Follows it to its end.
    """
    return spoken(place, task, project, lambda obra, it: obra.override(it.scope, action, reason), json_=json_)
