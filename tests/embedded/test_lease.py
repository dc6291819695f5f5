"""A lease keeps a host alive, and tells everyone who asks when it is gone."""

import asyncio

from obra.shared.embedded.lease import Lease, LeaseServer


async def test_any_number_may_wait_for_the_end_of_a_host() -> None:
    server = LeaseServer()
    await server.start()
    lease = await Lease.take(server.port, server.token)
    assert lease is not None
    waiting = [asyncio.create_task(lease.lost()) for _ in range(3)]
    done, _ = await asyncio.wait(waiting, timeout=0.02)
    assert not done
    await server.stop()
    lease.reader.feed_eof()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await lease.drop()
