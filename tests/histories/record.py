"""Records real runs of Obra as histories: `just record`. Needs git; the agents are scripted, everything else is real.

One file a history, raw envelopes with their positions as JSON Lines, below `tests/histories/vVERSION/`, and beside it
what `obra show --json` said of each task. Recorded once for a released version, and never again.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from obra.shared.envelope import VERSION
from obra.shared.home import Home
from tests.histories.plays import HISTORIES
from tests.histories.stage import OBRA, TIMEOUT_S, Stage

HERE = Path(__file__).parent
ROOT = Path("/tmp/obra-history")
"""Where histories are played: paths stand in events and follow from one to the next, so they may not be changed."""


def record(play: Callable[[Stage], None], folder: Path) -> None:
    """Play one history and write it below *folder*."""
    with contextlib.ExitStack() as stack:
        ROOT.mkdir()
        stack.callback(shutil.rmtree, ROOT, ignore_errors=True)
        stage = Stage(ROOT)
        play(stage)
        _at_rest(stage)
        lines = _messages(stage)
        story = _story(stage)
    text = "\n".join(lines).replace(f'"runner\\":\\"{socket.gethostname()}:', '"runner\\":\\"host:') + "\n"
    (folder / f"{play.__name__}.jsonl").write_text(text)
    (folder / f"{play.__name__}.json").write_text(json.dumps(story, indent=1) + "\n")


def _at_rest(stage: Stage) -> None:
    until = time.monotonic() + TIMEOUT_S
    while (stage.home / "run" / "unsettled").exists() and time.monotonic() < until:
        time.sleep(0.05)


def _messages(stage: Stage) -> list[str]:
    from obra.shared.store.select import Wanted  # noqa: PLC0415 - DuckDB
    from tests.stored import local_events  # noqa: PLC0415 - DuckDB

    return [
        json.dumps({"position": raw.position, "subject": raw.subject, "data": raw.data.decode()}, ensure_ascii=False)
        for raw in local_events(Home(stage.home).store, Wanted())
    ]


def _story(stage: Stage) -> Any:
    done = subprocess.run(
        [OBRA, "show", "t1", "--json"],
        cwd=stage.repo,
        env=stage.env,
        capture_output=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    story = json.loads(done.stdout)
    del story["story"]  # words may change
    return story


def main() -> None:
    """Record all histories, or those that are named, of this version."""
    folder = HERE / f"v{VERSION}"
    folder.mkdir(exist_ok=True)
    for play in HISTORIES:
        if len(sys.argv) == 1 or play.__name__ in sys.argv[1:]:
            record(play, folder)
            print(play.__name__)


if __name__ == "__main__":
    main()
