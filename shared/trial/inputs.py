"""Inputs of a comparison: those that ship, those of a file, or the past of tasks of your own."""

import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import msgspec

from obra.events import AnyEvent, Event, PromptPrepared
from obra.shared.errors import BadUsage

FILE = "inputs.jsonl.xz"
INPUTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Input:
    """A situation: what had happened to a task when its next prompt was to be written."""

    name: str
    past: tuple[Event, ...]


class _Line(msgspec.Struct):
    name: str
    past: tuple[AnyEvent, ...]


def shipped() -> list[Input]:
    """Return the inputs that ship with Obra: 36 situations of 12 tasks, at the first, second and third attempt."""
    return list(_read(lzma.decompress(files(__name__.rpartition(".")[0]).joinpath(FILE).read_bytes()), FILE))


def of_file(path: Path) -> list[Input]:
    """Return the inputs of a JSON Lines file: on each line ``name`` and ``past``, a list of events as they travel."""
    try:
        return list(_read(path.read_bytes(), str(path)))
    except OSError as error:
        raise BadUsage(problem=f"{path} can't be read: {error.strerror}") from error


def of_task(name: str, past: Sequence[Event]) -> list[Input]:
    """Return a situation for each prompt that was prepared in the *past* of a task."""
    return [
        Input(f"{name}#{event.attempt}.{event.run}", tuple(past[:index]))
        for index, event in enumerate(past)
        if isinstance(event, PromptPrepared)
    ]


def encode(inputs: Sequence[Input]) -> bytes:
    """Return *inputs* as lines of JSON."""
    lines = (msgspec.json.encode({"name": each.name, "past": each.past}, order="deterministic") for each in inputs)
    return b"".join(line + b"\n" for line in lines)


def _read(data: bytes, where: str) -> Iterator[Input]:
    decoder = msgspec.json.Decoder(_Line)
    for number, line in enumerate(data.splitlines(), 1):
        if number > INPUTS_MAX:
            raise BadUsage(problem=f"{where}: more than {INPUTS_MAX:,} inputs")
        try:
            read = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise BadUsage(problem=f"{where}, line {number}: {error}") from error
        yield Input(read.name, read.past)
