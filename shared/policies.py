"""Puts the policy in force on record: in full, under its hash, whenever it differs from the one before."""

import hashlib

import msgspec

from obra.events import Policy, PolicyAdopted
from obra.events.subjects import PROJECT_LEVEL, Scope
from obra.shared.bus import Bus
from obra.shared.envelope import fresh

SCOPE = Scope(PROJECT_LEVEL, PROJECT_LEVEL)


def sha256(policy: Policy) -> str:
    """Return the hash that names *policy*: over its canonical JSON, defaults left out."""
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()


async def adopt(bus: Bus, policy: Policy) -> None:
    """Append `policy.adopted`, unless the last one on record says the same."""
    adopted = [r.event for r in (await bus.past(SCOPE)).events if isinstance(r.event, PolicyAdopted)]
    if not adopted or adopted[-1].policy != policy:
        await bus.append([fresh(SCOPE, PolicyAdopted(sha256=sha256(policy), policy=policy), "obra")])
