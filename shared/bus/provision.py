"""Creates and updates streams, buckets and consumers: the administrator's work, done before services start."""

from dataclasses import replace

import msgspec
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError

from obra.events.subjects import BLOBS, EVERYTHING, OUTPUT_STREAM, PRESENCE, STREAM, heard
from obra.shared.bus import Consumer
from obra.shared.config import NatsSettings
from obra.shared.errors import AppendRefused
from obra.shared.log import get_logger

DUPLICATE_WINDOW_S = 600.0
MESSAGE_BYTES_MAX = 4 * 1024**2
OUTPUT_AGE_S_MAX = 7 * 86_400.0
PRESENCE_S = 15.0
REQUESTS_WAITING_MAX = 512
EXISTS, NO_ROOM = 10058, 10047

log = get_logger("provision")


def streams(settings: NatsSettings) -> list[StreamConfig]:
    """Return the streams behind everything.

    The server refuses schedules in a stream that discards new messages, and one that discards old ones would lose
    the past of open tasks. So OBRA has no limit of its own: the embedded server's limit on all storage makes it refuse.
    """
    common = StreamConfig(retention=RetentionPolicy.LIMITS, allow_direct=True, num_replicas=settings.replicas)
    file = replace(common, storage=StorageType.FILE)
    # A server of one's own forgets a stream in memory when it starts again; the embedded one is prepared at each start.
    brief = StorageType.FILE if settings.url else StorageType.MEMORY
    return [
        replace(
            file, name=STREAM, subjects=[EVERYTHING, "obra-timer.>"], discard=DiscardPolicy.OLD,
            max_bytes=-1, max_msg_size=MESSAGE_BYTES_MAX,
            duplicate_window=DUPLICATE_WINDOW_S, deny_delete=True, allow_atomic=True, allow_msg_schedules=True,
            allow_msg_ttl=True,
        ),
        replace(
            file, name=OUTPUT_STREAM, subjects=["obra-out.>"], discard=DiscardPolicy.OLD,
            max_bytes=settings.output_bytes_max, max_age=OUTPUT_AGE_S_MAX,
        ),
        replace(
            file, name=f"OBJ_{BLOBS}", subjects=[f"$O.{BLOBS}.C.>", f"$O.{BLOBS}.M.>"], discard=DiscardPolicy.NEW,
            allow_rollup_hdrs=True,
        ),
        replace(
            common, name=f"KV_{PRESENCE}", subjects=[f"$KV.{PRESENCE}.>"], discard=DiscardPolicy.NEW,
            storage=brief, max_msgs_per_subject=1, max_age=PRESENCE_S, duplicate_window=PRESENCE_S,
            deny_delete=True, allow_rollup_hdrs=True,
        ),
    ]  # fmt: skip


async def provision(js: JetStreamContext, settings: NatsSettings) -> None:
    """Create what is missing of the streams and update what differs; repeating it changes nothing."""
    for config in streams(settings):
        try:
            await _provide(js, config)
        except APIError as error:
            if error.err_code != NO_ROOM or not config.max_bytes:
                raise
            # max_bytes is set aside in advance. On a small disk the limit is the disk instead.
            log.warning("no room to reserve for the stream", stream=config.name, bytes=config.max_bytes)
            await _provide(js, replace(config, max_bytes=-1))


async def _provide(js: JetStreamContext, config: StreamConfig) -> None:
    try:
        await js.add_stream(config)
    except APIError as error:
        if error.err_code != EXISTS:
            raise
        await js.update_stream(config)


async def provision_consumer(js: JetStreamContext, consumer: Consumer) -> None:
    """Create or update the durable group of readers that *consumer* describes."""
    config = ConsumerConfig(
        name=consumer.name,
        durable_name=consumer.name,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.lease_s,
        max_deliver=-1,
        max_ack_pending=consumer.in_flight_max,
        max_waiting=REQUESTS_WAITING_MAX,
        filter_subjects=heard(consumer.kinds),
    )
    await js.add_consumer(STREAM, config)


async def redeliver(js: JetStreamContext, consumer: Consumer) -> None:
    """Hand out at once what was delivered and not settled, instead of when its lease ends.

    For a group that certainly has no reader now. It goes back to the first unsettled event; what was settled out
    of order behind it is delivered again too, and the counts of deliveries begin anew.
    """
    reply = await js._nc.request(f"$JS.API.CONSUMER.RESET.{STREAM}.{consumer.name}", b"", timeout=5)
    if error := msgspec.json.decode(reply.data).get("error"):
        raise AppendRefused(code=error.get("err_code", 0), reason=error.get("description", ""))
