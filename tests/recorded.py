"""Simulated tasks as messages of a stream, for tests of what reads one."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace

from obra.events import Event, TaskRolledBack
from obra.events.subjects import Scope, subject
from obra.shared.bus import Raw
from obra.shared.bus.message import raw_of
from obra.shared.envelope import Envelope, Recorded, encode
from obra.shared.story import Story
from tests.simulation.world import World

BEGIN = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)
ROOT = UUID(int=7)


def envelopes(scope: Scope, events: Iterable[Event]) -> list[Envelope]:
    """Return *events* as one task's, one every 20 ms, each caused by the one before."""
    made: list[Envelope] = []
    for number, event in enumerate(events):
        cause = made[-1].id if made else None
        made.append(
            Envelope(
                id=uuid5(ROOT, f"{scope}/{number}"), project=scope.project, task=scope.task,
                at=BEGIN + timedelta(milliseconds=20 * number), event=event,  # type: ignore[arg-type]
                cause=cause, correlation=made[0].id if made else None, service="tester",
            )
        )  # fmt: skip
    return made


def played(world: World, scope: Scope) -> tuple[Recorded, ...]:
    """Play *world* and return what happened, each event with what it answers and who says it."""
    log = world.play()
    return tuple(
        Recorded(
            at,
            Envelope(
                id=UUID(int=at), project=scope.project, task=scope.task, at=BEGIN, event=event,  # type: ignore[arg-type]
                cause=UUID(int=origin + 1) if origin >= 0 else None, service=service,
            ),
        )
        for at, (event, (origin, service)) in enumerate(zip(log, world.origins, strict=True), 1)
    )  # fmt: skip


def message(position: int, subject: str, data: bytes) -> Raw:
    """Return *data* as it stands in a stream at *position*."""
    return raw_of(position, subject, data, 1_767_323_040_000_000_000 + position * 1_000)


def messages(*enveloped: Envelope, after: int = 0) -> list[Raw]:
    """Return envelopes as messages behind position *after*."""
    return [
        message(position, subject(one.scope, one.event), encode(one))
        for position, one in enumerate(enveloped, after + 1)
    ]


def simulated(seeds: Iterable[int], project: str = "shop") -> list[Raw]:
    """Return what happened in simulated worlds, one task each, one after the other."""
    told = list[Envelope]()
    for seed in seeds:
        told += envelopes(Scope(project, f"t{seed}"), [moved(event, len(told)) for event in World(seed).play()])
    return messages(*told)


def moved(event: Event, by: int) -> Event:
    """Return *event* of a world, whose positions begin at 1, as it is where they begin behind *by*."""
    return replace(event, to=event.to + by) if isinstance(event, TaskRolledBack) else event


def of_task(raws: Iterable[Raw], task: str) -> list[Recorded]:
    """Return one task's events."""
    return [Recorded(raw.position, raw.envelope) for raw in raws if raw.envelope and raw.envelope.task == task]


def as_row(story: Story) -> dict[str, Any]:
    """Return a story as the view `task` has it."""

    def moment(text: str) -> str | None:
        return (text and re.sub(r"(\.\d+)?\+00:00$", lambda m: (m[1] or ".000000") + "Z", text)) or None

    return {
        "project": story.project, "task": story.task, "status": story.status, "text": story.text, "repo": story.repo,
        "agent": story.agent, "attempts": story.attempts, "decision": story.decision, "quality": story.quality,
        "confidence": story.confidence, "branch": story.branch, "commit": story.commit, "cost_usd": story.cost_usd,
        "tokens_input": story.tokens.input, "tokens_output": story.tokens.output, "llm": story.llm,
        "sandbox": story.sandbox, "reasons": list(story.reasons), "submitted_at": moment(story.submitted_at),
        "ended_at": moment(story.ended_at), "position": story.position,
    }  # fmt: skip
