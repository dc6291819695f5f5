"""Who may say and hear what: the users of the embedded server, generated from the services' own declarations."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obra.events import (
    AttemptCancelled,
    BreakpointResolved,
    DecisionOverridden,
    Event,
    GoalSubmitted,
    InputReceived,
    PlanDrafted,
    PolicyProposed,
    ProjectPaused,
    ProjectResumed,
    PruneRequested,
    QuestionAnswered,
    TaskCancelled,
    TaskLabelled,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.subjects import PRESENCE, STREAM
from obra.shared.bus.access import publish_subjects, subscribe_subjects

if TYPE_CHECKING:
    from obra.shared.service import Service

EDGE = "edge"
ADMIN = "admin"
EDGE_SAYS: tuple[type[Event], ...] = (
    TaskSubmitted, TaskCancelled, TaskLabelled, TaskRolledBack, AttemptCancelled, GoalSubmitted, PlanDrafted,
    ProjectPaused, ProjectResumed, QuestionAnswered, BreakpointResolved, DecisionOverridden, InputReceived,
    PruneRequested,
    PolicyProposed,
)  # fmt: skip
"""What people may say; everything else is said by a service, from what it heard."""

QUERIES = "obra-query"
"""Where log-sink answers SQL, and the edge asks."""

PURGE = f"$JS.API.STREAM.PURGE.{STREAM}"
"""Only log-sink, which has the store, may have the stream forget."""

FOLLOWERS = frozenset({"log-sink", "agent-runner", "planner", "scorer"})
SPEAKERS = frozenset({"agent-runner"})


@dataclass(frozen=True, slots=True)
class User:
    """A login on the server, with the subjects it may publish and subscribe to."""

    name: str
    password: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def users_for(services: "Iterable[Service]") -> list[User]:
    """Return an administrator, the edge that people's commands use, and one user for each service.

    Passwords are fresh 256-bit tokens; they stand in files of mode 0600 and nowhere else.
    """
    users = [
        User(ADMIN, secrets.token_urlsafe(32), (">",), (">",)),
        User(
            EDGE,
            secrets.token_urlsafe(32),
            (
                *publish_subjects(EDGE, (), EDGE_SAYS, follows=True, output=False, blobs=True),
                f"$JS.API.DIRECT.GET.KV_{PRESENCE}",
                QUERIES,
            ),
            (*subscribe_subjects(EDGE), "_INBOX.>", "obra-out.>"),
        ),
    ]
    return users + [_service_user(service) for service in services]


def _service_user(service: "Service") -> User:
    name = service.name
    publish = publish_subjects(
        name, service.hears, service.says, follows=name in FOLLOWERS, output=name in SPEAKERS, blobs=True
    )
    presence = f"$KV.{PRESENCE}.{name}.>"
    subscribe = subscribe_subjects(name)
    if name == "log-sink":
        publish, subscribe = [*publish, "_INBOX_edge.>", "_INBOX.>", PURGE], [*subscribe, QUERIES]
    return User(name, secrets.token_urlsafe(32), (*publish, presence), tuple(subscribe))


def users_conf(users: Sequence[User]) -> str:
    """Return the authorization block of a nats-server configuration."""
    blocks = "\n".join(_user_conf(user) for user in users)
    return f"authorization {{\n  timeout: 5\n  users: [\n{blocks}\n  ]\n}}"


def _user_conf(user: User) -> str:
    def subjects(allowed: tuple[str, ...]) -> str:
        return "[" + ", ".join(f'"{subject}"' for subject in allowed) + "]"

    return (
        f'    {{user: "{user.name}", password: "{user.password}", permissions: {{'
        f"publish: {{allow: {subjects(user.publish)}}}, subscribe: {{allow: {subjects(user.subscribe)}}}}}}}"
    )
