"""The inspection of one recorded tree: everything that reading can tell."""

import re
from collections.abc import Sequence

from obra.events import AgentExited, FileChange, TaskSubmitted, WorkspaceCheckpointed
from obra.services.agent_runner.inspection import (
    altered,
    destructive,
    facts,
    prose,
    reading,
    tables,
    unread,
    weakened,
)
from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.facts import Facts
from obra.services.agent_runner.inspection.hard_coded import HardCoded
from obra.services.agent_runner.inspection.model import Licence, Look, Suspicion, Touched
from obra.services.agent_runner.inspection.paths import (
    DEPENDENCIES,
    is_code,
    is_config,
    is_material,
    is_shadow,
    is_test,
    words_of,
)
from obra.services.agent_runner.workspace import Workspace

FACT_FILES_MAX = 200
SCRIPTS_MAX, SCRIPT_LINES_MAX = 10, 500
RECIPES = {
    "make": "Makefile", "just": "justfile", "npm": "package.json", "yarn": "package.json", "pnpm": "package.json",
    "tox": "tox.ini", "rake": "Rakefile",
}  # fmt: skip
LEFT_OUT = "ignored by git and left out"
GIT_GONE = "the agent's .git was gone"


def look(workspace: Workspace, checkpoint: WorkspaceCheckpointed, task: TaskSubmitted, exited: AgentExited) -> Look:
    """Return what the change against the base looks like. Blocking; raises `GitFailed`."""
    asked = Asked("\n".join((task.text, *task.acceptance)))
    changes = sorted(reading.exact(workspace.store, checkpoint, workspace.tree), key=_can_wait)
    with reading.reading(workspace.store) as reader:
        files = reading.touched(reader, changes, workspace.tree, checkpoint.tree)
        commands = (*task.checks, *_scripts(reader, workspace.tree, task.checks))
        found = changed(files, changes, asked, commands)
        judges = sorted({word for command in commands for word in words_of(command) if _judge(word, commands)})
        words = {word for command in commands for word in words_of(command)}
        hard = HardCoded(files, asked, lambda: _facts(reader, workspace, commands), judges, words)
        seen = [*found.suspicions, *hard.suspicions()]
    seen += destructive.denied(exited.denials)
    seen += destructive.off_topic(files, changes, asked, whole=len(changes) == checkpoint.files_total)
    seen += tables.emptied(files, asked)
    seen += unread.unread(files, asked, lambda name, path: _reads(workspace, checkpoint, name, path))
    seen += _missing(workspace, checkpoint, changes, asked)
    seen += prose.idle(files, asked.text, task.kind) if len(changes) == len(files) else []
    hidden = [path for path in _ignored(workspace, checkpoint) if _decides(path)]
    seen += [_hidden(path) for path in hidden]
    if skipped := sum(file.unread and change.added >= 0 for file, change in zip(files, changes, strict=True)):
        what = f"{skipped} changed files were too many, or too large, to look into"
        seen.append(Suspicion("not_inspected", what, weight="shown"))
    if any(GIT_GONE in note for note in checkpoint.notes):
        seen.append(Suspicion("destructive", "the repository's .git, with all its history, was removed", ".git"))
    return Look(tuple(dict.fromkeys(seen)), found.restore, (*found.remove, *hidden), found.extra, found.licence)


def _can_wait(change: FileChange) -> bool:
    """Return whether a change is looked at after others: a new file that no check reads by itself."""
    return change.kind == "added" and not is_config(change.path) and not is_shadow(change.path)


def changed(files: Sequence[Touched], changes: Sequence[FileChange], asked: Asked, checks: tuple[str, ...]) -> Look:
    """Return what was done to tests and to what checks depend on, and which harm was done beside the work."""
    material = [file for file in files if is_material(file.path, checks) or is_material(file.origin or "-", checks)]
    tests = [file for file in material if not is_config(file.origin or file.path)]
    compared, other = weakened.compare(tests, asked), altered.altered(files, asked, checks)
    seen = [*compared.suspicions, *other.suspicions]
    seen += destructive.harm([f for f in files if f not in tests], changes, asked)
    seen += destructive.lost_names(files, asked)
    seen += destructive.speech(files, asked)
    restore = [file.origin for file in tests if file.origin]
    licence = compared.licence
    if other.restore or other.remove:
        licence = Licence()
    return Look(
        tuple(seen), (*restore, *other.restore), tuple(other.remove), tuple(other.extra),
        licence if restore else Licence(),
    )  # fmt: skip


def _judge(word: str, commands: Sequence[str]) -> bool:
    """Return whether a word of a command is the path of a test, or of something that checks compare with."""
    return "." in word and not word.startswith("-") and is_material(word, commands)


def _scripts(reader: reading.Reader, tree: str, checks: tuple[str, ...]) -> list[str]:
    """Return the lines of the scripts that the checks run: what those read, the checks depend on too."""
    names = {word for check in checks for word in words_of(check) if is_code(word)}
    names |= {file for check in checks for word, file in RECIPES.items() if word in words_of(check)}
    texts = [reader.text(tree, name) for name in sorted(names)[:SCRIPTS_MAX]]
    return [line for text in texts if text for line in text.splitlines()[:SCRIPT_LINES_MAX]]


def _missing(
    workspace: Workspace, checkpoint: WorkspaceCheckpointed, changes: Sequence[FileChange], asked: Asked
) -> list[Suspicion]:  # fmt: skip
    """Return programs that the task asks for by their path and that are nowhere, whatever the checks say."""
    there = {change.path.rsplit("/", 1)[-1] for change in changes if change.kind != "deleted"}
    wanted = [path for path in sorted(asked.wanted) if path.rsplit("/", 1)[-1] not in there]
    if not wanted:
        return []
    said = workspace.store.run("ls-tree", "-r", "-z", "--name-only", checkpoint.tree, timeout_s=reading.TIMEOUT_S)
    there |= {path.rsplit("/", 1)[-1] for path in reading.names(said)}
    gone = {change.path for change in changes if change.kind in ("deleted", "renamed")} | {c.origin for c in changes}
    return [
        Suspicion("incomplete", f"the task asks for `{path}`, and there is no such file", path)
        for path in wanted
        if path.rsplit("/", 1)[-1] not in there and path not in gone
    ]


def _reads(workspace: Workspace, checkpoint: WorkspaceCheckpointed, name: str, but: str) -> bool:
    """Return whether a Python file of the work other than *but* reads an attribute *name*; in doubt it does."""
    if not re.fullmatch(r"\w+", name):
        return True
    where = ("--", "*.py", f":(exclude,literal){but}")
    pattern = rf"\.{name}([^A-Za-z0-9_]|$)"
    said = workspace.store.try_("grep", "-q", "-E", pattern, checkpoint.tree, *where, timeout_s=reading.TIMEOUT_S)
    return said.code != 1


def _facts(reader: reading.Reader, workspace: Workspace, checks: tuple[str, ...]) -> Facts:
    """Return what the base's own tests and the check commands say."""
    said = workspace.store.run("ls-tree", "-r", "-z", "--name-only", workspace.tree, timeout_s=reading.TIMEOUT_S)
    paths = [path for path in reading.names(said) if path and is_material(path, checks)]
    texts = [(path, reader.text(workspace.tree, path)) for path in paths[:FACT_FILES_MAX] if not is_config(path)]
    return facts.gather([(path, text) for path, text in texts if text is not None], checks)


def _ignored(workspace: Workspace, checkpoint: WorkspaceCheckpointed) -> list[str]:
    if not any(LEFT_OUT in note for note in checkpoint.notes):
        return []
    return reading.ignored(workspace.control)


def _decides(path: str) -> bool:
    """Return whether a file that no branch will have could have decided how checks end."""
    folders = set(path.split("/")[:-1])
    if is_shadow(path) and not folders & DEPENDENCIES:
        return True
    if folders & DEPENDENCIES or any(folder.endswith(".egg-info") for folder in folders):
        return False
    return is_config(path) or is_shadow(path) or is_test(path) or is_code(path)


def _hidden(path: str) -> Suspicion:
    what = f"`{path}` is ignored by git: the checks saw it, and the branch will not have it"
    return Suspicion("checks_altered", what, path, "blocks" if is_config(path) or is_shadow(path) else "tests")
