"""House rules that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [p for top in ("events", "shared", "services") for p in sorted((ROOT / top).rglob("*.py"))]
TEXTS = {".py", ".md", ".toml", ".sql", ".yml", ".yaml", ".json", ".jsonl", ".conf", ""}
LINES_MAX, FUNCTION_MAX = 300, 45
TOP = {
    "events", "shared", "services", "infra", "tests", "docs", "benchmarks", ".ci", "docker-compose.yml", "justfile",
    "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", ".gitignore", ".dockerignore",
    ".python-version", ".editorconfig",
}  # fmt: skip


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_and_its_functions_fit_in_the_head(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_MAX, node.name


def test_every_service_has_the_same_rooms() -> None:
    for folder in (p for p in (ROOT / "services").iterdir() if p.is_dir() and p.name not in {"__pycache__", "console"}):
        assert (folder / "__init__.py").read_text().startswith('"""'), folder.name
        assert (folder / "service.py").exists(), folder.name
        assert (folder / "__main__.py").exists(), folder.name


def test_nothing_unexpected_lies_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP


def test_no_registry_address_and_no_lock_file_with_one_is_tracked() -> None:
    host = re.compile(r"https?://[^\s\"']*(pypi|pythonhosted|npmjs|debian)[^\s\"']*", re.IGNORECASE)
    found = []
    for path in tracked():
        assert path.name not in {"uv.lock", "poetry.lock", "pdm.lock"}
        if path.suffix in TEXTS and not path.is_symlink() and path.is_file() and "transcripts" not in path.parts:
            found += [(str(path), m[0]) for m in host.finditer(path.read_text(errors="replace"))]
    assert not found


def test_no_bare_except_and_no_eval() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path
