"""The probe as a step of a run: after checks that passed, where they call code that was changed.

It runs behind walls only. An altered word may name anything, and a script that deletes what it is told to delete must
not be told so on somebody's own machine.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from obra.events import ChecksRan, Finding, Policy, ProbedCode, TaskSubmitted, WorkspaceCheckpointed, WorkspaceProbed
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.checks import Room
from obra.services.agent_runner.definitions import Definitions
from obra.services.agent_runner.inspection.model import Suspicion
from obra.services.agent_runner.inspection.paths import is_material
from obra.services.agent_runner.inspection.protect import recover
from obra.services.agent_runner.inspection.reading import reading, touched
from obra.services.agent_runner.inspection.unseen import unseen
from obra.services.agent_runner.probe.alter import shown
from obra.services.agent_runner.probe.calls import Subject, pieces
from obra.services.agent_runner.probe.judge import Came
from obra.services.agent_runner.probe.kept import DIFFERING_MIN, Kept, comparison, kept, stays
from obra.services.agent_runner.probe.run import Outcome, Probed, ProbeFailed, probe, replayed
from obra.services.agent_runner.ready import Ready
from obra.services.agent_runner.state import NAME
from obra.services.agent_runner.survey import WorkspaceLost
from obra.shared.git import GitFailed
from obra.shared.log import get_logger

FITTED, REGRESSED = "fitted", "regressed"
REACHED = frozenset({"py", "js", "cjs", "sh", "bash"})
RUNS = re.compile(
    r"\b(?:py\.?test|python[\d.]*|node|npm|npx|yarn|pnpm|bash|sh|dash|make|just|tox|nox|uv|poetry|hatch)\b"
    r"|(?:^|[;&|(])\s*(?:\w+=\S*\s+)*[\w.-]*/"
)
"""A check that starts a program which may reach other code, by its name or by a path."""

FILES_MAX, CHECKS_S_MAX, EXAMPLE_CHARS_MAX, SHOWN_PIECES, PROBLEM_CHARS_MAX = 200, 20.0, 200, 4, 300

Do = Callable[..., Awaitable[Any]]

log = get_logger(NAME)


def _is_reached(path: str) -> bool:
    suffix = PurePosixPath(path).suffix.lower().lstrip(".")
    return suffix in REACHED or not suffix


class Probing:
    """The probe of one run. *room* makes an empty home for it."""

    def __init__(
        self, ready: Ready, task: TaskSubmitted, policy: Policy, room: Callable[[], Room], redact: Callable[[str], str]
    ) -> None:
        self._ready, self._task, self._policy = ready, task, policy
        self._room, self._redact = room, redact

    def wanted(self, checkpoint: WorkspaceCheckpointed, ran: ChecksRan, found: Sequence[Finding]) -> tuple[str, ...]:
        """Return the changed files whose code the checks may call; none, where nobody wants to know more of them."""
        policy = self._policy
        if not policy.probe or policy.inspection == "off" or self._ready.sandbox.kind != "bwrap":
            return ()
        if not ran.passed or any(finding.blocks for finding in found):
            return ()
        if not any(RUNS.search(command) for command in self._task.checks):
            return ()
        changed = [change.path for change in checkpoint.files if change.kind != "deleted"]
        code = [path for path in changed if _is_reached(path) and not is_material(path, self._task.checks)]
        return tuple(code[:FILES_MAX])

    async def run(
        self, files: Sequence[str], ran: ChecksRan, checkpoint: WorkspaceCheckpointed, blocking: Do
    ) -> tuple[Sequence[WorkspaceProbed], Sequence[Finding]]:
        """Probe *files*, put the work back as *checkpoint* has it, and return what is to be said."""
        began, problem, outcome = time.monotonic(), "", Outcome()
        before, unrun = dict[Subject, Kept](), list[Finding]()
        seed = f"{self._ready.workspace.place.scope.task}.{ran.attempt}.{ran.run}"
        try:
            outcome = await self._seen(files, ran, checkpoint.commit, seed, blocking)
            if outcome.code and stays(self._task.text):
                before = await self._kept(outcome.code, checkpoint, seed, blocking)
            if outcome.ran and self._policy.unseen != "off":
                unrun = await blocking(self._unrun, outcome, checkpoint)
        except (ProbeFailed, GitFailed, WorkspaceLost, OSError) as error:
            problem = self._redact(str(error))[:PROBLEM_CHARS_MAX]
        except Exception as error:  # it looks at whatever an agent may write: it may break, the run may not
            log.exception("the probe broke", task=self._ready.workspace.place.scope.task)
            problem = self._redact(f"the probe broke: {type(error).__name__}: {error}")[:PROBLEM_CHARS_MAX]
        if not (outcome.code or problem):
            return (), tuple(unrun)
        code = tuple(self._code(each, before.get(each.subject, Kept())) for each in outcome.code)
        took_ms = round((time.monotonic() - began) * 1e3, 3)
        event = WorkspaceProbed(
            attempt=ran.attempt, run=ran.run, seed=seed, code=code, problem=problem, duration_ms=took_ms
        )
        return (event,), (*(found for each in code for found in self._findings(each)), *unrun)

    async def _seen(
        self, files: Sequence[str], ran: ChecksRan, commit: str, seed: str, blocking: Do
    ) -> Outcome:  # fmt: skip
        workspace, checks_s = self._ready.workspace, sum(check.duration_ms for check in ran.checks) / 1e3
        if checks_s > CHECKS_S_MAX:
            raise ProbeFailed(problem=f"the checks took {checks_s:.0f} s, and would have to be run once more")
        try:
            await blocking(workspaces.begin, workspace, commit)  # what the checks have left is not the work
            return await probe(self._room(), self._task.checks, files, seed, checks_s=checks_s)
        finally:
            await blocking(recover, workspace, commit)

    async def _kept(
        self, seen: Sequence[Probed], checkpoint: WorkspaceCheckpointed, seed: str, blocking: Do
    ) -> dict[Subject, Kept]:
        """Make the checks' calls altered, on the work and on the code of the base, and put the work back."""
        workspace = self._ready.workspace
        find, root = Definitions(workspace, checkpoint), str(workspace.path.resolve())
        found = [await blocking(comparison, each, root, find, seed) for each in seen]
        compared = [each for each in found if each is not None]
        if not compared:
            return {}
        try:
            now = await replayed(self._room(), [each.now for each in compared])
            await blocking(workspaces.begin, workspace, workspace.base)
            then = await replayed(self._room(), [each.then for each in compared for _ in range(2)])
        finally:
            await blocking(recover, workspace, checkpoint.commit)
        return {each.subject: kept(each, now[at], *then[2 * at : 2 * at + 2]) for at, each in enumerate(compared)}

    def _unrun(self, outcome: Outcome, checkpoint: WorkspaceCheckpointed) -> list[Finding]:
        """Return what is new in Python files and was run by no check, where it is known what was. Blocking."""
        workspace = self._ready.workspace
        root = f"{workspace.path.resolve()}/"
        ran = {path.removeprefix(root): lines for path, lines in outcome.ran.items()}
        changes = [change for change in checkpoint.files if change.path in ran]
        with reading(workspace.store) as reader:
            files = touched(reader, changes, workspace.tree, checkpoint.tree)
        seen = [unseen(file, ran[file.path]) for file in files]
        blocks = self._policy.unseen == "block" and self._policy.inspection == "block"
        return [each.finding(blocks=blocks) for each in seen if each is not None]

    def _code(self, seen: Probed, kept: Kept) -> ProbedCode:
        came = [each for each in seen.came if each.trial.old]
        outputs = [each.output for each in came]
        held = sum(each.output == seen.calls[each.trial.of].output for each in came if each.output is not None)
        fitted = seen.fitted
        root = f"{self._ready.workspace.path.resolve()}/"
        examples = [_example(each) for each in fitted.examples] if fitted else []
        examples += [f"{_example(each)}, and gave {before.strip()[:60]!r}" for each, before in kept.differing[:3]]
        return ProbedCode(
            path=seen.subject.file.removeprefix(root), name=self._redact(seen.subject.name)[:EXAMPLE_CHARS_MAX],
            calls=seen.settled, altered=len(outputs), held=held, errors=outputs.count(None),
            fitted=tuple(self._redact(piece) for piece in fitted.pieces[:20]) if fitted else (),
            examples=tuple(self._redact(each) for each in examples),
            compared=kept.compared, differing=len(kept.differing),
        )  # fmt: skip

    def _findings(self, code: ProbedCode) -> Iterator[Finding]:
        """Yield what the next prompt is told. It doesn't block where the task itself names the values that stay."""
        blocks, what = self._policy.inspection == "block", f"`{code.name}`" if code.name else "it"
        if code.fitted:
            named = set(code.fitted) <= pieces((self._task.text, *self._task.acceptance))
            detail = (
                f"{what} answers with {', '.join(code.fitted[:SHOWN_PIECES])} of the tests although its input has them "
                f"no more: in {code.held} of {code.altered} calls with one word or number altered; for instance "
                f"{code.examples[0]}"
            )
            yield Suspicion(FITTED, detail, code.path).finding(blocks=blocks and not named)
        if code.differing >= DIFFERING_MIN:
            detail = (
                f"{what} was to behave as before; of {code.compared} altered calls {code.differing} give something "
                f"else: {code.examples[-1]}"
            )
            yield Suspicion(REGRESSED, detail, code.path).finding(blocks=blocks)


def _example(came: Came) -> str:
    given = shown(came.trial.call, 60)
    return f"{given[:EXAMPLE_CHARS_MAX]} gives {(came.output or '').strip()[:80]!r}"
