"""Obra: supervises coding agents."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obra.shared.client import Orchestrator

__all__ = ["Orchestrator"]


def __getattr__(name: str) -> Any:
    """Load the Python API when it is asked for, so that `import obra` costs nothing."""
    if name == "Orchestrator":
        from obra.shared.client import Orchestrator  # noqa: PLC0415 - see above

        return Orchestrator
    raise AttributeError(f"module 'obra' has no attribute {name!r}")
