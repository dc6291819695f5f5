"""Writes down how a changed program is started, with the files that its arguments name, and becomes that program.

Run as ``python -I -S snap.py INTERPRETER OPTIONS PROGRAM ARGUMENT…``; OPTIONS is how many words stand before PROGRAM.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile

BYTES_MAX, FILES_MAX, RUNS_MAX = 65_536, 32, 24


def text_of(path: str) -> str:
    """Return the text of a small file; raises `OSError` or `ValueError` where it is none."""
    with open(path, "rb") as file:
        data = file.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise ValueError("too large")
    return data.decode()


def taken(path: str) -> str | dict[str, str] | None:
    """Return what lies at *path*, as text or as a dict of names and texts; None if it can't be taken along."""
    try:
        if os.path.isfile(path):
            return text_of(path)
        names = sorted(os.listdir(path))
        if len(names) > FILES_MAX:
            return None
        return {name: text_of(os.path.join(path, name)) for name in names}
    except (OSError, ValueError):
        return None


def standard_input() -> str | None:
    """Return what waits on standard input, and put it back; None if it is neither pipe nor file, or too large."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return None
    with tempfile.TemporaryFile() as kept:
        while True:
            data = os.read(0, BYTES_MAX)
            if not data:
                break
            kept.write(data)
        kept.flush()
        kept.seek(0)
        head = kept.read(BYTES_MAX + 1)
        os.lseek(kept.fileno(), 0, os.SEEK_SET)
        os.dup2(kept.fileno(), 0)
    try:
        return head.decode() if len(head) <= BYTES_MAX else None
    except ValueError:
        return None


def main(argv: list[str]) -> None:
    """Note the start and go on as the program."""
    interpreter, options, words = argv[1], int(argv[2]), argv[3:]
    home, program, args = os.environ["OBRAPROBE"], words[options], words[options + 1 :]
    files: dict[int, str | dict[str, str] | None] = {}
    noted = {
        "kind": "program",
        "file": os.path.realpath(program),
        "interpreter": interpreter,
        "options": words[:options],
        "cwd": os.getcwd(),
        "args": args,
        "files": files,
        "stdin": standard_input(),
    }
    for number, word in enumerate(args):
        if os.path.exists(word):
            files[number] = taken(word)
    if len([name for name in os.listdir(home) if name.startswith("runs-")]) < RUNS_MAX:
        with open(os.path.join(home, f"runs-{os.getpid()}.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(noted) + "\n")
    os.environ["OBRAINSIDE"] = "1"
    os.execv(interpreter, [interpreter, *words])


if __name__ == "__main__":
    main(sys.argv)
