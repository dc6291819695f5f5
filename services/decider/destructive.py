"""Commands that may destroy what lies outside of the agent's workspace, told by their wording.

A sandbox keeps most of them harmless, and the wording of a command proves nothing; so they never reject work, they
have a person look. Deleting below the workspace is ordinary work and is not meant here: checkpoints bring it back.
"""

import re

ENDS = r"(?:^|[;&|({`\n]|&&|\|\||\bthen\b|\bdo\b|\bsudo\b|\bxargs\b)\s*(?:\w+=\S*\s+){0,5}"

PATTERNS: dict[str, re.Pattern[str]] = {
    "deletes outside of the workspace": re.compile(
        ENDS + r"rm\s+(?:-\S+\s+){1,6}(?:--\s+)?[\"']?(?:/(?!tmp/|workspace|proc/self)|~|\$\{?HOME|\.\.(?:/|\s|$))"
    ),
    "writes to a device or makes a file system": re.compile(
        ENDS + r"(?:mkfs(?:\.\w+)?|wipefs|fdisk|parted)\s|\bdd\s[^;|&\n]{0,200}\bof=/dev/(?!null|zero|stdout|stderr)"
    ),
    "rewrites what others share": re.compile(
        r"\bgit\s+push\s[^;|&\n]{0,200}(?:--force(?!-with-lease)\b|-f\b|--mirror\b|--delete\b|\s\+\w)"
    ),
    "drops a database or empties a table": re.compile(
        r"\b(?:drop\s+(?:database|schema|table)\b|truncate\s+table\b|\bdropdb\s|flushall\b)", re.IGNORECASE
    ),
    "destroys infrastructure": re.compile(
        r"\bterraform\s+destroy\b|\bpulumi\s+destroy\b|\bkubectl\s+delete\s|\bhelm\s+(?:uninstall|delete)\s"
        r"|\baws\s+s3\s+(?:rb|rm)\s|\bgcloud\s[^;|&\n]{0,100}\bdelete\b|\bdocker\s+system\s+prune\b"
    ),
    "publishes": re.compile(
        ENDS + r"(?:npm|pnpm|yarn|cargo|poetry|flit|hatch|uv)\s+publish\b|\btwine\s+upload\b|\bgem\s+push\b"
    ),
    "stops the machine or everything on it": re.compile(
        ENDS + r"(?:shutdown|reboot|halt|poweroff)\b|\bkill\s+-(?:9|KILL)\s+-1\b|:\(\)\s*\{\s*:\|:&\s*\}"
    ),
    "opens everything to everybody": re.compile(ENDS + r"ch(?:mod|own)\s+-R\s+\S+\s+(?:/|~|\$HOME)(?:\s|$|/\s)"),
}
"""What a command does, by how it reads. Every repetition is bounded, so matching takes time linear in the command."""


def destructive(commands: tuple[str, ...]) -> tuple[str, ...]:
    """Return a sentence for each of *commands* that may have destroyed something, each once."""
    found = [f"the agent ran `{command}`, which {what}" for command in commands if (what := _what(command))]
    return tuple(dict.fromkeys(found))


def _what(command: str) -> str:
    return next((what for what, pattern in PATTERNS.items() if pattern.search(command)), "")
