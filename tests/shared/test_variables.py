"""What agents are given by name: replaced where it was given, and nowhere else."""

import json
from pathlib import Path

import pytest

from obra.events.subjects import Scope
from obra.shared.errors import BadUsage
from obra.shared.home import Home, write_private
from obra.shared.variables import replace_variables, variables


async def test_a_new_key_reaches_the_open_tasks_of_a_project_that_have_the_old_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    given = {
        Scope("shop", "a"): {"PATH": "/bin", "KEY": "old"},
        Scope("shop", "b"): {"PATH": "/bin"},
        Scope("other", "c"): {"PATH": "/bin", "KEY": "old"},
    }
    for scope, values in given.items():
        write_private(home.environment(scope), json.dumps(values).encode())
    assert await replace_variables(home, "shop", {"KEY": "new"}) == 1
    assert [json.loads(home.environment(scope).read_text()) for scope in given] == [
        {"PATH": "/bin", "KEY": "new"}, {"PATH": "/bin"}, {"PATH": "/bin", "KEY": "old"}
    ]  # fmt: skip
    assert home.environment(Scope("shop", "a")).stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadUsage, match="no open task of project 'shop' was given YEK"):
        await replace_variables(home, "shop", {"YEK": "new"})


def test_variables_come_with_their_value_or_with_yours() -> None:
    assert variables(["A=1", "B"], {"B": "2"}) == {"A": "1", "B": "2"}
    with pytest.raises(BadUsage, match="your environment has no C"):
        variables(["C"], {})
