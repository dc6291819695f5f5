"""The values of the names that rules speak of, for the run that is judged."""

from obra.services.decider.judged import acceptable
from obra.services.decider.state import State
from obra.shared.expression import Fact


def facts(state: State) -> dict[str, Fact]:
    """Return every name of `obra.shared.rulebook.FACTS` with its value."""
    return {**_of_the_run(state), **_of_the_work(state), **_of_the_task(state)}


def _of_the_run(state: State) -> dict[str, Fact]:
    evidence = state.evidence
    review = evidence.review if evidence.review and evidence.review.usable else None
    return {
        "attempts": evidence.attempt,
        "runs": evidence.run,
        "ending": evidence.ending or "",
        "checks": len(evidence.checks.checks) if evidence.checks else 0,
        "checks_failed": len(evidence.failing),
        "passed": evidence.passed,
        "checks_broken": len(state.broken),
        "checks_proving": -1 if state.proving is None else len(state.proving),
        "commands": evidence.exited.commands if evidence.exited else (),
        "denials": len(evidence.exited.denials) if evidence.exited else 0,
        "turns": evidence.exited.turns if evidence.exited else 0,
        "model": evidence.exited.model if evidence.exited else "",
        "findings": tuple(finding.kind for finding in evidence.findings),
        "blocking": bool(evidence.blocking),
        "acceptable": acceptable(state),
        "quality": evidence.score.quality if evidence.score else 0.0,
        "confidence": evidence.score.confidence if evidence.score else 0.0,
        "review": ("approves" if review.approves else "disapproves") if review else "none",
        "contradictions": len(evidence.contradicted),
    }


def _of_the_work(state: State) -> dict[str, Fact]:
    checkpoint = state.evidence.checkpoint
    return {
        "changed": state.evidence.changed,
        "files_changed": checkpoint.files_total if checkpoint else 0,
        "lines_added": checkpoint.lines_added if checkpoint else 0,
        "lines_deleted": checkpoint.lines_deleted if checkpoint else 0,
        "paths": tuple(file.path for file in checkpoint.files) if checkpoint else (),
    }


def _of_the_task(state: State) -> dict[str, Fact]:
    task = state.task
    return {
        "attempts_max": state.attempts_max,
        "questions": state.questions,
        "cost_usd": state.cost_usd,
        "budget_usd": (task.budget_usd if task else None) or 0.0,
        "agent_s": state.agent_s,
        "outages": state.outages,
        "interruptions": state.interruptions,
        "agent": task.agent.partition(":")[0] if task else "",
        "kind": task.kind if task else "",
        "priority": task.priority if task else 0,
        "complexity": task.complexity if task else 0,
        "milestone": task.milestone if task else "",
        "text": task.text if task else "",
    }
