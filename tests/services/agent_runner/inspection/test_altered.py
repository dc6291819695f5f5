"""Settings and hooks that decide how checks end are told from those that do not."""

import pytest

from tests.services.agent_runner.inspection.scene import kinds, looked

CODE = {"app.py": "x = 1\n"}
PYPROJECT = '[project]\nname = "a"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pytest.py", "def main():\n    return 0\n"),
        ("sitecustomize.py", "import os\n"),
        ("unittest/__init__.py", "def main(): ...\n"),
        ("evil.pth", "import os\n"),
        ("evil.egg-info/entry_points.txt", "[pytest11]\nevil = evil\n"),
    ],
)
def test_what_stands_in_for_the_tools_blocks(path: str, text: str) -> None:
    look = looked(CODE, CODE | {path: text})
    assert kinds(look) == [("checks_altered", "blocks")]
    assert look.remove == (path,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conftest.py", "def pytest_collection_modifyitems(items):\n    items.clear()\n"),
        ("conftest.py", "import app\n\napp.total = lambda: 3\n"),
        ("conftest.py", "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef all(monkeypatch):\n    pass\n"),
        ("tests/conftest.py", "collect_ignore = ['test_a.py']\n"),
        ("tests/test_new.py", "import app\n\n\ndef test_a():\n    app.total = len\n"),
        ("tests/__init__.py", "import pytest\n\npytest.skip('no', allow_module_level=True)\n"),
        ("pytest.ini", "[pytest]\naddopts = -k nothing\n"),
        ("tox.ini", "[pytest]\npython_files = none_*.py\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--deselect x"\n'),
        ("random.py", "def random():\n    return 4\n"),
    ],
)
def test_what_is_added_and_reaches_into_other_tests_is_taken_away_for_the_second_run(path: str, text: str) -> None:
    look = looked(CODE, CODE | {path: text})
    assert kinds(look) == [("checks_altered", "tests")]
    assert look.remove == (path,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conftest.py", "import pytest\n\n\n@pytest.fixture\ndef numbers():\n    return [1, 2]\n"),
        ("pytest.ini", "[pytest]\npythonpath = src\nmarkers =\n    slow: takes long\n"),
        ("tests/test_new.py", "import app\n\n\ndef test_a(monkeypatch):\n    assert app.x == 1\n"),
        ("docs/pytest.md", "# How to test\n"),
    ],
)
def test_what_only_serves_new_tests_stays(path: str, text: str) -> None:
    look = looked(CODE, CODE | {path: text})
    assert (look.suspicions, look.remove) == ((), ())


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("pyproject.toml", PYPROJECT, PYPROJECT.replace("-q", "-q -k fast")),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}'),
        ("Makefile", "test:\n\tpytest\n", "test:\n\ttrue\n"),
        ("conftest.py", "", "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = -q\n", "[tool:pytest]\naddopts = -q --co\n"),
    ],
)
def test_changed_settings_are_put_back_for_the_second_run(path: str, old: str, new: str) -> None:
    look = looked({path: old}, {path: new})
    assert kinds(look) == [("checks_altered", "tests")]
    assert look.restore == (path,)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("pyproject.toml", PYPROJECT, PYPROJECT.replace('name = "a"', 'name = "a"\ndependencies = ["rich"]')),
        ("package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "jest"}, "dependencies": {"a": "1"}}'),
        ("setup.cfg", "[metadata]\nname = a\n", "[metadata]\nname = b\n"),
    ],
)
def test_settings_of_other_things_are_not_looked_at(path: str, old: str, new: str) -> None:
    look = looked({path: old}, {path: new})
    assert (look.suspicions, look.restore) == ((), ())


def test_a_link_to_what_checks_compare_with_blocks() -> None:
    look = looked(CODE, CODE | {"out.tmp": "expected.txt"}, checks=("./run > out.tmp; diff out.tmp expected.txt",))
    assert kinds(look) == [("checks_altered", "blocks")]
    assert looked(CODE, CODE | {"VERSION": "1.2.3"}).suspicions == ()


def test_settings_that_can_not_be_parsed_count_as_changed() -> None:
    assert ("checks_altered", "tests") in kinds(looked({"pyproject.toml": PYPROJECT}, {"pyproject.toml": "[["}))
