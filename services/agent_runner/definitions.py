"""Where the base defines a function that may have moved since."""

import re

from obra.events import WorkspaceCheckpointed
from obra.services.agent_runner.inspection import reading
from obra.services.agent_runner.workspace import Workspace


class Definitions:
    """Finds functions in those files of the base that the work has changed, moved or deleted. Blocking."""

    def __init__(self, workspace: Workspace, checkpoint: WorkspaceCheckpointed) -> None:
        self._workspace = workspace
        self._origins = [each.origin or each.path for each in checkpoint.files if each.kind != "added"]
        self._texts: dict[str, str] | None = None

    def __call__(self, name: str) -> list[str]:
        """Return the paths of Python files with a function *name* of their own; with no name, of all files."""
        if not name:
            return self._origins
        defined = re.compile(rf"^def {re.escape(name)}\b", re.MULTILINE)
        return [path for path, text in self._read().items() if defined.search(text)]

    def _read(self) -> dict[str, str]:
        if self._texts is None:
            python = [path for path in self._origins if path.endswith(".py")]
            with reading.reading(self._workspace.store) as reader:
                texts = {path: reader.text(self._workspace.tree, path) for path in python}
            self._texts = {path: text for path, text in texts.items() if text is not None}
        return self._texts
