"""What can be wrong with a store: one fault, named so that a person finds the event."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["altered", "missing", "inserted", "reordered", "cut", "unanchored"]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first event that is not as it was stored.

    ``altered``: its bytes, its hash or one of its columns changed. ``missing``: at least one event that stood before
    ``position`` is gone. ``inserted``: it was put in later. ``reordered``: it stands at another's place. ``cut``:
    the end of the log is gone. ``unanchored``: the anchor that was made there is gone from where it was kept. ``id``
    and ``type`` are as far as they can be read; ``detail`` is one sentence.
    """

    kind: Kind
    position: int
    detail: str
    id: str = ""
    type: str = ""

    def told(self) -> str:
        """Return the fault as one line for a person."""
        what = " ".join(part for part in (self.type, f"({self.id})" if self.id else "") if part)
        return f"position {self.position:,}{': ' + what if what else ''}: {self.kind}; {self.detail}"
