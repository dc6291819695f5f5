"""Puts the policy in force on record: in full, under its hash, whenever it differs from the one before."""

from obra.events import Policy, PolicyAdopted
from obra.events.policy import digest
from obra.events.subjects import PLATFORM
from obra.shared.bus import Bus
from obra.shared.envelope import fresh


async def adopt(bus: Bus, policy: Policy) -> None:
    """Append `policy.adopted`, unless the last one on record says the same."""
    adopted = [r.event for r in (await bus.past(PLATFORM)).events if isinstance(r.event, PolicyAdopted)]
    if not adopted or adopted[-1].policy != policy:
        await bus.append([fresh(PLATFORM, PolicyAdopted(sha256=digest(policy), policy=policy), "obra")])
