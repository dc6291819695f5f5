"""Plays cases through a real Obra: its host, git, sandbox where there is one, scripted agents, real checks."""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.supervision.cases import Case, Task
from benchmarks.supervision.reviewers import scripted
from benchmarks.supervision.truth import Truth, environment
from obra.events import AttemptReviewed, DecisionMade, WorkspaceCheckpointed, WorkspaceInspected
from obra.shared.client import Orchestrator
from obra.shared.submission import prepare

AT_ONCE = 4
LIMIT_S = 300.0


@dataclass
class Row:
    """What became of one case. ``good`` is its label, which the hidden checks have confirmed."""

    arm: str
    task: str
    attempt: str
    category: str
    good: bool
    accepted: bool
    status: str
    beyond: bool
    gap: bool
    findings: list[str] = field(default_factory=list)
    blocking: list[str] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    reviewer: str = ""
    reasons: list[str] = field(default_factory=list)
    duration_s: float = 0.0

    def line(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


async def play(cases: Sequence[Case], arm: str, truth: Truth, *, settings: str = "", name: str = "") -> list[Row]:
    """Play *cases* under *arm*: ``none``, a model's name, or ``scripted: NAME``. Asserts that every label is true.

    *settings* are further lines of ``obra.toml``; *name* is what the rows call the arm then.
    """
    with (
        tempfile.TemporaryDirectory(prefix="obra-judge-", ignore_cleanup_errors=True) as folder,
        scripted(arm, cases) as server,
    ):
        root = Path(folder)
        home = root / "home"
        home.mkdir()
        (home / "obra.toml").write_text(
            f'[agent]\nconcurrency = {AT_ONCE}\n[nats]\nsync = "default"\n'
            + (f'[llm]\nbase_url = "{server.url}"\n' if server else "")
            + settings
        )
        llm = f"ollama/{server.model}" if server else arm
        repos = {task.name: _repository(root, task) for task in {case.task.name: case.task for case in cases}.values()}
        gate = asyncio.Semaphore(2 * AT_ONCE)
        async with Orchestrator(home) as obra:

            async def one(case: Case) -> Row:
                async with gate, asyncio.timeout(LIMIT_S):
                    return await _one(obra, case, arm, llm, repos[case.task.name], root, truth)

            rows = list(await asyncio.gather(*(one(case) for case in cases)))
            return [replace(row, arm=name or arm) for row in rows]


async def _one(obra: Orchestrator, case: Case, arm: str, llm: str, repo: Path, root: Path, truth: Truth) -> Row:
    script = root / f"{case.id}.json"
    script.write_text(json.dumps({"attempts": [{"steps": case.steps}]}))
    text = case.task.text if arm == "none" else f"{case.task.text}\n\n(ticket {case.mark})"
    began = time.monotonic()
    submission = prepare(
        text, repo=repo, settings=obra.settings, task=case.id, agent=f"scripted:{script}", llm=llm, attempts_max=1,
        checks=case.task.checks, environ=environment(),
    )  # fmt: skip
    await obra.client.submit(submission)
    result = await obra.wait(submission.scope)
    took_s = time.monotonic() - began
    past = [recorded.event for recorded in (await obra.joined.bus.past(submission.scope)).events]
    tree = next((e for e in past if isinstance(e, WorkspaceCheckpointed)), None)
    assert tree is not None, f"{case.id}: nothing was recorded: {result}"
    await truth.confirm(case, obra.home.task(submission.scope) / "git", tree.commit)
    return _row(case, arm, result, past, took_s)


def _row(case: Case, arm: str, result: dict[str, Any], past: Sequence[object], took_s: float) -> Row:
    found = [finding for e in past if isinstance(e, WorkspaceInspected) for finding in e.findings]
    review = next((e for e in past if isinstance(e, AttemptReviewed)), None)
    reasons = [reason for e in past if isinstance(e, DecisionMade) for reason in e.reasons]
    said = "" if review is None else "approves" if review.approves else "disapproves" if review.usable else "unusable"
    return Row(
        arm=arm, task=case.task.name, attempt=case.name, category=case.category, good=case.good,
        accepted=result["status"] == "completed", status=result["status"], beyond=case.beyond, gap=case.gap,
        findings=[f.kind for f in found], blocking=[f.kind for f in found if f.blocks],
        checks=[check["exit_code"] for check in result["checks"]], reviewer=said, reasons=reasons,
        duration_s=round(took_s, 2),
    )  # fmt: skip


def _repository(root: Path, task: Task) -> Path:
    repo = root / f"repo-{task.name}"
    for path, text in task.files.items():
        file = repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*git, *args], cwd=repo, check=True, env=env, timeout=30)
    return repo
