"""What a rule says, and the names that reach decisions."""

import msgspec

from obra.events import Action, Severity


class Verdict(msgspec.Struct, frozen=True):
    """An action with its reasons. ``rule`` names who says so; empty: the rule's own name.

    Of escalate it is the breakpoint that is raised.
    """

    action: Action
    reasons: tuple[str, ...]
    rule: str = ""
    counted: bool = True
    question: str = ""


SEVERITIES: dict[str, Severity] = {
    "destructive_command": "critical",
    "rule_error": "critical",
    "no_checks": "notice",
    "architecture": "notice",
}
"""How urgent a breakpoint is, where it is not `warning`."""
