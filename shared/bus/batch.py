"""What may be appended together."""

from collections.abc import Sequence

from obra.events.subjects import Scope, name
from obra.shared.envelope import Envelope


def together(envelopes: Sequence[Envelope]) -> tuple[Scope, list[Envelope]]:
    """Return the one scope of *envelopes*, and them without repetitions; ValueError if they don't belong together."""
    scopes = {envelope.scope for envelope in envelopes}
    if len(scopes) != 1:
        names = sorted(".".join(scope) for scope in scopes)
        raise ValueError(f"an append is one or more envelopes of one scope, not of {names}")
    unique = {envelope.id: envelope for envelope in envelopes}
    for envelope in unique.values():
        if name(envelope.event) == "unknown":
            raise ValueError("an event of an unknown type is never published")
    return scopes.pop(), list(unique.values())
