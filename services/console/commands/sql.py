"""`obra sql`: ask the store."""

import asyncio
import sys
from pathlib import Path

import click

from obra.services.console.options import Place, placed
from obra.services.console.reading import reading
from obra.services.console.render.parquet import write_parquet
from obra.services.console.render.table import write
from obra.shared.errors import EnvironmentLacks
from obra.shared.store.examples import examples
from obra.shared.store.query import Table


@click.command(short_help="Ask the store in SQL, read-only.")
@click.argument("query", required=False)
@click.option("--examples", "show_examples", is_flag=True, help="List questions worth asking, with their queries.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    help="Of the answer.",
    show_default=True,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the answer there instead of to standard output; parquet needs it.",
)
@placed
def sql(place: Place, query: str | None, show_examples: bool, form: str, output: Path | None) -> int:
    """Ask the store in SQL, read-only.

    The table `event` holds everything that ever happened; docs/sql.md describes it and the views over it. It sees
    all that had happened when it was asked. With - the query is read from standard input.
    """
    if show_examples:
        for example in examples():
            click.echo(f"-- {example.question}\n{example.sql};\n")
        return 0
    if query is None:
        raise click.UsageError("give a QUERY, or --examples for some to begin with")
    if form == "parquet" and output is None:
        raise click.UsageError("parquet is for a file: name one with --output")
    answer = asyncio.run(_ask(place, sys.stdin.read() if query == "-" else query))
    if output is None:
        write(answer, form, sys.stdout)
    else:
        _save(answer, form, output)
    return 0


def _save(answer: Table, form: str, output: Path) -> None:
    """Write *answer* beside *output* first, so that nobody ever sees half of it."""
    half = output.with_name(f".{output.name}.half")
    try:
        if form == "parquet":
            write_parquet(answer, half)
        else:
            with half.open("w", encoding="utf-8") as stream:
                write(answer, form, stream)
        half.replace(output)
    except OSError as error:
        raise EnvironmentLacks(problem=f"{output} can't be written: {error.strerror}") from error
    finally:
        half.unlink(missing_ok=True)
    click.echo(f"{len(answer.rows):,} rows written to {output}", err=True)


async def _ask(place: Place, query: str) -> Table:
    async with reading(place) as reader:
        return await reader.sql(query)
