"""Events of the system itself, of policies and of the record as sentences."""

from collections.abc import Iterable

import msgspec

from obra.events import CalibrationFitted, Policy, PolicyAdopted, PolicyProposed
from obra.events import decision as d
from obra.events import operations as o
from obra.services.console.render.line import Line
from obra.services.console.render.registry import of
from obra.services.console.render.text import count, one_line


@of(o.ServiceDegraded)
def _degraded(e: o.ServiceDegraded) -> Iterable[Line]:
    effect = f"; {one_line(e.effect)}" if e.effect else ""
    yield Line(f"warning: no {e.lacking}: {one_line(e.reason)}{effect}", "warning")


@of(o.MessageRejected)
def _message_rejected(e: o.MessageRejected) -> Iterable[Line]:
    yield Line(f"warning: message {e.position} on {e.subject} is no usable event: {one_line(e.reason)}", "warning")


@of(o.MessageDeadLettered)
def _dead_lettered(e: o.MessageDeadLettered) -> Iterable[Line]:
    yield Line(
        f"warning: {e.consumer} gave up on event {e.position} after {e.deliveries} tries: {one_line(e.reason)}", "bad"
    )


@of(o.PruneRequested)
def _prune(e: o.PruneRequested) -> Iterable[Line]:
    yield Line(f"the stream is to forget what {one_line(e.archive)} holds, through {e.through}", detail=True)


@of(o.StreamPruned)
def _pruned(e: o.StreamPruned) -> Iterable[Line]:
    of_tasks = f"{count(e.messages, 'message')} of {count(e.tasks, 'task')}"
    yield Line(f"the stream forgot {of_tasks}; {one_line(e.archive) or 'the store'} holds them", detail=True)


@of(o.PruneRefused)
def _kept(e: o.PruneRefused) -> Iterable[Line]:
    yield Line(f"the stream keeps everything: {one_line(e.reason)}", "warning", detail=True)


@of(o.StreamRefilled)
def _refilled(e: o.StreamRefilled) -> Iterable[Line]:
    source = one_line(e.archive) or "the store"
    yield Line(f"the stream was made anew from {source}: {count(e.events, 'event')}", "warning", detail=True)


@of(o.ChainAnchored)
def _anchored(e: o.ChainAnchored) -> Iterable[Line]:
    yield Line(f"the chain's head at position {e.position} was signed, into {one_line(e.to)}", "quiet", detail=True)


@of(d.DecisionShadowed)
def _shadowed(e: d.DecisionShadowed) -> Iterable[Line]:
    text = f"the candidate policy would decide: {e.action}" + (f", not {e.was}" if e.differs else ", too")
    yield Line(text, "quiet", detail=True)


@of(PolicyAdopted)
def _adopted(e: PolicyAdopted) -> Iterable[Line]:
    yield Line(f"policy {e.sha256[:10]} is in force: {_changed(e.policy)}", "quiet", detail=True)


@of(PolicyProposed)
def _proposed(e: PolicyProposed) -> Iterable[Line]:
    by = f" (by {one_line(e.by)})" if e.by else ""
    what = "no candidate policy shadows decisions any more" if e.policy is None else (
        f"candidate policy {e.sha256[:10]} shadows decisions: {_changed(e.policy)}"
    )  # fmt: skip
    yield Line(f"{what}{by}", detail=True)


def _changed(policy: Policy) -> str:
    """Return the fields of *policy* that are not as shipped."""
    changed = msgspec.json.decode(msgspec.json.encode(policy))
    return one_line(", ".join(f"{k} {msgspec.json.encode(v).decode()}" for k, v in changed.items())) or "as shipped"


@of(CalibrationFitted)
def _fitted(e: CalibrationFitted) -> Iterable[Line]:
    why = f" ({one_line(e.reason)})" if e.reason else ""
    scores = f"Brier score {e.brier_before:.3f}, then {e.brier_after:.3f}"
    yield Line(f"confidences are calibrated anew: {scores}{why}", detail=True)
