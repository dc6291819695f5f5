"""The base's own tests against the new code: what the agent has done to tests is undone, and the checks run again."""

import shutil
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from obra.events import CheckResult, ChecksRan, Finding
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.inspection.model import Look, Suspicion
from obra.services.agent_runner.inspection.paths import words_of
from obra.services.agent_runner.workspace import Workspace
from obra.shared.git import LONG_S

Check = Callable[[], Awaitable[ChecksRan]]
Do = Callable[..., Awaitable[None]]


def put_back(workspace: Workspace, commit: str, restore: Collection[str], remove: Collection[str]) -> None:
    """Make the workspace what *commit* holds, with *restore* as at the base and without *remove*. Blocking."""
    workspaces.begin(workspace, commit)
    git = workspace.control
    if restore:
        git.run("checkout", "-q", workspace.tree, "--", *_exactly(restore), timeout_s=LONG_S)
    if remove:
        git.run("rm", "-q", "-f", "--ignore-unmatch", "--", *_exactly(remove), timeout_s=LONG_S)
        for path in remove:  # what git passes over is still there
            _aside(workspace, path)


def recover(workspace: Workspace, commit: str) -> None:
    """Make the workspace what *commit* holds again, with what was put aside. Blocking."""
    workspaces.begin(workspace, commit)
    aside = workspace.place.root / "aside"
    for file in sorted(aside.rglob("*")) if aside.is_dir() else ():
        target = workspace.path / file.relative_to(aside)
        if file.is_file() and not file.is_symlink() and _inside(workspace, target) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(workspace: Workspace, path: str) -> None:
    source = workspace.path / path
    if source.is_file() and not source.is_symlink() and _inside(workspace, source):
        target = workspace.place.root / "aside" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _inside(workspace: Workspace, path: Path) -> bool:
    """Return whether no link on the way leads out of the workspace."""
    return path.parent.resolve().is_relative_to(workspace.path.resolve())


def _exactly(paths: Collection[str]) -> list[str]:
    return [f":(literal,top){path}" for path in paths]


class Protected:
    """Settles what reading has left open, by running the checks again. Costs nothing where no test was touched."""

    def __init__(self, workspace: Workspace, commit: str, look: Look, check: Check, blocking: Do) -> None:
        self._workspace, self._commit, self._look = workspace, commit, look
        self._check, self._blocking = check, blocking

    async def findings(self, ran: ChecksRan) -> tuple[Finding, ...]:
        """Return all findings, given that the checks passed. Raises what git and `attend` raise."""
        look = self._look
        try:
            failed = await self._failing(ran, look.restore, look.remove)
            if failed is not None and look.extra:  # added tests may need what was taken away
                named = {word for check in ran.checks for word in words_of(check.command)}
                more = (*look.remove, *(path for path in look.extra if path not in named))
                failed = await self._failing(ran, look.restore, more)
            blocks = failed is not None and await self._against(failed)
        finally:
            await self._blocking(recover, self._workspace, self._commit)
        if failed is None:
            return settled(look, blocks=False)
        what = f"with the tests as they were at the base, check `{failed.command[:120]}` exits {failed.exit_code}"
        kind = "tests_weakened" if look.restore else "checks_altered"
        path = next(iter((*look.restore, *look.remove)), "")
        said = Suspicion(kind, f"{what}; with those that the agent has left it passes", path).finding(blocks=blocks)
        return (said, *settled(look, blocks=blocks))

    async def _failing(
        self, ran: ChecksRan, restore: Collection[str], remove: Collection[str]
    ) -> CheckResult | None:  # fmt: skip
        """Return the first check that passed and does not pass any more."""
        await self._blocking(put_back, self._workspace, self._commit, restore, remove)
        again = await self._check()
        pairs = zip(ran.checks, again.checks, strict=True)
        return next((b for a, b in pairs if not (a.exit_code or a.timed_out) and (b.exit_code or b.timed_out)), None)

    async def _against(self, failed: CheckResult) -> bool:
        """Return whether a failure counts against the work.

        It does unless the task asks for what was done to the tests: in so many words, or by its sense where the
        tests passed at the base, so that they were no demand that was left to be met.
        """
        match self._look.licence.level:
            case "words":
                return False
            case "none":
                return True
        await self._blocking(workspaces.begin, self._workspace, self._workspace.base)
        at_base = await self._check()
        return any(c.command == failed.command and (c.exit_code or c.timed_out) for c in at_base.checks)


def settled(look: Look, *, blocks: bool) -> tuple[Finding, ...]:
    """Return the findings, where those that depend on the base's own tests weigh as *blocks* says."""
    return tuple(
        suspicion.finding(blocks=suspicion.weight == "blocks" or (suspicion.weight == "tests" and blocks))
        for suspicion in look.suspicions
    )
