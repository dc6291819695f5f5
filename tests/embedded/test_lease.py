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
    await asyncio.wait_for(asyncio.gather(*waiting), 20)
    await lease.drop()


async def test_who_is_connected_but_has_not_spoken_when_the_last_lease_goes_gets_none() -> None:
    server = LeaseServer()
    await server.start()
    lease = await Lease.take(server.port, server.token)
    assert lease is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await lease.drop()
    await asyncio.wait_for(server.last_gone(), 20)
    writer.write(server.token.encode() + b"\n")
    assert await asyncio.wait_for(reader.read(), 20) == b"", "a host that ends takes nobody along"
    writer.close()
    await writer.wait_closed()
    await server.stop()


async def test_who_does_not_know_the_word_gets_none() -> None:
    server = LeaseServer()
    await server.start()
    assert await Lease.take(server.port, "another word") is None
    lease = await Lease.take(server.port, server.token)
    assert lease is not None
    await lease.drop()
    await server.stop()
