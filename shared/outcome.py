"""What came of a task, for programs: the object that `--json` prints, and the exit code."""

from typing import Any

from obra.shared.story import Story


def result(story: Story) -> dict[str, Any]:
    """Return the object that ``obra run --json`` prints."""
    return {
        "task": story.task,
        "project": story.project,
        "status": "failed" if story.status == "rejected" else story.status,
        "decision": story.decision,
        "attempts": story.attempts,
        "quality": story.quality,
        "confidence": story.confidence,
        "checks": [{"command": command, "exit_code": code} for command, code in story.checks],
        "branch": story.branch,
        "commit": story.commit,
        "cost_usd": story.cost_usd,
        "tokens": {
            "input": story.tokens.input, "output": story.tokens.output,
            "cache_read": story.tokens.cache_read, "cache_write": story.tokens.cache_write,
        },
        "reasons": list(story.reasons),
        "position": story.position,
    }  # fmt: skip


def exit_code(status: str) -> int:
    """Return what ``obra run`` ends with: 0 accepted, 3 waiting for a person, 1 anything else."""
    return {"completed": 0, "waiting": 3, "rolled_back": 3}.get(status, 1)
