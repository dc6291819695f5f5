"""Copies of the store for tools that read all of it: verify, export, replay."""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

from obra.shared.store import Store
from obra.shared.store.errors import StoreFailed

PREFIX = "snapshot-"
COPY_S = 600.0
_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


async def taken(store: Store, folder: Path) -> Path:
    """Return a copy of *store* in *folder*, as it is now; nothing may be written to it meanwhile.

    The copy is made by a process of its own: were the file opened and closed in this one, the kernel would drop the
    lock that DuckDB has on it.
    """
    await asyncio.to_thread(store.checkpoint)
    target = folder / f"{PREFIX}{uuid4().hex}.duckdb"
    pairs = [(store.path, target), (_log_of(store.path), _log_of(target))]
    try:
        for source, copy in pairs:
            if source.exists():
                copy.touch(mode=0o600)
                await _copied(source, copy)
    except BaseException:
        removed(target)
        raise
    return target


def forget(folder: Path) -> None:
    """Remove the copies that nobody has removed: whoever asked for them was killed."""
    for left in folder.glob(f"{PREFIX}*"):
        left.unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def removed(path: Path) -> None:
    """Remove the copy *path*."""
    for file in (path, _log_of(path)):
        file.unlink(missing_ok=True)


async def _copied(source: Path, target: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", _COPY, str(source), str(target), env={},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(COPY_S):
            _, said = await process.communicate()
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        reason = (said.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise StoreFailed(path=source, reason=f"it could not be copied: {reason}")
