"""`obra ab`: two prompt templates on the same inputs, with paired statistics and the raw rows."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import reading
from obra.services.console.render.table import grid
from obra.services.console.render.text import page
from obra.shared.config import LlmSettings
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.home import write_private
from obra.shared.llm import Provider
from obra.shared.llm.names import FORMS, named
from obra.shared.trial import Row
from obra.shared.trial.inputs import Input, of_file, of_task, shipped
from obra.shared.trial.run import Model, run, templates
from obra.shared.trial.statistics import ALPHA_TEXT, PAIRS_MIN, Comparison, available, compare

HEAD = ("measure", "pairs", "mean A", "mean B", "B - A", "95 % interval", "p", "better")


@click.command(short_help="Compare two prompt templates on the same inputs.")
@click.option("--a", "a", required=True, metavar="TEMPLATE", help="`hybrid`, `plain`, or a version like `plain-1`.")
@click.option("--b", "b", required=True, metavar="TEMPLATE", help="The other one.")
@click.option("--inputs", multiple=True, metavar="FILE|TASK", help="Recorded inputs. Repeatable. [default: shipped]")
@click.option("--llm", default="auto", metavar="LLM", help="Who reads the prompts; `none` counts tokens alone.")
@click.option("--rows", type=click.Path(path_type=Path), help="Where the raw rows go. [default: below OBRA_HOME]")
@in_project
@as_json("Print one JSON object; the rows go to the file all the same.")
@placed
def ab(
    place: Place, a: str, b: str, inputs: tuple[str, ...], llm: str, rows: Path | None, project: str | None, json_: bool
) -> int:
    """Run recorded inputs through templates A and B, ask a model about each prompt, and compare.

    A winner is named only where differences on the same inputs can hardly be chance, and never on few inputs.
    """
    for name in (a, b):
        if name not in templates():
            raise BadUsage(problem=f"there is no template {name!r}; there are: {', '.join(templates())}")
    available()
    pairs, who, why = asyncio.run(_run(place, a, b, inputs, llm, project))
    target = rows or place.home.root / "ab" / f"{a}-{b}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_private(target, b"".join(json.dumps(asdict(row)).encode() + b"\n" for pair in pairs for row in pair))
    compared = compare(pairs)
    if json_:
        told = {"a": a, "b": b, "inputs": len(pairs), "llm": who, "reason": why, "rows": str(target)}
        click.echo(json.dumps(told | {"measures": [asdict(each) for each in compared]}))
        return 0
    _say(a, b, compared, who, why)
    click.echo(f"raw rows: {target}")
    return 0


async def _run(
    place: Place, a: str, b: str, asked: Sequence[str], llm: str, project: str | None
) -> tuple[list[tuple[Row, Row]], str, str]:
    """Return the rows, which model was asked, and why none was."""
    inputs = await _inputs(place, asked, project)
    model, why = await _model(place.settings.llm, llm)
    try:
        pairs = [pair async for pair in run(inputs, a, b, place.settings, model)]
    finally:
        if model:
            await model.provider.close()
    return pairs, f"{model.provider.name}/{model.name}" if model else "none", why


async def _inputs(place: Place, asked: Sequence[str], project: str | None) -> list[Input]:
    if not asked:
        return shipped()
    found = list[Input]()
    for each in asked:
        found += of_file(Path(each)) if _is_file(each) else await _of_task(place, each, project)
    if not found:
        raise BadUsage(problem="no prompt was prepared in those tasks yet")
    return found


def _is_file(name: str) -> bool:
    return Path(name).is_file()


async def _of_task(place: Place, task: str, project: str | None) -> list[Input]:
    async with reading(place) as reader:
        past = await reader.past(place.scope(task, project))
    return of_task(task, [recorded.event for recorded in past])


async def _model(settings: LlmSettings, llm: str) -> tuple[Model | None, str]:
    """Return the model to ask, and else why none is: as with `--llm` of `obra run`, but a named one must answer."""
    if llm == "none":
        return None, "none was asked for"
    choice = (settings.provider, settings.model) if llm == "auto" else named(llm)
    if choice is None:
        raise BadUsage(problem=f"--llm {llm!r}: give {FORMS}")
    provider = _provider(choice[0], settings)
    try:
        probe = await provider.probe(choice[1])
        ready, reason = probe.ready, probe.reason
    except Exception as error:
        await provider.close()
        if llm != "auto":
            raise
        return None, str(error)
    if ready:
        return Model(provider, choice[1]), ""
    await provider.close()
    if llm != "auto":
        raise EnvironmentLacks(problem=f"--llm {llm}: {reason}")
    return None, reason


def _provider(name: str, settings: LlmSettings) -> Provider:
    from obra.shared.llm.ollama import Ollama  # noqa: PLC0415 - only whoever asks
    from obra.shared.llm.openai import OpenAI  # noqa: PLC0415

    return Ollama(settings) if name == "ollama" else OpenAI(settings)


def _say(a: str, b: str, compared: Sequence[Comparison], who: str, why: str) -> None:
    click.echo(f"A is {a}, B is {b}; asked: {who}" + (f" ({why})" if why else ""))
    table: list[list[Any]] = [
        [c.measure, c.pairs, c.mean_a, c.mean_b, c.difference, f"{c.low} to {c.high}", c.p, c.winner.upper() or "-"]
        for c in compared
    ]
    page(grid(HEAD, table))
    click.echo(f"p: {ALPHA_TEXT}; interval: bootstrap of the mean difference.")
    for each in compared:
        if not each.winner:
            click.echo(f"{each.measure}: no winner: {each.why}")
    if who == "none":
        click.echo("no model was asked: tokens are counted, what a model makes of the prompts is not known")
    if compared and compared[0].pairs < PAIRS_MIN:
        click.echo(f"add inputs: with fewer than {PAIRS_MIN} pairs nothing is called better")
