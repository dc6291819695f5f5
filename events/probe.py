"""What changed code does with input that no test has."""

from typing import Annotated

from msgspec import Meta

from obra.events.base import Attempt, Event, Run, Value


class ProbedCode(Value):
    """One changed function or program, called again as the checks call it, with another word or number in its input."""

    path: str
    name: Annotated[str, Meta(description="of the function; empty: the program, or all that the module exports")] = ""
    calls: Annotated[int, Meta(description="of the checks, that came to the same when they were made alone")] = 0
    altered: Annotated[int, Meta(description="calls with another word or number in one place")] = 0
    held: Annotated[int, Meta(description="of these: came to what the unaltered call came to")] = 0
    errors: Annotated[int, Meta(description="of these: ended with an error")] = 0
    fitted: Annotated[
        tuple[str, ...],
        Meta(description="what the output repeats after it is gone from the input; empty: none"),
    ] = ()
    examples: Annotated[
        tuple[str, ...], Meta(description="altered calls and what they gave, where `fitted` or `differing`")
    ] = ()
    compared: Annotated[
        int, Meta(description="altered calls that were made on the base's code, too, where behaviour was to stay")
    ] = 0
    differing: Annotated[int, Meta(description="of these: gave something else there")] = 0


class WorkspaceProbed(Event, tag="workspace.probed"):
    """Changed code was run on altered input, to see whether its answers are computed or those of the tests.

    Said only where the checks call code that was changed, or where the probe could not be made.
    """

    attempt: Attempt
    run: Run
    seed: Annotated[str, Meta(description="of the alterations")] = ""
    code: tuple[ProbedCode, ...] = ()
    problem: Annotated[str, Meta(description="why nothing, or not all, was seen")] = ""
    duration_ms: float = 0.0
