"""Pins every package that the lock file resolved, in pyproject.toml: ``just lock``.

The lock file itself carries registry addresses and is not committed; these constraints give every clone the same
versions all the same.
"""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "# versions: begin (just lock)", "# versions: end"


def main() -> None:
    """Resolve anew, without the old pins, and write the new ones."""
    page = ROOT / "pyproject.toml"
    head, rest = page.read_text().split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(f"{head}{BEGIN}\nconstraint-dependencies = []\n{END}{tail}")
    subprocess.run(["uv", "lock", "--upgrade"], cwd=ROOT, check=True)
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    pins = sorted({f'    "{p["name"]}=={p["version"]}",' for p in locked if p["name"] != "obra"}, key=str.lower)
    several = {m[1] for pin in pins if (m := re.match(r'\s+"([^=]+)==', pin)) and _count(pins, m[1]) > 1}
    kept = [pin for pin in pins if not any(pin.lstrip().startswith(f'"{name}==') for name in several)]
    body = "\n".join(kept)
    page.write_text(f"{head}{BEGIN}\nconstraint-dependencies = [\n{body}\n]\n{END}{tail}")


def _count(pins: list[str], name: str) -> int:
    return sum(pin.lstrip().startswith(f'"{name}==') for pin in pins)


if __name__ == "__main__":
    main()
