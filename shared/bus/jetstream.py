"""The bus on NATS JetStream."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from uuid import uuid4

import msgspec
from nats import errors
from nats.js import JetStreamContext

from obra.events import Content
from obra.events.base import INLINE_BYTES_MAX
from obra.events.subjects import EVERYTHING, STREAM, Scope, output_subject
from obra.shared.bus import Consumer, Delivery, Past, Raw, Stored
from obra.shared.bus.batch import together
from obra.shared.bus.blobs import Blobs
from obra.shared.bus.chain import EXPECTED_ID, Chain
from obra.shared.bus.client import Incoming
from obra.shared.bus.connect import connect
from obra.shared.bus.content import size_of
from obra.shared.bus.delivery import TERM, Acks, JetStreamDelivery, Place
from obra.shared.bus.each import AppendEach
from obra.shared.bus.message import dead_letter, encode_json, nanoseconds, raw_of
from obra.shared.bus.past import last, past, purge
from obra.shared.bus.publish import EXPECTED, EXPECTED_OF, Append, patiently
from obra.shared.bus.pull import Pull, PullLost
from obra.shared.bus.tail import Tail
from obra.shared.bus.wire import NoAnswer, Wire
from obra.shared.envelope import Envelope, Recorded
from obra.shared.errors import ObraError, Undecodable

CLOSE_S = 5.0
PAUSE_S, PAUSE_S_MAX = 0.1, 2.0
FOLLOW_BATCH = 2_048
FOLLOWER_IDLE_S = 60.0
SAY_BYTES_MAX = 512 * 1024
SAY_PENDING_MAX = 1024 * 1024
HEAR_PENDING_MAX = 10_000
DEAD_PAUSE_S = 60.0


class JetStreamBus:
    """See `Bus`. Made by `connect`, ended by `close`.

    ``nc`` and ``js`` are nats-py's client and JetStream API, ``wire`` the requests below both.
    """

    def __init__(self, wire: Wire, service: str, tail: Tail | None = None) -> None:
        """Speak over *wire* as *service*; *tail* is shared by all buses of this process that lead to one stream."""
        self.nc = wire.nc
        self.js: JetStreamContext = wire.nc.jetstream(timeout=CLOSE_S)
        self.service = service
        self.wire = wire
        self._blobs = Blobs(wire)
        self._acks = Acks(wire)
        self._tail = Tail() if tail is None else tail
        wire.on_reconnect.add(self._tail.clear)

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        user: str = "",
        password: str = "",
        service: str,
        inbox_prefix: str = "",
        tail: Tail | None = None,
    ) -> "JetStreamBus":
        """Log in at *url* and return the bus; `BusUnavailable` if that takes more than 10 s or is refused.

        The connection comes back by itself after an interruption of up to ten minutes. Answers arrive on
        *inbox_prefix*, by default ``_INBOX_`` and the service's name.
        """
        wire = await connect(url, user, password, service, inbox_prefix or f"_INBOX_{service}")
        return cls(wire, service, tail)

    async def close(self) -> None:
        """Send what is pending and end the connection, within 5 s."""
        with contextlib.suppress(errors.Error, TimeoutError, ObraError):
            async with asyncio.timeout(CLOSE_S):
                await self._acks.flush()
                await self.nc.drain()
        if not self.nc.is_closed:
            await self.nc.close()

    async def append(self, envelopes: Sequence[Envelope], *, expected: int | None = None) -> int:
        """See `Bus.append`. Raises `AppendRefused` and `BusUnavailable` too."""
        scope, unique = together(envelopes)
        return await Append(self.wire, self.store, self.past, self._tail, scope, expected, unique).run()

    async def append_chain(self, envelopes: Sequence[Envelope], *, expected: int) -> int:
        """See `Bus.append_chain`. Raises `AppendRefused` and `BusUnavailable` too."""
        scope, unique = together(envelopes)

        def one(envelope: Envelope, expected: int) -> Append:
            return Append(self.wire, self.store, self.past, self._tail, scope, expected, [envelope])

        return await Chain(self.wire, self.store, self._tail, one, scope, expected, unique).run()

    async def append_each(self, pairs: Sequence[tuple[Envelope, int]]) -> int:
        """See `Bus.append_each`. Raises `AppendRefused` and `BusUnavailable` too."""
        return await AppendEach(self.wire, self.store, self.past, pairs).run()

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        """See `Bus.past`."""
        if reaching and (known := self._tail.after(scope, after, reaching)):
            return known
        return await patiently(self.wire, lambda: past(self.wire, self._tail, scope, after))

    async def last_position(self, filters: Sequence[str] = ()) -> int:
        """See `Bus.last_position`."""
        asked = [patiently(self.wire, partial(last, self.wire, one)) for one in filters or [EVERYTHING]]
        return max(await asyncio.gather(*asked))

    async def listen(self, consumer: Consumer) -> AsyncGenerator[Delivery, None]:
        """See `Bus.listen`. The durable consumer exists already: `provision_consumer` makes it."""
        pull = Pull(self.wire, STREAM, consumer.name, min(consumer.ahead_max, consumer.in_flight_max))
        await pull.open()
        losses = 0
        try:
            while True:
                try:
                    message = await pull.next()
                except PullLost:
                    losses += 1
                    await _pause(losses)
                    continue
                losses = 0
                if delivery := await self._delivery(consumer, message):
                    yield delivery
        finally:
            await pull.close(give_back=True)

    async def _delivery(self, consumer: Consumer, message: Incoming) -> JetStreamDelivery | None:
        """Return what to hand out for *message*, or settle it: what is unreadable or was delivered too often."""
        place = Place.of(message)
        try:
            envelope = self._tail.read(place.position, message.subject, message.data)
        except Undecodable:
            await self.wire.publish(message.reply, TERM)
            return None
        self._tail.note(place.position, message.subject, message.data, envelope)
        recorded = Recorded(place.position, envelope)
        headers = message.headers
        if headers.get(EXPECTED_OF) == recorded.envelope.scope.everything:
            self._tail.add(recorded.envelope.scope, int(headers[EXPECTED]), [recorded])
        elif EXPECTED_ID in headers:
            self._tail.add(recorded.envelope.scope, place.position - 1, [recorded])
        delivery = JetStreamDelivery(
            recorded, place.deliveries, message.reply, self.wire, self._acks, consumer.in_flight_max
        )
        if place.deliveries <= consumer.deliveries_max:
            return delivery
        reason = f"it was handed out {consumer.deliveries_max} times and never settled"
        try:
            await self.append([dead_letter(recorded, consumer.name, reason, place.deliveries - 1)])
        except ObraError:
            await delivery.again(DEAD_PAUSE_S)
        else:
            await self.wire.publish(message.reply, TERM)
        return None

    async def follow(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Raw, None]:
        """See `Bus.follow`."""
        async with contextlib.aclosing(self.copied(after, filters)) as copies:
            async for messages in copies:
                for message in messages:
                    yield self._raw(message)

    async def copied(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Sequence[Stored], None]:
        """See `Bus.copied`. Each loss of connection or of a message begins anew behind the last one yielded."""
        position, losses = after, 0
        while True:
            try:
                pull = await self._follower(position + 1, filters)
            except NoAnswer as error:
                if self.nc.is_closed:
                    raise self.wire.unavailable(error) from error
                losses += 1
                await _pause(losses)
                continue
            try:
                number, whole = 0, True
                with contextlib.suppress(PullLost):
                    while whole:
                        messages, number, whole = _unbroken(await pull.some(), number)
                        if messages:
                            position, losses = messages[-1].position, 0
                            yield messages
            finally:
                await pull.close(give_back=False)
            losses += 1
            await _pause(losses)

    def _raw(self, message: Stored) -> Raw:
        return raw_of(message.position, message.subject, message.data, message.stored_at_ns, self._tail.read)

    async def _follower(self, start: int, filters: Sequence[str]) -> Pull:
        """Return an open pull on a fresh consumer that begins at *start* and needs no acknowledgements."""
        name = f"{self.service}-{uuid4().hex[:12]}"
        config = {
            "name": name, "deliver_policy": "by_start_sequence", "opt_start_seq": start, "ack_policy": "none",
            "replay_policy": "instant", "mem_storage": True, "num_replicas": 1,
            "inactive_threshold": nanoseconds(FOLLOWER_IDLE_S), "filter_subjects": list(filters) or [EVERYTHING],
        }  # fmt: skip
        request = encode_json({"stream_name": STREAM, "config": config, "action": "create"})
        reply = await self.wire.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.{name}", request)
        if error := msgspec.json.decode(reply.data).get("error"):
            raise NoAnswer(subject=f"consumer {name}", reason=error.get("description", ""))
        pull = Pull(self.wire, STREAM, name, FOLLOW_BATCH)
        await pull.open()
        return pull

    async def purge(self, scope: Scope, before: int) -> int:
        """See `Bus.purge`. Raises `AppendRefused` where this user may not."""
        return await patiently(self.wire, lambda: purge(self.wire, scope, before))

    async def put(self, content: Content) -> Content:
        """See `Bus.put`."""
        if content.stored or size_of(content) <= INLINE_BYTES_MAX:
            return content
        return await self.store(content)

    async def store(self, content: Content) -> Content:
        """Put *content*, whatever its size, into the object store and return it by reference."""
        whole = Content.of(content.text)
        await patiently(self.wire, lambda: self._blobs.put(whole.sha256, whole.text.encode()))
        return whole.by_reference()

    async def text(self, content: Content) -> str:
        """See `Bus.text`."""
        if not content.stored:
            return content.text
        data = await patiently(self.wire, lambda: self._blobs.get(content.sha256))
        return data.decode()

    async def say(self, scope: Scope, attempt: int, data: bytes) -> None:
        """See `Bus.say`. What does not fit is cut; while the connection is down or clogged it is dropped."""
        if self.nc.is_connected and self.nc.pending_data_size < SAY_PENDING_MAX:
            with contextlib.suppress(errors.Error):
                await self.nc.publish(output_subject(scope, attempt), data[:SAY_BYTES_MAX])

    async def hear(self, scope: Scope) -> AsyncGenerator[tuple[int, bytes], None]:
        """See `Bus.hear`. A reader that falls 10,000 pieces behind loses the oldest."""
        heard: deque[Incoming] = deque(maxlen=HEAR_PENDING_MAX)
        stir = asyncio.Event()

        def take(message: Incoming) -> None:
            heard.append(message)
            stir.set()

        subscription = await self.nc.hear(f"obra-out.{scope.project}.{scope.task}.*", take)
        try:
            while True:
                while heard:
                    message = heard.popleft()
                    yield int(message.subject.rpartition(".")[2]), message.data
                stir.clear()
                await stir.wait()
        finally:
            with contextlib.suppress(errors.Error):
                await subscription.unsubscribe()


def _unbroken(messages: Sequence[Incoming], number: int) -> tuple[list[Stored], int, bool]:
    """Return the *messages* that follow on the one with *number*, the last one's number, and whether these are all."""
    made = list[Stored]()
    for message in messages:
        place = Place.of(message)
        if place.number != number + 1:
            return made, number, False
        number = place.number
        made.append(Stored(place.position, message.subject, message.data, place.stored_at_ns))
    return made, number, True


async def _pause(losses: int) -> None:
    await asyncio.sleep(min(PAUSE_S * 2 ** min(losses - 1, 8), PAUSE_S_MAX) * random.uniform(0.5, 1.0))
