"""Commands that may destroy what lies outside of the agent's workspace, told by their wording.

A sandbox keeps most of them harmless, and the wording of a command proves nothing; so they never reject work, they
have a person look. Deleting below the workspace is ordinary work and is not meant here: checkpoints bring it back.
"""

import re

ENDS = r"(?:^|[;&|({`\n]|&&|\|\||\bthen\b|\bdo\b|\bsudo\b|\bxargs\b)\s*(?:\w+=\S*\s+){0,5}"

OUTSIDE = (
    r"[\"']?(?:/(?!tmp\b|var/tmp\b|dev/shm\b|workspace|proc/self)|(?:~|\$\{?HOME\}?)(?!/\.(?:cache|npm|pytest_cache)\b)"
    r"|(?:\./)?\.\.(?:/|\s|$))"
)
"""A path that is not the workspace's; places for what is temporary, and caches, are nobody's loss."""

PATTERNS: dict[str, re.Pattern[str]] = {
    "deletes outside of the workspace": re.compile(
        ENDS + rf"rm\s+(?:-\S+\s+){{1,6}}(?:--\s+)?{OUTSIDE}|\brmtree\(\s*{OUTSIDE}|\bcrontab\s+-r\b"
        rf"|\bfind\s+{OUTSIDE}[^;|&\n]{{0,200}}\s-(?:delete\b|exec\s+rm\b)|\btruncate\s+-s\s*0\s+{OUTSIDE}"
    ),
    "writes to a device or makes a file system": re.compile(
        ENDS + r"(?:mkfs(?:\.\w+)?|wipefs|fdisk|parted)\s|\bdd\s[^;|&\n]{0,200}\bof=/dev/(?!null|zero|stdout|stderr)"
    ),
    "rewrites what others share": re.compile(
        r"\bgit\s+push\s[^;|&\n]{0,200}(?:--force(?!-with-lease)\b|-f\b|--mirror\b|--delete\b|\s\+\w)"
        r"|\bgh\s+(?:repo|release)\s+delete\b"
    ),
    "drops a database or empties a table": re.compile(
        r"\b(?:drop\s+(?:database|schema|table)\b|truncate\s+table\b|\bdropdb\s|flushall\b)", re.IGNORECASE
    ),
    "destroys infrastructure": re.compile(
        r"\bterraform\s+destroy\b|\bpulumi\s+destroy\b|\bkubectl\s+delete\s|\bhelm\s+(?:uninstall|delete)\s"
        r"|\baws\s+s3\s+(?:rb|rm)\s|\bgcloud\s[^;|&\n]{0,100}\bdelete\b|\bdocker\s+system\s+prune\b"
        r"|\bcurl\s(?![^;|&\n]{0,300}(?:localhost|127\.0\.0\.1))[^;|&\n]{0,200}(?:-X|--request)[\s=]*DELETE\b"
    ),
    "publishes": re.compile(
        ENDS + r"(?:npm|pnpm|yarn|cargo|poetry|flit|hatch|uv)\s+publish\b(?![^;|&\n]{0,200}--dry-run)"
        r"|\btwine\s+upload\b|\bgem\s+push\b|\bgh\s+release\s+create\b"
    ),
    "stops the machine or everything on it": re.compile(
        ENDS + r"(?:shutdown|reboot|halt|poweroff)\b|\bkill\s+-(?:9|KILL)\s+-1\b|:\(\)\s*\{\s*:\|:&\s*\}"
    ),
    "opens everything to everybody": re.compile(ENDS + r"ch(?:mod|own)\s+-R\s+\S+\s+(?:/|~|\$HOME)(?:\s|$|/\s)"),
}
"""What a command does, by how it reads. Every repetition is bounded, so matching takes time linear in the command."""


WRITTEN = re.compile(
    r"\b(?:cat|tee)\b(?P<to>[^\n|;&]{0,200})<<-?\s*[\"']?(?P<end>\w+)[\"']?(?P<rest>[^\n|]{0,200})\n.*?(?:\n\s*(?P=end)\b|\Z)",
    re.DOTALL,
)
"""A text that goes into a file: what it says is not run."""

MESSAGE = re.compile(r"(\bgit\s+(?:commit|tag)\s[^;|&\n'\"]{0,200})(?:'[^']*'|\"[^\"]*\")")
LOCAL = re.compile(r"^(?!.*\b(?:psql|mysql|mariadb|dropdb|redis-cli)\b).*\bsqlite3\b", re.DOTALL)
"""A database that is a file, and no other."""

SQL = "drops a database or empties a table"


def destructive(commands: tuple[str, ...], workspace: str = "") -> tuple[str, ...]:
    """Return a sentence for each of *commands* that may have destroyed something, each once.

    *workspace* is where the agent worked: what lies below it is not outside, however it is called.
    """
    found = [f"the agent ran `{command}`, which {what}" for command in commands if (what := _what(command, workspace))]
    return tuple(dict.fromkeys(found))


def _what(command: str, workspace: str) -> str:
    if workspace:
        command = re.sub(rf"{re.escape(workspace.rstrip('/'))}(?=[/\s\"';&|)]|$)", ".", command)
    command = MESSAGE.sub(r"\1", WRITTEN.sub(r"cat \g<to> \g<rest>\n", command))
    found = (what for what, pattern in PATTERNS.items() if pattern.search(command))
    return next((what for what in found if what != SQL or not LOCAL.match(command)), "")
