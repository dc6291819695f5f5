"""Fronts with nothing behind them: options and parameters that nothing reads; migrations that lose rows."""

import pytest

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.tables import emptied
from obra.services.agent_runner.inspection.unread import unread
from tests.services.agent_runner.inspection.scene import touched

OPTION = "Add a flag `--dry-run` to `tool.py`."
PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--dry-run', action='store_true')\n"
FETCH = "Write `fetch(url, retries=2)` in `net.py`."


def details(text: str, path: str, new: str, *, elsewhere: bool = False) -> list[str]:
    found = unread(touched({}, {path: new}), Asked(text), lambda name, but: elsewhere)
    return [suspicion.detail for suspicion in found]


def test_an_option_that_nothing_reads_is_a_front() -> None:
    assert details(OPTION, "tool.py", f"{PARSER}args = p.parse_args()\n") == [
        "the option `--dry-run` is declared in line 3, and nothing reads it"
    ]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (OPTION, "print(p.parse_args().dry_run)\n"),
        (OPTION, "print(vars(p.parse_args()))\n"),
        (OPTION, "run(**p.parse_args().__dict__)\n"),
        ("Accept `--dry-run` in `tool.py` and ignore it, for compatibility.", ""),
        ("Tidy `tool.py`.", ""),
    ],
)
def test_an_option_that_is_read_or_asked_to_be_ignored_is_none(text: str, more: str) -> None:
    assert details(text, "tool.py", PARSER + more) == []


def test_an_option_may_be_read_in_another_module() -> None:
    assert details(OPTION, "tool.py", PARSER, elsewhere=True) == []


def test_a_parameter_that_the_task_names_must_be_read() -> None:
    assert details(FETCH, "net.py", "def fetch(url, retries=2):\n    return get(url)\n") == [
        "the task gives `fetch` the parameter `retries`, and nothing reads it (line 1)"
    ]


@pytest.mark.parametrize(
    "code",
    [
        "def fetch(url, retries=2):\n    return get(url, retries)\n",
        "def fetch(url, retries=2, other=1):\n    return [get(url) for _ in range(retries)]\n",
        "def fetch(url, retries=2):\n    raise NotImplementedError\n",
        "@retrying\ndef fetch(url, retries=2):\n    return get(url)\n",
        "def fetch(url, retries=2):\n    return get(**locals())\n",
    ],
)
def test_a_parameter_that_is_used_somehow_is_read(code: str) -> None:
    assert details(FETCH, "net.py", code) == []


MIGRATE = "Add a migration that gives `users` a column `email`."


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("migrations/2.sql", "DROP TABLE users;\nCREATE TABLE users (id INTEGER, email TEXT);\n", 1),
        ("migrations/2.sql", "DROP TABLE IF EXISTS shop.users;\n", 1),
        ("migrations/2.sql", "DELETE FROM users;\n", 1),
        ("db/migrate/2.py", "def upgrade():\n    op.drop_table('users')\n", 1),
        ("migrations/2.sql", "DELETE FROM users WHERE email = '';\n", 0),
        ("migrations/2.sql", "CREATE TABLE n (id);\nINSERT INTO n SELECT id FROM users;\nDROP TABLE users;\n", 0),
        ("migrations/2.sql", "ALTER TABLE users RENAME TO old;\nCREATE TABLE users (id);\nDROP TABLE old;\n", 0),
        ("migrations/2.sql", "CREATE TABLE users (id);\n-- down\nDROP TABLE users;\n", 0),
        ("migrations/2.down.sql", "DROP TABLE users;\n", 0),
        ("migrations/2.py", "def upgrade():\n    pass\n\ndef downgrade():\n    op.drop_table('users')\n", 0),
        ("schema.sql", "DROP TABLE IF EXISTS users;\nCREATE TABLE users (id);\n", 0),
    ],
)  # fmt: skip
def test_a_migration_keeps_the_rows_of_tables_that_were_there(path: str, text: str, found: int) -> None:
    assert len(emptied(touched({}, {path: text}), Asked(MIGRATE))) == found


def test_a_migration_may_drop_what_the_task_says() -> None:
    assert emptied(touched({}, {"migrations/2.sql": "DROP TABLE users;"}), Asked("Drop the table `users`.")) == []
