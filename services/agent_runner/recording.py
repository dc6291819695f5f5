"""The checkpoint as a step of a run: taken in a thread, said as an event."""

from collections.abc import Callable
from dataclasses import replace

from obra.events import WorkspaceCheckpointed
from obra.services.agent_runner import checkpoint, memory
from obra.services.agent_runner.checkpoint import Checkpoint, Label
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.state import Key
from obra.services.agent_runner.tools import Tools
from obra.services.agent_runner.workspace import Workspace


async def record(
    tools: Tools, place: Place, workspace: Workspace, label: Label, redact: Callable[[str], str]
) -> Checkpoint:
    """Record *workspace*, and what the agent remembers. Raises as `checkpoint.record` does."""
    bytes_max = tools.settings.agent.workspace_bytes_max

    def take() -> Checkpoint:
        forgotten = memory.keep(place, (label.attempt, label.run))
        found = checkpoint.record(workspace, label, bytes_max, redact)
        return replace(found, notes=(*found.notes, redact(forgotten))) if forgotten else found

    return await tools.blocking(take)


def event(found: Checkpoint, key: Key, base: str, *, changed: bool, interrupted: bool) -> WorkspaceCheckpointed:
    """Return what is said of a checkpoint; *changed* tells whether the attempt began with another tree."""
    attempt, run = key
    changes = found.changes
    return WorkspaceCheckpointed(
        attempt=attempt, run=run, commit=found.commit, tree=found.tree, base=base, files=changes.files,
        files_total=changes.files_total, lines_added=changes.lines_added, lines_deleted=changes.lines_deleted,
        changed=changed, patch=changes.patch, interrupted=interrupted, notes=found.notes,
    )  # fmt: skip
