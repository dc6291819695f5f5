"""The wheel holds everything: installed alone into an empty environment, it imports and its demo runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv")
NETWORK = ("UV_", "PIP_", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "XDG_CACHE_HOME")


def call(*argv: str | Path, cwd: Path, home: Path, **more: str) -> str:
    passed = {name: value for name, value in os.environ.items() if name.startswith(NETWORK)}
    cache = os.environ.get("UV_CACHE_DIR") or str(Path(os.environ.get("HOME", "/")) / ".cache" / "uv")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "UV_CACHE_DIR": cache, **passed, **more}
    done = subprocess.run(
        [str(a) for a in argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.skipif(UV is None, reason="uv is not on PATH")
def test_the_demo_runs_from_the_built_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    assert UV
    dist, venv, home = tmp_path / "dist", tmp_path / "venv", tmp_path / "home"
    home.mkdir()
    call(UV, "build", "--out-dir", dist, ROOT, cwd=tmp_path, home=home)
    (wheel,) = dist.glob("*.whl")
    call(UV, "venv", "-q", "--python", sys.executable, venv, cwd=tmp_path, home=home)
    call(UV, "pip", "install", "-q", "--python", venv / "bin" / "python", wheel, cwd=tmp_path, home=home)
    everything = (
        "import importlib, pkgutil, obra\n"
        "for found in pkgutil.walk_packages(obra.__path__, 'obra.'):\n"
        "    if not found.name.endswith(('__main__', '.launcher', '.scripted_agent')):\n"
        "        importlib.import_module(found.name)\n"
    )
    call(venv / "bin" / "python", "-c", everything, cwd=tmp_path, home=home)
    said = call(venv / "bin" / "obra", "demo", cwd=tmp_path, home=home, OBRA_HOME=str(tmp_path / "obra"))
    assert "scripted" in said
    assert "accepted" in said
