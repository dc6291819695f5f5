"""Hands the work of a task over to the person who took it: the tree as it is, as a branch in their repository."""

from obra.events import WorkspaceHandedOver
from obra.services.agent_runner.checkpoint import Label, record
from obra.services.agent_runner.deliver import Refused, deliver
from obra.services.agent_runner.making import branch_of
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.redaction import Redactor
from obra.services.agent_runner.state import State
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.workspace import find

ENDING = "-wip"


def hand_over(state: State, place: Place, bytes_max: int) -> WorkspaceHandedOver:
    """Record the workspace as it is and make it a branch; say where both are, or why not. Blocking.

    The agent is gone by now, so what it had in hand is in it, checked or not.
    """
    workspace = find(place)
    if workspace is None or state.task is None:
        return WorkspaceHandedOver(problem="no work was begun here")
    path = str(workspace.path)
    attempt, run = state.newest
    try:
        found = record(workspace, Label(state.task.text, place.scope.task, attempt, run), bytes_max, Redactor())
        if found.tree == workspace.tree:
            return WorkspaceHandedOver(path=path, problem="nothing differs from the commit that the task grew from")
        name = branch_of(place.scope.task) + ENDING
        branch = deliver(workspace, found.commit, found.changes.files_total, name)
    except (WorkspaceLost, Refused) as error:
        return WorkspaceHandedOver(path=path, problem=str(error))
    return WorkspaceHandedOver(path=path, branch=branch, commit=found.commit)
