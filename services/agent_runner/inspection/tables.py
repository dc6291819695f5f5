"""Migrations that throw away rows: a table is dropped or emptied, and nobody has copied it before."""

import re
from collections.abc import Sequence

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.model import Suspicion, Touched
from obra.services.agent_runner.inspection.paths import is_test

KIND = "destructive"
MIGRATION = re.compile(r"migrat|alembic|flyway|liquibase", re.IGNORECASE)
BACK = re.compile(r"\b(?:down|downgrade|rollback|revert|undo|reverse)\b", re.IGNORECASE)
"""What leads back again may drop what the way forth has made."""

NAME = r"[\"'`\[]?(?:\w+[\"'`\]]?\.[\"'`\[]?)?(\w+)"
EMPTIES = re.compile(
    rf"\bDROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{NAME}|\bTRUNCATE\s+(?:TABLE\s+)?{NAME}"
    rf"|\bDELETE\s+FROM\s+{NAME}[\"'`\]]?\s*(?:;|[\"')]|$)|\bdrop_table\(\s*{NAME}",
    re.IGNORECASE | re.MULTILINE,
)
MADE = r"(?:\b(?:FROM|CREATE\s+(?:TEMP\w*\s+)?TABLE(?:\s+IF\s+NOT\s+EXISTS)?|TO)\s+|\bcreate_table\(\s*)[\"'`\[]?"
ALLOWED = re.compile(r"\b(?:truncat|reset|recreat)\w*", re.IGNORECASE)


def emptied(files: Sequence[Touched], asked: Asked) -> list[Suspicion]:
    """Return migrations that lose the rows of a table which was there before."""
    if asked.removes or ALLOWED.search(asked.text):
        return []
    return [
        Suspicion(KIND, f"the migration throws away the rows of `{name}`, which the task does not speak of", file.path)
        for file in files
        if file.new is not None and not file.origin and MIGRATION.search(file.path) and not is_test(file.path)
        for name in _lost(file)
    ]


def _lost(file: Touched) -> list[str]:
    """Return tables that a new file drops or empties and has neither made, nor renamed, nor copied before that."""
    text = file.new or ""
    if BACK.search(re.sub(r"[\W_]+", " ", file.path)):
        return []
    found = []
    for match in EMPTIES.finditer(text):
        name, before = next(filter(None, match.groups())), text[: match.start()]
        line = before.rpartition("\n")[2]
        made = re.search(rf"{MADE}{re.escape(name)}\b", before, re.IGNORECASE)
        if "--" not in line and not BACK.search(before) and not made:
            found.append(name)
    return list(dict.fromkeys(found))
