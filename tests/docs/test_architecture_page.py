"""The page on architecture says of each service what the service declares of itself."""

import re
from pathlib import Path

import pytest

from obra.events import KINDS
from obra.events.subjects import name
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service
from obra.shared.services import NAMES, make

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
ROW = re.compile(r"\| ([a-z-]*) ?\| (.+) \| (.+) \|")


def told(cells: list[str]) -> set[str]:
    return set(re.findall(r"[a-z]+\.[a-z_]+", " ".join(cells))) & set(KINDS)


def rows() -> dict[str, tuple[list[str], list[str]]]:
    """What each service hears and answers, cell by cell; a row without a name goes on with the one above."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    service = ""
    for line in PAGE.read_text().splitlines():
        if (row := ROW.fullmatch(line)) and (service := row[1] or service) in NAMES:
            hears, answers = found.setdefault(service, ([], []))
            assert not (row[1] and hears), f"{service} begins twice"
            hears.append(row[2])
            answers.append(row[3])
    return found


@pytest.mark.parametrize("service", NAMES)
def test_what_a_service_says_stands_in_its_rows_and_nothing_else(service: str, tmp_path: Path) -> None:
    declared: Service = make(service, Settings(), Home(tmp_path))
    hears, answers = rows()[service]
    assert told(answers) == {name(kind) for kind in declared.says}
    follows_everything = not declared.hears
    assert follows_everything or told(hears) <= {name(kind) for kind in declared.hears}
