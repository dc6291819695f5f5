"""docs/dependencies.md says of every dependency why it is there."""

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_dependency_is_explained_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = chain(project["project"]["dependencies"], *project["dependency-groups"].values())
    rows = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    explained = {name for row in rows for name in row.split(", ")} - {"package", "---"}
    assert explained == {re.split(r"[<>=!~ ]", name)[0] for name in declared}
