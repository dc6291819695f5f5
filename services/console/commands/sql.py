"""`obra sql`: ask the store."""

import asyncio
import sys

import click

from obra.services.console.options import Place, placed
from obra.services.console.reading import reading
from obra.services.console.render.table import write
from obra.shared.store.examples import examples
from obra.shared.store.query import Table


@click.command(short_help="Ask the store in SQL, read-only.")
@click.argument("query", required=False)
@click.option("--examples", "show_examples", is_flag=True, help="List questions worth asking, with their queries.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="Of the answer.",
    show_default=True,
)
@placed
def sql(place: Place, query: str | None, show_examples: bool, form: str) -> int:
    """Ask the store in SQL, read-only.

    The table `event` holds everything that ever happened; docs/sql.md describes it and the views over it. It sees
    all that had happened when it was asked.
    """
    if show_examples:
        for example in examples():
            click.echo(f"-- {example.question}\n{example.sql};\n")
        return 0
    if query is None:
        raise click.UsageError("give a QUERY, or --examples for some to begin with")
    write(asyncio.run(_ask(place, query)), form, sys.stdout)
    return 0


async def _ask(place: Place, query: str) -> Table:
    async with reading(place) as reader:
        return await reader.sql(query)
