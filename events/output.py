"""The live output of an agent, as it travels on the stream OBRA_OUTPUT: one JSON object a line."""

from typing import Annotated, Literal

from msgspec import Meta

from obra.events.base import Value


class Output(Value):
    """One thing the agent said or did, redacted and shortened for people to watch."""

    kind: Annotated[
        Literal["text", "tool", "result", "error", "notice"],
        Meta(description="what the agent says, calls, gets back; what went wrong; what Obra remarks"),
    ]
    text: Annotated[str, Meta(description="at most 4,000 characters")] = ""
    tool: str = ""
