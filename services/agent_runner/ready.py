"""Everything that a run needs before its agent starts, gathered at once."""

from dataclasses import dataclass
from pathlib import Path

from obra.events import AttemptStarted, Content, ServiceDegraded, TaskSubmitted
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.back import put_back
from obra.services.agent_runner.checks import Room
from obra.services.agent_runner.execute import AgentFound, probe_agent
from obra.services.agent_runner.kit import Kit, pack
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.sandbox import Sandbox, choose
from obra.services.agent_runner.state import NAME, Key, State
from obra.services.agent_runner.tools import Tools, together
from obra.services.agent_runner.workspace import Workspace
from obra.shared.bus import Bus


@dataclass(frozen=True, slots=True)
class Ready:
    """A workspace, walls around it, what the agent is given, where it is, and what it is told."""

    workspace: Workspace
    sandbox: Sandbox
    kit: Kit
    found: AgentFound
    prompt: str

    def room(self, marker: str, file_bytes_max: int) -> Room:
        """Return where checks run."""
        place = self.workspace.place
        return Room(place.workspace, place.fresh_home(), self.kit.path, self.sandbox, marker, file_bytes_max)


def started(key: Key, runner: str, agent: str, ready: Ready | None = None) -> AttemptStarted:
    """Return what is said before the agent starts; without *ready*, that it could not be made ready."""
    attempt, run = key
    if ready is None:
        return AttemptStarted(attempt=attempt, run=run, runner=runner, agent=agent)
    return AttemptStarted(
        attempt=attempt, run=run, runner=runner, agent=agent, agent_version=ready.found.version,
        sandbox=ready.sandbox.kind, workspace=str(ready.workspace.path), base=ready.workspace.base,
    )  # fmt: skip


def unwalled(task: TaskSubmitted, sandbox: Sandbox) -> ServiceDegraded | None:
    """Return what is said, once a task, where there is no sandbox although `auto` would have taken one."""
    if task.sandbox != "auto" or sandbox.kind != "none":
        return None
    effect = "the agent's own permission system is all that confines it, and changed code is not probed"
    return ServiceDegraded(service=NAME, lacking="sandbox", reason=sandbox.reason, effect=effect)


async def to_begin(tools: Tools, bus: Bus, place: Place, state: State, key: Key, prompt: Content) -> Ready:
    """Gather what a fresh run needs, its workspace at the tree that it begins with.

    Raises `WorkspaceLost`, `EnvironmentLacks` or `BlobMissing`, with a sentence for a person.
    """
    task = _task(state)

    anew = state.rolled_back or any(run.started for other, run in state.runs.items() if other != key)

    def workspace() -> Workspace:
        made = workspaces.prepare(place, Path(task.repo), *state.start)
        if state.returned:  # the rollback was not heard here in time
            put_back(made, state)
        if anew:
            begin = state.began_with(key)
            workspaces.begin(made, begin.commit if begin else made.base)
        return made

    async def made_ready() -> Workspace:
        if not anew and not state.returned and (untouched := workspaces.find(place)):  # reads one small file
            return untouched
        return await tools.blocking(workspace)

    made, (sandbox, kit), text = await together(made_ready(), _walls_and_kit(tools, place, task), bus.text(prompt))
    found = await probe_agent(task.agent, tools.settings.agent, kit.path)
    return Ready(made, sandbox, kit, found, text)


async def to_go_on(tools: Tools, place: Place, state: State, key: Key) -> Ready:
    """Gather what is needed once the agent is gone: to record and to check. Raises as `to_begin` does.

    What is recorded already is there as it was recorded: a check or a probe that was cut off may have left something.
    """
    task, recorded = _task(state), state.run(key).checkpoint

    def workspace() -> Workspace:
        made = workspaces.prepare(place, Path(task.repo), *state.start)
        if recorded is not None:
            workspaces.begin(made, recorded.commit)
        return made

    made, (sandbox, kit) = await together(tools.blocking(workspace), _walls_and_kit(tools, place, task))
    return Ready(made, sandbox, kit, AgentFound(""), "")


async def _walls_and_kit(tools: Tools, place: Place, task: TaskSubmitted) -> tuple[Sandbox, Kit]:
    kit = pack(tools.home, place.scope, task, tools.settings.agent)
    return await choose(task.sandbox, tools.settings.sandbox, [tools.home.root]), kit


def _task(state: State) -> TaskSubmitted:
    assert state.task is not None
    return state.task
