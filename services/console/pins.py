"""Lets go of references in people's repositories: the base of tasks that can't be returned to it any more."""

from collections import defaultdict
from pathlib import Path

from obra.services.console.options import Place
from obra.services.console.reading import OVER, rows
from obra.shared.errors import ObraError
from obra.shared.git import Git
from obra.shared.log import get_logger

PRUNED = """
    WITH forgot AS (
        SELECT max(body.through::UBIGINT) AS through FROM event WHERE type = 'stream.pruned'
    ), ended AS (
        SELECT project, task, max(position) AS position FROM event
        WHERE type IN ('task.completed', 'task.failed', 'task.cancelled', 'task.rejected') GROUP BY ALL
    ), pruned AS (
        SELECT t.project, t.task, t.repo FROM task t JOIN ended e USING (project, task), forgot
        WHERE t.status IN {over} AND e.position <= forgot.through
    )
    SELECT DISTINCT p.repo, p.task, s.body.base::VARCHAR AS base FROM pruned p JOIN event s USING (project, task)
    WHERE s.type = 'attempt.started' AND s.body.base::VARCHAR <> '' AND NOT EXISTS (
        FROM task o WHERE o.repo = p.repo AND o.task = p.task AND (o.project, o.task) NOT IN (
            SELECT (project, task) FROM pruned
        )
    )
"""
"""The base of each task that is over and whose past the stream has let go of. Projects may call their tasks alike."""

FORM = "--format=%(refname) %(objectname)"

log = get_logger("console")


async def of_pruned(place: Place) -> dict[str, dict[str, str]]:
    """Return by repository which references are of no more use, each with the commit that it should stand at."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await rows(place, PRUNED.format(over=OVER)):
        found[str(row["repo"])][f"refs/obra/{row['task']}/base"] = str(row["base"])
    return found


def let_go(pins: dict[str, dict[str, str]], *, dry_run: bool) -> int:
    """Remove *pins*, where they stand as they should, or only look with *dry_run*; return how many. Blocking."""
    return sum(_let_go(Path(repo), wanted, dry_run=dry_run) for repo, wanted in pins.items())


def _let_go(repo: Path, wanted: dict[str, str], *, dry_run: bool) -> int:
    if not repo.is_dir():
        return 0
    try:
        git = Git(cwd=repo)
        there = [line.split() for line in git.run("for-each-ref", FORM, "refs/obra/").text.splitlines()]
        gone = [(name, commit) for name, commit in there if wanted.get(name) == commit]
        if gone and not dry_run:
            said = "".join(f"delete {name} {commit}\n" for name, commit in gone)
            git.run("update-ref", "--stdin", data=said.encode())
    except ObraError as error:
        log.warning("references of old tasks stay", repo=str(repo), why=str(error))
        return 0
    return len(gone)
