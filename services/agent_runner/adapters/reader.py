"""Cuts an agent's output into lines, whatever it prints: a line of any length costs bounded memory."""

from dataclasses import dataclass
from typing import Any

import msgspec

LINE_BYTES_MAX = 1024 * 1024
KEPT_BYTES = 64 * 1024

_json = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. ``cut``: it was longer than 1 MiB, and this is its beginning."""

    data: bytes
    cut: bool = False


class LineSplitter:
    """Takes bytes as they come and gives back whole lines."""

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX, kept_bytes: int = KEPT_BYTES) -> None:
        self._line_bytes_max, self._kept_bytes = line_bytes_max, kept_bytes
        self._rest = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that *chunk* completes; a line that grows too long is given back cut, once."""
        *whole, rest = chunk.split(b"\n")
        found: list[Line] = []
        for piece in whole:
            if self._skipping:
                self._skipping = False
            else:
                self._rest += piece
                found.append(self._line())
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > self._line_bytes_max:
                found.append(self._line())
                self._skipping = True
        return found

    def finish(self) -> list[Line]:
        """Return what came after the last line end."""
        return [self._line()] if self._rest else []

    def _line(self) -> Line:
        data = bytes(self._rest)
        self._rest.clear()
        if len(data) > self._line_bytes_max:
            return Line(data[: self._kept_bytes], cut=True)
        return Line(data.removesuffix(b"\r"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one line means: its text, the JSON object in it if there is one, and why it is odd if it is."""

    text: str
    message: dict[str, Any] | None = None
    odd: str = ""


def read(line: Line) -> Reading:
    """Return what *line* says. Invalid UTF-8 is replaced; what is no JSON object has no message. Never raises."""
    if line.cut:
        text = line.data.decode(errors="replace")
        return Reading(text, odd="a line longer than 1 MiB was skipped")
    try:
        text, odd = line.data.decode(), ""
    except UnicodeDecodeError:
        text, odd = line.data.decode(errors="replace"), "a line is not UTF-8"
    if not text.strip():
        return Reading(text, odd=odd)
    try:
        message = _json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return Reading(text, odd=odd or "a line is no JSON")
    if not isinstance(message, dict):
        return Reading(text, odd=odd or "a line is no JSON object")
    return Reading(text, message, odd)
