"""New code that no check runs is named, but for what only gives up."""

import pytest

from obra.services.agent_runner.inspection.unseen import unseen
from tests.services.agent_runner.inspection.scene import touched

OLD = "def put(self, key):\n    self.all[key] = 1\n"
NEW = f"{OLD}    if len(self.all) > self.size:\n        self.all.pop(next(iter(self.all)))\n"


def detail(new: str, *ran: int, old: str = "") -> str:
    (file,) = touched({"a.py": old} if old else {}, {"a.py": new})
    found = unseen(file, frozenset(ran))
    return found.detail if found else ""


def test_a_new_line_that_no_check_runs_is_named() -> None:
    assert detail(NEW, 1, 2, 3, old=OLD) == (
        "no check runs a new line of the work: line 4: `self.all.pop(next(iter(self.all)))`"
    )


def test_what_was_there_before_is_not() -> None:
    assert detail(NEW, 1, 3, 4, old=OLD) == ""


def test_several_are_counted_and_the_first_ones_shown() -> None:
    body = "".join(f"    do({n})\n" for n in range(5))
    assert detail(f"def f():\n{body}", 1) == (
        "no check runs 5 new lines of the work: line 2: `do(0)`; line 3: `do(1)`; line 4: `do(2)`"
    )


@pytest.mark.parametrize(
    "body",
    [
        "    raise ValueError(x)\n",
        "    return None\n",
        "    return\n",
        "    '''Explains.'''\n",
        "    sys.exit('no')\n",
        "    y: int\n",
        "    import os\n",
        "    try:\n        pass\n    except OSError:\n        log(x)\n",
    ],
)
def test_what_gives_up_or_does_not_run_is_left_out(body: str) -> None:
    assert detail(f"def f(x):\n{body}") == ""


def test_a_statement_of_several_lines_was_run_if_any_of_them_was() -> None:
    assert detail("def f(x):\n    if (\n        x\n    ):\n        return [\n            x,\n        ]\n", 3, 6) == ""


def test_lines_of_modules_run_as_they_are_imported_or_as_an_example() -> None:
    assert detail("x = 1\nif __name__ == '__main__':\n    print(x)\n") == ""
