"""Errors this system raises on purpose.

The first docstring line of a class is its message, filled from its fields. The fields go to the log as keys, so
nobody ever parses an error string. ``exit_code`` is what the command line ends with.
"""

from typing import ClassVar


class ObraError(Exception):
    """Something this system foresaw went wrong."""

    exit_code: ClassVar[int] = 4

    def __init__(self, **fields: object) -> None:
        """Keep *fields* for the log and render the message from them."""
        self.fields = fields
        super().__init__((type(self).__doc__ or "").splitlines()[0].format_map(fields))


class ObraWarning(UserWarning):
    """Something that a person should know goes on otherwise than they may think."""

    def __init__(self, **fields: object) -> None:
        """Render the message from *fields*, as errors do."""
        super().__init__((type(self).__doc__ or "").splitlines()[0].format_map(fields))


class Undecodable(ObraError):
    """A message of {size} bytes is no event: {reason}"""


class StaleAppend(ObraError):
    """The stream {scope} moved past {expected} while a decision was made."""


class AppendRefused(ObraError):
    """JetStream refused an append with code {code}: {reason}"""


class StreamFull(ObraError):
    """NATS has no room for more events: `obra export DIR` and `obra prune DIR` make some, or free the disk."""


class BusUnavailable(ObraError):
    """NATS does not answer at {url}: {reason}"""


class BlobMissing(ObraError):
    """The object store holds no content with SHA-256 {sha256}."""


class BadSetting(ObraError):
    """{where}: {problem}"""

    exit_code = 2


class BadUsage(ObraError):
    """{problem}"""

    exit_code = 2


class EnvironmentLacks(ObraError):
    """{problem}"""

    exit_code = 4
