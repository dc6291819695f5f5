"""Every kind of question that is put to the LLM. A further one is a file like `review.py` and a line here."""

from typing import Any

from obra.events import Event
from obra.services.supervisor_llm import clarify, enhance, interpret, plan, review, summary
from obra.services.supervisor_llm.kind import Kind

KINDS: tuple[Kind[Any, Any], ...] = (enhance.KIND, review.KIND, summary.KIND, clarify.KIND, plan.KIND, interpret.KIND)

BY_CAUSE: dict[type[Event], Kind[Any, Any]] = {kind.hears: kind for kind in KINDS}
"""What answers which event."""
