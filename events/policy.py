"""The policy: every number a decision is made on, as data with a name and a default."""

from typing import Annotated, Literal

from msgspec import Meta

from obra.events.base import Event, Unit, Value


class Policy(Value):
    """What is accepted, how often is tried, how long is waited.

    A task carries the policy it was readied under, so its decisions can be made again from its events alone.
    """

    accept_quality: Unit = 0.75
    accept_confidence: Unit = 0.85
    clarify_confidence: Unit = 0.65
    accept_without_checks: Annotated[bool, Meta(description="complete on a review alone, in so many words")] = False
    passed_prior: Annotated[
        Unit, Meta(description="confidence that passed checks and a real change mean done, until outcomes calibrate it")
    ] = 0.95
    unchecked_prior: Annotated[Unit, Meta(description="the same, where no check exists")] = 0.5
    turns_max: Annotated[int, Meta(ge=1, description="per attempt, when the task does not say")] = 30
    turns_bound: Annotated[int, Meta(ge=1, description="doubling after max_turns stops here")] = 120
    outages_max: Annotated[int, Meta(ge=0, description="waits for a provider in one task")] = 3
    outage_wait_s: Annotated[float, Meta(gt=0, description="the first wait; each later one is 4 times as long")] = 5.0
    outage_wait_s_max: Annotated[float, Meta(gt=0)] = 3_600.0
    interruptions_max: Annotated[int, Meta(ge=0, description="runs of a task that may be lost to crashes")] = 20


class PolicyAdopted(Event, tag="policy.adopted"):
    """A policy came into force for tasks readied from here on."""

    sha256: str
    policy: Policy


class Calibration(Value):
    """How far a raw confidence can be believed: a monotone map, fitted to what became of earlier work.

    Between its points the map is linear, outside of them constant; no points: the raw number stands as it is, which
    is the stated prior until there are outcomes enough.
    """

    method: Literal["identity", "logistic", "isotonic"] = "identity"
    points: Annotated[
        tuple[tuple[Unit, Unit], ...], Meta(max_length=256, description="raw and calibrated confidence, ascending")
    ] = ()
    outcomes: Annotated[int, Meta(ge=0, description="labelled attempts that it was fitted to")] = 0


class CalibrationFitted(Event, tag="calibration.fitted"):
    """Outcomes were counted again; tasks readied from here on are scored with this map."""

    calibration: Calibration
    brier_before: Annotated[float, Meta(description="Brier score of the raw confidence on these outcomes")] = 0.0
    brier_after: Annotated[float, Meta(description="the same of the calibrated one, cross-validated")] = 0.0
    reason: str = ""
