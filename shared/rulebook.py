"""What a rule of one's own may speak of, and whether it can be used: checked where settings are read.

The decider gives each name its value for the run that it judges; a test holds the two lists to each other.
"""

from collections.abc import Sequence

from obra.events import Rule
from obra.shared.expression import BadExpression, Fact, value

FACTS: dict[str, tuple[Fact, str]] = {
    "attempts": (1, "number of the attempt that is judged"),
    "attempts_max": (3, "how many the task may have"),
    "runs": (1, "run of that attempt"),
    "ending": ("completed", "how the run ended: `completed`, `denied`, `max_turns`, `timed_out`, …"),
    "checks": (1, "how many checks ran"),
    "checks_failed": (0, "how many of them did not exit 0"),
    "passed": (True, "there were checks, and all exited 0"),
    "checks_broken": (0, "how many fail that passed before any work; 0 too where the base was not checked"),
    "checks_proving": (1, "how many pass that did not before any work; -1: the base was not checked"),
    "changed": (True, "something differs from the commit that the task grew from"),
    "files_changed": (1, "how many files do"),
    "lines_added": (1, "against that commit"),
    "lines_deleted": (0, "against that commit"),
    "paths": (("a.py",), "the files that differ, the first 1,000"),
    "commands": (("ls",), "shell commands that the agent ran, the first 200"),
    "denials": (0, "tool calls that were denied"),
    "questions": (0, "times that the task has clarified something"),
    "findings": (("destructive",), "kinds of what the inspection of the workspace found"),
    "blocking": (False, "one of them forbids acceptance"),
    "acceptable": (True, "the built-in judgement would accept the work"),
    "quality": (1.0, "0 to 1; 0 where the run was not scored"),
    "confidence": (0.95, "0 to 1; 0 where the run was not scored"),
    "review": ("approves", "`approves`, `disapproves`, or `none` where there is no usable one"),
    "contradictions": (0, "claims of the agent that the evidence denies"),
    "cost_usd": (0.5, "of all runs of the task"),
    "budget_usd": (0.0, "of the task; 0: there is none"),
    "agent_s": (60.0, "seconds that agents have worked on the task"),
    "turns": (3, "of the agent in this run"),
    "outages": (0, "waits for the provider so far"),
    "interruptions": (0, "runs lost so far"),
    "agent": ("claude", "who works: `claude`, `scripted`, …"),
    "model": ("", "the agent's model, as it says"),
    "kind": ("", "of the task"),
    "priority": (5, "of the task, 1 to 10"),
    "complexity": (0, "of the task, 0 to 100; 0: not estimated"),
    "milestone": ("", "of the task"),
    "text": ("add a flag", "of the task"),
}
"""Each name with a sample of its type, and what it means."""

SAMPLES: dict[str, Fact] = {name: sample for name, (sample, _) in FACTS.items()}


def named(rule: Rule, place: int) -> str:
    """Return what *rule*, the *place*-th from 1 on, is called in decisions."""
    return rule.name or f"rule-{place}"


def check(rules: Sequence[Rule]) -> None:
    """Raise `BadExpression`, which names the rule, for the first that can't be used."""
    for place, rule in enumerate(rules, 1):
        try:
            value(rule.when, SAMPLES)
        except BadExpression as error:
            raise BadExpression(
                expression=rule.when, problem=f"{named(rule, place)}: {error.fields['problem']}"
            ) from error
