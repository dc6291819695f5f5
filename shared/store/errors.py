"""What can go wrong with the store and with questions to it."""

from obra.shared.errors import EnvironmentLacks, ObraError


class StoreLocked(EnvironmentLacks):
    """The store {path} is open in another process ({holder}); stop that one, or ask the running Obra instead."""


class StoreDamaged(ObraError):
    """The store {path} can't be read, and `obra restore` brings it back: {reason}"""


class StoreFailed(EnvironmentLacks):
    """The store {path} could not be written: {reason}"""


class StoreMissing(EnvironmentLacks):
    """There is no store at {path} yet; it is made when Obra runs for the first time."""


class StoreSilent(EnvironmentLacks):
    """The store does not answer: {reason}. `obra status` shows whether log-sink runs."""


class StoreBehind(EnvironmentLacks):
    """The store has taken in {position} of {wanted} events after {waited_s} s; ask again in a moment."""


class QueryRefused(ObraError):
    """The query was refused: {reason}"""

    exit_code = 2


class QueryUnstoppable(QueryRefused):
    """The query needs a process of its own, which can be killed: {reason}"""


class QueryFailed(ObraError):
    """The query failed: {reason}"""

    exit_code = 2
