"""Decisions, and what people say to them, as sentences."""

from collections.abc import Iterable

from obra.events import decision as d
from obra.events import task as t
from obra.services.console.render.line import Line, Tone, because
from obra.services.console.render.registry import of
from obra.services.console.render.text import duration, one_line


@of(d.DecisionMade)
def _decided(e: d.DecisionMade) -> Iterable[Line]:
    tone: Tone = {"proceed": "good", "stop": "bad"}.get(e.action, "warning")  # type: ignore[assignment]
    yield from because(f"decided: {e.action}", e.reasons, tone)


@of(d.BreakpointRaised)
def _raised(e: d.BreakpointRaised) -> Iterable[Line]:
    yield from because(f"a person is needed ({e.name})", e.reasons, "warning")


@of(d.BreakpointResolved)
def _resolved(e: d.BreakpointResolved) -> Iterable[Line]:
    note = f": {one_line(e.note.text)}" if e.note.text else ""
    yield Line(f"{e.by or 'somebody'} said: {e.resolution}{note}")


@of(d.QuestionAsked)
def _asked(e: d.QuestionAsked) -> Iterable[Line]:
    whom = "the reviewing LLM" if e.to == "llm" else "a person"
    yield Line(f"question to {whom}: {one_line(e.text.text)}", "warning")


@of(d.QuestionAnswered)
def _answered(e: d.QuestionAnswered) -> Iterable[Line]:
    if e.usable:
        yield Line(f"{e.by or 'somebody'} answered: {one_line(e.text.text)}")
    else:
        yield Line(f"{e.by or 'the LLM'} has no answer: {one_line(e.reason)}", "warning")


@of(d.InputReceived)
def _heard(e: d.InputReceived) -> Iterable[Line]:
    yield Line(f"{e.by or 'somebody'} says in plain words: {one_line(e.text.text)}")


@of(d.InputInterpreted)
def _understood(e: d.InputInterpreted) -> Iterable[Line]:
    text = f": {one_line(e.parameters['text'])}" if e.parameters.get("text") else ""
    if e.usable:
        yield Line(f"understood as {e.intent}{text}")
    else:
        yield Line(f"not understood: {one_line(e.reason)}", "warning")


@of(d.DecisionOverridden)
def _overridden(e: d.DecisionOverridden) -> Iterable[Line]:
    reason = f": {one_line(e.reason)}" if e.reason else ""
    yield Line(f"{e.by or 'somebody'} decides otherwise: {e.action}{reason}", "warning")


@of(t.WorkspaceHandedOver)
def _handed_over(e: t.WorkspaceHandedOver) -> Iterable[Line]:
    if e.branch:
        yield Line(f"handed over: the work so far is branch {e.branch}", "good")
    else:
        yield Line(f"handed over without a branch: {one_line(e.problem)}", "warning")


@of(d.TimerSet)
def _timer(e: d.TimerSet) -> Iterable[Line]:
    yield Line(f"waiting {duration(e.delay_s * 1000)}", "warning")
