"""One line for a person, and how the live output of an agent is put into such lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from obra.events import Output
from obra.services.console.render.text import clean, count, one_line

Tone = Literal["plain", "good", "bad", "warning", "quiet", "agent"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a person, in which nothing moves a terminal. ``detail``: only for those who want everything."""

    text: str
    tone: Tone = "plain"
    detail: bool = False

    def __post_init__(self) -> None:
        """Clean the text: names of tools and files, and what an LLM writes, come from whoever wants to be believed."""
        if not self.text.isprintable():
            object.__setattr__(self, "text", " ".join(clean(self.text).split("\n")))


def because(what: str, reasons: Sequence[str], tone: Tone) -> Iterable[Line]:
    """Yield *what* with its one reason behind it, or with its reasons below it."""
    if len(reasons) == 1:
        yield Line(f"{what}: {one_line(reasons[0])}", tone)
        return
    yield Line(what, tone)
    for reason in reasons:
        yield Line(f"  - {one_line(reason)}", "quiet")


def said(output: Output) -> list[Line]:
    """Return a piece of live output as lines that are marked as the agent's."""
    mark = {"tool": "→ ", "result": "← ", "error": "! ", "notice": "· "}.get(output.kind, "")
    text = f"{output.tool} {output.text}" if output.kind == "tool" else output.text
    tone: Tone = "bad" if output.kind == "error" else "agent"
    shown = [line.rstrip() for line in clean(text).splitlines() if line.strip()]
    if output.kind in ("tool", "result"):
        shown = shown[:1] + [f"… {count(len(shown) - 1, 'more line')}"] * (len(shown) > 1)
    return [Line(f"  │ {mark if not i else ' ' * len(mark)}{line}", tone) for i, line in enumerate(shown)]
