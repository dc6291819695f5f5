"""What every event has in common, and the small values that events are made of."""

import hashlib
from typing import Annotated, Literal, dataclass_transform

import msgspec
from msgspec import Meta

INLINE_BYTES_MAX = 64 * 1024
PREVIEW_CHARS = 2_000

Position = Annotated[int, Meta(ge=0, description="sequence in the stream OBRA; 0 is before everything")]
Attempt = Annotated[int, Meta(ge=1, description="ordinal of the attempt, as the person counts them")]
Run = Annotated[int, Meta(ge=1, description="execution of that attempt; above 1 after an interruption")]
Unit = Annotated[float, Meta(ge=0, le=1)]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Something that happened: past tense, immutable, complete in itself.

    A subclass names its stored form with ``tag``. Tags and field names are the storage format, so a field is
    added with a default, and never renamed or retyped.
    """


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of an event."""


class Content(Value):
    """Text that may be large: whole while it is small, by reference once it is over 64 KiB.

    A service makes it with `Content.of`; the bus moves a large text into the object store as it appends, and
    leaves the SHA-256 and a preview in the event.
    """

    text: Annotated[str, Meta(description="the whole text, or its beginning when `stored` is true")] = ""
    sha256: Annotated[str, Meta(description="of the whole text in UTF-8, hexadecimal")] = ""
    size: Annotated[int, Meta(description="of the whole text, bytes")] = 0
    stored: Annotated[bool, Meta(description="the whole text is in the object store OBRA_BLOBS")] = False

    @classmethod
    def of(cls, text: str) -> "Content":
        """Return *text* with its digest. Lone surrogates are replaced, since UTF-8 can't carry them."""
        data = text.encode("utf-8", "replace")
        return cls(text=data.decode(), sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    def by_reference(self) -> "Content":
        """Return the same content as it stands in an event once the object store holds it."""
        return Content(text=self.text[:PREVIEW_CHARS], sha256=self.sha256, size=self.size, stored=True)


class Tokens(Value):
    """Tokens as the agent or the LLM reported them."""

    input: Annotated[int, Meta(ge=0)] = 0
    output: Annotated[int, Meta(ge=0)] = 0
    cache_read: Annotated[int, Meta(ge=0)] = 0
    cache_write: Annotated[int, Meta(ge=0)] = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        """Return the sum, field by field."""
        return Tokens(
            input=self.input + other.input,
            output=self.output + other.output,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
        )


class Denial(Value):
    """A tool call that the agent was not allowed to make."""

    tool: str
    target: Annotated[str, Meta(description="the file or the command it was for, if known")] = ""


class CheckResult(Value):
    """One check command, run by Obra itself in the workspace."""

    command: str
    exit_code: Annotated[int, Meta(description="negative: killed by that signal")]
    duration_ms: float = 0.0
    timed_out: bool = False
    tries: Annotated[int, Meta(ge=1, description="runs of it; all but the last one failed")] = 1
    output: Annotated[Content, Meta(description="stdout and stderr interleaved; its end, where it is long")] = Content()


class FileChange(Value):
    """One path that differs from the base commit."""

    path: Annotated[str, Meta(description="bytes of a name that are no UTF-8 stand as \\xNN")]
    kind: Literal["added", "modified", "deleted", "renamed", "type"]
    added: Annotated[int, Meta(description="lines; -1 for a binary file")] = 0
    deleted: Annotated[int, Meta(description="lines; -1 for a binary file")] = 0
    origin: Annotated[str, Meta(description="the path before it was renamed; empty: the same")] = ""


Ending = Literal[
    "completed",
    "denied",
    "max_turns",
    "over_budget",
    "rate_limited",
    "unreachable",
    "not_logged_in",
    "rejected",
    "refused",
    "failed",
    "hung",
    "timed_out",
    "stuck",
    "killed",
    "cancelled",
    "unavailable",
    "workspace_lost",
    "unmergeable",
]
"""How an agent's process ended, by what could be observed; `ENDINGS` says what each means."""

ENDINGS: dict[str, str] = {
    "completed": "the agent ended by itself and reported no error; whether the work is done, the evidence says",
    "denied": "the agent reported success, but at least one of its tool calls was denied",
    "max_turns": "the agent used up its turns",
    "over_budget": "the agent, or Obra for it, stopped at the cost limit",
    "rate_limited": "the provider refused because of a rate or usage limit (429)",
    "unreachable": "the provider could not be reached, was overloaded or broke off (5xx, refused, cut stream)",
    "not_logged_in": "the provider did not accept the credentials (401, 403)",
    "rejected": "the provider rejected the request for good (400, 404, no credit, prompt too long)",
    "refused": "the model refused, or its answer was cut at the token limit",
    "failed": "the agent reported an error of its own, or exited without a result",
    "hung": "nothing was heard for the silence limit, and Obra stopped it",
    "timed_out": "the deadline passed, and Obra stopped it",
    "stuck": "the agent went round in circles for as long as the policy lets it, and Obra stopped it",
    "killed": "a signal that Obra did not send ended it",
    "cancelled": "a person cancelled it",
    "unavailable": "the agent could not be started: not installed, no sandbox, missing environment",
    "workspace_lost": "the workspace could not be prepared or recorded (disk full, too large, gone)",
    "unmergeable": "the accepted work of the tasks that it waited for conflicts, so there is nothing to start from",
}

JUDGED: frozenset[str] = frozenset({"completed", "denied"})
"""Endings after which the work is reviewed and scored; after all others the decider acts at once."""

OUTAGES: frozenset[str] = frozenset({"rate_limited", "unreachable"})
"""Endings that are the provider's fault: waited out, and not counted as attempts."""

HOPELESS: frozenset[str] = frozenset({"not_logged_in", "rejected", "unavailable", "over_budget", "unmergeable"})
"""Endings after which the same attempt again can't end otherwise."""

OUTSIDE: frozenset[str] = OUTAGES | {"not_logged_in", "rejected", "unavailable"}
"""Endings whose cause is no matter of the task: the provider, the login, the account, the machine."""
