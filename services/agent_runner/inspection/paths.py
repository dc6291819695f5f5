"""What a path says of a file: a test, something that checks depend on, a program, a text that nobody runs."""

import re
import shlex
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import PurePosixPath

TEST_FOLDERS = frozenset(
    {"tests", "test", "__tests__", "spec", "specs", "e2e", "testdata", "__snapshots__", "snapshots", "fixtures"}
)
TEST_NAME = re.compile(
    r"^(test_.*|.*_test|.*_tests|tests?|.*[.-](test|spec)|.*_spec|conftest)\.[a-z]{1,5}$"
    r"|^[A-Z]\w*(Test|Tests|Spec|IT)\.(java|kt|scala|cs|swift|groovy)$|\.(bats|snap|approved\.\w+)$"
)
CODE = frozenset(
    {"py", "pyi", "js", "mjs", "cjs", "ts", "tsx", "jsx", "go", "rs", "java", "kt", "scala", "cs", "swift", "rb",
     "php", "pl", "lua", "sh", "bash", "zsh", "ps1", "c", "h", "cc", "cpp", "hpp", "m", "r", "jl", "ex", "exs",
     "clj", "hs", "ml", "dart", "groovy", "awk", "sql", "vue", "svelte"}
)  # fmt: skip
CONFIG = frozenset(
    {"conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "noxfile.py", "makefile", "gnumakefile",
     "justfile", ".justfile", "taskfile.yml", "package.json", "rakefile", ".coveragerc", "pyproject.toml",
     "phpunit.xml", ".mocharc.json", ".mocharc.js", ".mocharc.yml", ".rspec", "karma.conf.js"}
)  # fmt: skip
CONFIG_STEM = re.compile(r"^(jest|vitest|playwright|cypress|ava)\.(config|setup)\.\w+$")
SHADOWS = frozenset(
    {"pytest", "_pytest", "py", "pluggy", "unittest", "doctest", "nose", "coverage", "hypothesis", "sitecustomize",
     "usercustomize", "iniconfig", "exceptiongroup", "node", "npm", "npx", "make", "python", "python3", "bash", "sh"}
)  # fmt: skip
"""Names of what runs tests, or is loaded as any Python starts: a file of that name at the root stands in for it."""

JUDGES = re.compile(r"test|check|verif|spec|expect|golden|snapshot|smoke|valid|assert|lint|\bci\b", re.IGNORECASE)
DATA = frozenset(
    {"txt", "json", "csv", "tsv", "out", "expected", "golden", "yaml", "yml", "xml", "html", "md", "ini", "log",
     "dat"}
)  # fmt: skip
DEPENDENCIES = frozenset(
    {"node_modules", ".venv", "venv", "env", ".tox", ".nox", "vendor", "target", "dist", "build", ".git", "__pycache__",
     ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".eggs", "site-packages"}
)  # fmt: skip


def suffix(path: str) -> str:
    """Return a path's extension, without the dot, in lower case."""
    return PurePosixPath(path).suffix.lower().lstrip(".")


def is_test(path: str) -> bool:
    """Return whether a file is a test, or lies among tests and so belongs to them."""
    *folders, name = path.split("/")
    return any(folder.lower() in TEST_FOLDERS for folder in folders) or bool(TEST_NAME.search(name))


def is_config(path: str) -> bool:
    """Return whether runners of tests read a file of that name without being told to."""
    name = path.rsplit("/", 1)[-1].lower()
    return name in CONFIG or bool(CONFIG_STEM.match(name))


def is_shadow(path: str) -> bool:
    """Return whether a new file stands in for what runs tests: at the root, where commands start, or on a PATH."""
    first, _, rest = path.partition("/")
    stem = first.split(".")[0]
    if stem in SHADOWS and (suffix(path) in ("py", "pyc", "so", "pth") or not rest):
        return suffix(path) not in ("md", "txt", "toml", "cfg", "ini", "yml", "yaml", "json")
    return path.endswith(".pth") or path.rsplit("/", 1)[-1] in (
        "sitecustomize.py",
        "usercustomize.py",
        "entry_points.txt",
    )


def is_code(path: str) -> bool:
    """Return whether a file is a program, or is run although its name does not say so."""
    return suffix(path) in CODE or ("." not in path.rsplit("/", 1)[-1] and path.startswith("bin/"))


@lru_cache(maxsize=256)
def words_of(command: str) -> frozenset[str]:
    """Return what in a check command may be a path, without leading ``./``."""
    text = re.sub(r"[;&|()<>$`\"'=]", " ", command)
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return frozenset(word.removeprefix("./").split("::")[0] for word in words)


def judges(path: str, commands: Iterable[str]) -> bool:
    """Return whether a check command runs or compares with *path*, so that the file is part of the check.

    A command also names what it checks. A file is taken for a judge if it is called one, or is data that the
    command compares with.
    """
    for command in commands:
        if path not in words_of(command):
            continue
        compares = re.search(r"\b(diff|cmp|comm)\b", command) and suffix(path) in DATA
        if JUDGES.search(path.rsplit("/", 1)[-1]) or compares:
            return True
    return False


def is_material(path: str, commands: Collection[str]) -> bool:
    """Return whether how the checks end can depend on a file: a test, what belongs to tests, a configuration."""
    return is_test(path) or is_config(path) or judges(path, commands)
