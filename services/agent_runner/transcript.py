"""The file that keeps an agent's output, redacted and bounded, and the live view of it, bounded in time."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from obra.events import Output
from obra.services.agent_runner.adapters.messages import TEXT_MAX
from obra.services.agent_runner.job import Say

BATCH_CHARS = 64 * 1024
BURST = 400
PER_S = 100.0


class Transcript:
    """Writes lines to *path* (mode 0600) until *bytes_max* is reached; then one line says that it was cut.

    Lines are redacted in batches, since that costs far less than one by one. An agent may fill the disk; then
    nothing more is kept and ``problem`` says why.
    """

    def __init__(self, path: Path, redact: Callable[[str], str], bytes_max: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = open(path, "wb", buffering=0, opener=_private)  # noqa: SIM115 - closed by `close`
        self.problem = ""
        self._redact, self._left = redact, bytes_max
        self._batch: list[str] = []
        self._chars = 0
        self._dropped = 0

    def add(self, text: str) -> None:
        """Keep one line."""
        if self._left <= 0:
            self._dropped += 1
            return
        self._batch.append(text)
        self._chars += len(text) + 1
        if self._chars >= BATCH_CHARS:
            self._write()

    def close(self, stderr: str = "") -> None:
        """Write what is left and the end of standard error, and say what is missing."""
        self._write()
        if stderr.strip():
            self._say({"type": "obra", "stderr": self._redact(stderr)})
        if self._left <= 0:
            self._say({"type": "obra", "cut": "the transcript is full", "lines_dropped": self._dropped})
        self._file.close()

    def _write(self) -> None:
        if not self._batch:
            return
        data = (self._redact("\n".join(self._batch)) + "\n").encode("utf-8", "replace")
        if len(data) > self._left:
            data = data[: max(0, self._left)].rpartition(b"\n")[0] + b"\n"
            self._dropped += max(0, len(self._batch) - data.count(b"\n"))
            self._left = 0
        self._left -= len(data)
        self._put(data)
        self._batch.clear()
        self._chars = 0

    def _say(self, value: dict[str, object]) -> None:
        self._put(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def _put(self, data: bytes) -> None:
        try:
            while data and not self.problem:
                data = data[self._file.write(data) or 0 :]
        except OSError as error:
            self.problem, self._left = f"the transcript is incomplete: {error.strerror}", 0


class Live:
    """Passes output on to people at a pace they could follow; a flood is dropped and the gap is announced."""

    def __init__(self, say: Say, redact: Callable[[str], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._redact, self._clock = say, redact, clock
        self._allowance, self._at = float(BURST), clock()
        self._dropped = 0

    async def show(self, output: Output) -> None:
        """Say *output*, redacted, if the pace allows."""
        now = self._clock()
        self._allowance = min(float(BURST), self._allowance + (now - self._at) * PER_S)
        self._at = now
        if self._allowance < 1:
            self._dropped += 1
            return
        self._allowance -= 1
        await self._announce_gap()
        text = self._redact(output.text)[:TEXT_MAX]
        await self._say(Output(kind=output.kind, text=text, tool=self._redact(output.tool)))

    async def notice(self, text: str) -> None:
        """Say a remark of Obra's own."""
        await self.show(Output(kind="notice", text=text))

    async def finish(self) -> None:
        """Announce what was dropped at the end."""
        await self._announce_gap()

    async def _announce_gap(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            await self._say(Output(kind="notice", text=f"{dropped} pieces of output came too fast and are not shown"))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
