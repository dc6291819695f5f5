"""Finds the large texts in an event and swaps them for references."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from obra.events import Content
from obra.events.base import INLINE_BYTES_MAX
from obra.shared.envelope import Envelope, encode

PUT_MAX = 4 * 1024
ENVELOPE_BYTES_MAX = 512 * 1024
"""An event that is larger even so gives up its smaller texts too, down to 4 KiB each."""

Put = Callable[[Content], Awaitable[Content]]


async def slim(envelope: Envelope, put: Put) -> tuple[Envelope, bytes]:
    """Return *envelope* and its bytes, with every text over 64 KiB stored by *put* and left as a reference."""
    data = encode(envelope)
    for limit, bytes_max in ((INLINE_BYTES_MAX, INLINE_BYTES_MAX), (PUT_MAX, ENVELOPE_BYTES_MAX)):
        if len(data) > bytes_max:
            event = await _swap(envelope.event, limit, put)
            envelope = msgspec.structs.replace(envelope, event=event)
            data = encode(envelope)
    return envelope, data


def size_of(content: Content) -> int:
    """Return the size of the text that *content* carries itself, in bytes."""
    return len(content.text.encode("utf-8", "replace"))


def is_small(envelope: Envelope) -> bool:
    """Return whether *envelope* is stored as it is: none of its texts is left as a reference."""
    return len(encode(envelope)) <= INLINE_BYTES_MAX


async def _swap(value: Any, limit: int, put: Put) -> Any:
    """Return *value* with every `Content` over *limit* bytes inside it given to *put*."""
    match value:
        case Content():
            return value if value.stored or size_of(value) <= limit else await put(value)
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            swapped = {name: await _swap(field, limit, put) for name, field in fields.items()}
            changed = {name: field for name, field in swapped.items() if field is not fields[name]}
            return msgspec.structs.replace(value, **changed) if changed else value
        case tuple():
            items = [await _swap(item, limit, put) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else tuple(items)
        case dict():
            return {key: await _swap(item, limit, put) for key, item in value.items()}
    return value
