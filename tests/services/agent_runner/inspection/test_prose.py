"""Examples in comments, docstrings and pages are no written-down answers, unless the program reads its own text."""

import pytest

from obra.services.agent_runner.inspection.model import Touched
from obra.services.agent_runner.inspection.prose import idle
from tests.services.agent_runner.inspection.scene import hard_coded

PYTHON = {
    "test_slug.py": "def test_slug():\n    assert slug('Hello big World') == 'hello-big-world'\n"
    "    assert slug('Top 10 of 2024') == 'top-10-of-2024'\n",
}
NODE = {
    "span.test.js": "test('a', () => {\n  assert.strictEqual(span('1h30m'), 5400);\n"
    "  assert.strictEqual(span('2d'), 172800);\n});\n",
}
TEXT = "Write the function that the tests are about."
CODE = "def slug(title):\n    return '-'.join(re.findall('[a-z0-9]+', title.lower()))\n"
SAID = "slug('Hello big World') is 'hello-big-world', slug('Top 10 of 2024') is 'top-10-of-2024'"
IN_PROGRAM = "\nif __name__ == '__main__':\n    print([slug(t) for t in ['Hello big World', 'Top 10 of 2024']])\n"
SPAN = "function span(text) {\n  return units(text).reduce((a, b) => a + b, 0);\n}\n"


def blocking(
    path: str, code: str, tests: dict[str, str], *, also: dict[str, str] | None = None, checks: tuple[str, ...] = ()
) -> bool:
    return any(finding.blocks for finding in hard_coded({}, {path: code, **(also or {})}, tests, TEXT, checks))


@pytest.mark.parametrize(
    "code",
    [
        f'"""Slugs: {SAID}."""\n\n{CODE}',
        f"# {SAID}\n{CODE}",
        CODE.replace("):\n", f"):\n    '''Make a slug.\n\n    >>> {SAID}\n    '''\n"),
        CODE.rstrip() + "  # 'hello-big-world', 'top-10-of-2024'\n",
        CODE + IN_PROGRAM,
    ],
)
def test_examples_in_python_are_no_answers(code: str) -> None:
    assert not blocking("slug.py", code, PYTHON)


@pytest.mark.parametrize(
    "comment",
    [
        "// span('1h30m') === 5400, span('2d') === 172800\n",
        "/* span('1h30m') === 5400,\n   span('2d') === 172800 */\n",
        "/**\n * @example span('1h30m') // 5400\n * @example span('2d') // 172800\n */\n",
    ],
)
def test_examples_in_comments_of_other_languages_are_no_answers(comment: str) -> None:
    assert not blocking("span.js", comment + SPAN, NODE)
    assert not blocking("span.sh", "# 1h30m gives 5400, 2d gives 172800\necho $(( $1 * 60 ))\n", NODE)


def test_examples_on_a_page_are_no_answers() -> None:
    assert not blocking("README.md", f"# Slugs\n\n{SAID}\n", PYTHON, also={"slug.py": CODE})


@pytest.mark.parametrize(
    "code",
    [
        f'"""{SAID}"""\n\ndef slug(title):\n    return __doc__.split()[title[0] == "T"]\n',
        f"# {SAID}\ndef slug(title):\n    return open(__file__).read().split()[1]\n",
        f"def slug(title):\n    '''{SAID}'''\n    return inspect.getdoc(slug).split()[1]\n",
        f"# {SAID}\ndef slug(title):\n    return open('slug.py').read()\n",
    ],
)
def test_a_program_that_reads_its_own_text_has_its_comments_looked_at(code: str) -> None:
    assert blocking("slug.py", code, PYTHON)


def test_a_page_that_the_program_reads_is_looked_at() -> None:
    reads = {"slug.py": "def slug(title):\n    return open('ANSWERS.md').read()\n"}
    assert blocking("ANSWERS.md", SAID, PYTHON, also=reads)
    knows_itself = "// 1h30m: 5400, 2d: 172800\nfunction span(text) {\n  return span.toString();\n}\n"
    assert blocking("span.js", knows_itself, NODE)


@pytest.mark.parametrize("check", ["python slug.py", "python -m slug", "sh -c 'python ./slug.py | diff - out'"])
def test_what_a_module_does_when_it_is_run_counts_where_a_check_runs_it(check: str) -> None:
    program = "if __name__ == '__main__':\n    print(['hello-big-world', 'top-10-of-2024'][len(argv)])\n"
    assert not blocking("slug.py", CODE + program, PYTHON)
    assert blocking("slug.py", CODE + program, PYTHON, checks=(check,))


def test_code_beside_a_comment_counts() -> None:
    assert blocking("span.js", "/* a */ const T = {'1h30m': 5400, '2d': 172800};\n", NODE)
    assert blocking("slug.py", "'''a'''; T = ['hello-big-world', 'top-10-of-2024']\n", PYTHON)


def test_lines_that_were_there_are_not_new_because_their_comment_is_passed_over() -> None:
    rows = "    'Hello big World': 'hello-big-world',  # a\n    'Top 10 of 2024': 'top-10-of-2024',  # b\n"
    old = f"T = {{  # table\n{rows}}}\n"
    assert hard_coded({"slug.py": old}, {"slug.py": f"{old}\n{CODE}"}, PYTHON, TEXT) == []


def test_a_class_that_holds_its_docstring_alone_is_still_read_as_python() -> None:
    documented = 'class SlugError(Exception):\n    """No slug."""\n\n\n'
    code = "def slug(title, known):\n    return {'Hello big World': known.get('hello-big-world', '')}\n"
    assert not blocking("slug.py", documented + code, PYTHON)
    assert blocking("slug.py", documented + "T = ['hello-big-world', 'top-10-of-2024']\n", PYTHON)


OLD = 'def add(a, b):\n    """Add."""\n    return a + b\n'
WANTED = "Make `add` in `calc.py` reject negative numbers."


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("calc.py", OLD, OLD.replace("Add.", "Add; negative numbers are rejected.")),
        ("calc.py", OLD, "# rejects negative numbers\n\n" + OLD),
        ("calc.js", "let a = 1;\n", "// rejects\n/* negative\n   numbers */\n\nlet a = 1;\n"),
        ("calc.sh", "#!/bin/sh\necho 1\n", "#!/bin/sh\n# rejects\necho 1\n"),
    ],
)
def test_comments_alone_change_no_behaviour(path: str, old: str, new: str) -> None:
    (seen,) = idle([Touched(path, path, old, new)], WANTED, "")
    assert (seen.kind, seen.path, seen.weight) == ("incomplete", path, "blocks")


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("calc.py", OLD, OLD.replace("a + b", "abs(a + b)")),
        ("calc.py", OLD, OLD.replace("return", "  return")),
        ("calc.py", OLD, OLD.replace("(a, b)", "(\n    a, b\n)")),
        ("calc.py", OLD, "import os  # noqa\n" + OLD),
        ("calc.py", OLD, OLD + "# type: ignore\n"),
        ("calc.py", "x = '''\n# a\n'''\n", "x = '''\n# b\n'''\n"),
        ("calc.sh", "#!/bin/sh\necho 1\n", "#!/bin/bash\necho 1\n"),
        ("calc.sh", "cat <<X\n# a\nX\n", "cat <<X\n# b\nX\n"),
        ("calc.js", "say(`\n// a\n`)\n", "say(`\n// b\n`)\n"),
        ("calc.c", "#define A 1\n", "#define A 2\n"),
        ("calc.sh", "echo 1\n", "echo 1\n"),
        ("data.csv", "# a\n", "# b\n"),
        ("README.md", "a\n", "b\n"),
    ],
)
def test_whatever_may_act_is_a_change(path: str, old: str, new: str) -> None:
    assert idle([Touched(path, path, old, new)], WANTED, "") == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Add comments to `add`.", ""), ("Fix the typos in calc.py.", ""), ("Write docstrings.", ""),
        ("Reformat calc.py.", ""),
        ("Add our licence header to every file.", ""), (WANTED, "documentation"), ("Refactor calc.py.", ""),
    ],
)  # fmt: skip
def test_who_asks_for_words_gets_them(text: str, kind: str) -> None:
    assert idle([Touched("calc.py", "calc.py", OLD, OLD.replace("Add.", "Sum."))], text, kind) == []


def test_comments_beside_another_change_are_nothing_to_speak_of() -> None:
    files = [Touched("calc.py", "calc.py", OLD, "# a\n" + OLD), Touched("new.json", "", None, "{}\n")]
    assert idle(files, WANTED, "") == []
    assert idle([], WANTED, "") == []
