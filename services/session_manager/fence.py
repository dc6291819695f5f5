"""The fence around untrusted text in a prompt."""

import hashlib
from dataclasses import dataclass

import msgspec

NONCE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Fence:
    """Marks untrusted text. The mark follows from all the text it is put around, so none of it can contain it."""

    nonce: str

    @classmethod
    def around(cls, *material: object) -> "Fence":
        """Return the fence for *material*: the same for the same, and not to be foreseen by who wrote it."""
        data = msgspec.json.encode(material, order="deterministic")
        return cls(hashlib.sha256(data).hexdigest()[:NONCE_DIGITS])

    def put(self, text: str) -> str:
        """Return *text* between the marks, with anything like a mark taken out of it."""
        return f"<<<data {self.nonce}\n{text.replace(self.nonce, '').rstrip()}\n{self.nonce} data>>>"
