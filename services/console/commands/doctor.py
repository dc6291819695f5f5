"""`obra doctor`: what is installed, what is missing, what to do about it."""

import asyncio
import json

import click

from obra.services.console.options import Place, as_json, placed
from obra.shared.doctor import examine

MARKS = {"ok": "OK", "limited": "limited", "missing": "MISSING"}


@click.command(short_help="Say what is installed, what is missing and what to do about it.")
@as_json()
@placed
def doctor(place: Place, json_: bool) -> int:
    """Say what is installed, what is missing and what to do about it.

    Exits with 4 if something is missing that nothing works without.
    """
    findings = asyncio.run(examine(place.home, place.settings))
    well = not any(finding.essential and finding.state == "missing" for finding in findings)
    if json_:
        click.echo(json.dumps({"ok": well, "findings": [finding._asdict() for finding in findings]}))
        return 0 if well else 4
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.name:<{width}}  {MARKS[finding.state]:<7}  {finding.detail}")
        if finding.advice:
            click.echo(f"{'':<{width}}  {'':<7}  -> {finding.advice}")
    click.echo("\nObra can run." if well else "\nObra can't run before what is MISSING is there.")
    return 0 if well else 4
