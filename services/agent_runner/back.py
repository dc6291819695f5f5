"""Returns a task's workspace, and what its agent remembers, to the point that a rollback names."""

from obra.events import ServiceDegraded, TaskRolledBack, WorkspaceRestored
from obra.services.agent_runner import memory
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.ledger import Ledger
from obra.services.agent_runner.leftovers import sweep
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.state import NAME, State
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.tools import Tools
from obra.services.agent_runner.workspace import Workspace
from obra.shared.service import Call


async def roll_back(tools: Tools, call: Call, place: Place) -> None:
    """Answer a rollback, with the task's directory held: put everything back, and say so once.

    Where the workspace is on another machine, nothing is done here: it is put back there before the next attempt.
    """
    event = call.recorded.event
    assert isinstance(event, TaskRolledBack)
    ledger = Ledger(call)
    await ledger.load(fresh=True)
    if not ledger.state.returned:
        return
    found = await tools.blocking(workspaces.find, place)
    if found is None:
        return
    await tools.blocking(sweep, place.marker)
    try:
        commit = await tools.blocking(put_back, found, ledger.state)
    except WorkspaceLost as error:
        effect = "it is tried again before the next attempt"
        await ledger.say(ServiceDegraded(service=NAME, lacking="workspace", reason=str(error), effect=effect))
    else:
        await ledger.say(WorkspaceRestored(commit=commit, reason=f"rolled back to position {event.to}"))


def put_back(workspace: Workspace, state: State) -> str:
    """Make files and memory what they were at the newest checkpoint that counts; return its commit. Blocking.

    The agent's own ``.git`` goes, since it may hold what was undone; the next run gets a new one. Raises
    `WorkspaceLost`.
    """
    newest = state.newest_checkpoint
    commit = newest.commit if newest else workspace.base
    workspaces.restore(workspace, commit)
    try:
        memory.put_back(workspace.place, (newest.attempt, newest.run) if newest else None)
    except OSError as error:
        raise WorkspaceLost(problem=f"what the agent remembers could not be put back: {error}") from error
    return commit
