"""What each service needs to be allowed on NATS, and nothing more."""

from collections.abc import Iterable

from obra.events import Event, MessageDeadLettered, TimerSet
from obra.events.subjects import BLOBS, STREAM, heard


def publish_subjects(
    service_name: str,
    hears: Iterable[type[Event]],
    says: Iterable[type[Event]],
    *,
    follows: bool,
    output: bool,
    blobs: bool,
) -> list[str]:
    """Return the subjects that a service may publish on.

    What it *says*, on any project and task; reading the past; taking from its own durable consumer and settling
    there, if it *hears* anything; creating consumers without acknowledgements, if it *follows* the stream; live
    *output* of agents; writing *blobs*, which reading does not need.
    """
    said, asked = tuple(says), tuple(hears)
    subjects = heard(said)
    subjects += [f"$JS.API.DIRECT.GET.{STREAM}", f"$JS.API.DIRECT.GET.OBJ_{BLOBS}"]
    if asked:
        subjects += [f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{service_name}", f"$JS.ACK.{STREAM}.{service_name}.>"]
        subjects += [f"$JS.ACK.*.*.{STREAM}.{service_name}.>", *heard([MessageDeadLettered])]
    if TimerSet in said:
        subjects.append("obra-timer.>")
    if follows:
        subjects += [f"$JS.API.CONSUMER.CREATE.{STREAM}.*", f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.*"]
    if output:
        subjects.append("obra-out.>")
    if blobs:
        subjects.append(f"$O.{BLOBS}.>")
    return list(dict.fromkeys(subjects))


def subscribe_subjects(service_name: str) -> list[str]:
    """Return the subjects that a service may subscribe to: the inbox on which its answers arrive."""
    return [f"_INBOX_{service_name}.>"]
