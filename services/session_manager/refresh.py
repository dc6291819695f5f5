"""What happens as the agent's context fills up: a warning, a summary, a fresh start. Pure."""

from collections.abc import Sequence

from obra.events import (
    AttemptFinished,
    AttemptInterrupted,
    Content,
    Event,
    Policy,
    SessionClosed,
    SessionRefreshed,
    SessionSummarised,
    SessionWarned,
    SummaryRequested,
)
from obra.services.session_manager import account
from obra.services.session_manager.state import NONE, State

EXTRACT = "extract"


def warned(state: State, event: AttemptFinished | AttemptInterrupted) -> list[Event]:
    """Return the warning that the run's conversation has filled the window so far, once for a run."""
    policy, full = state.policy or Policy(), state.full
    if (event.attempt, event.run) != state.ended or state.ended == full.warned or state.evidence.key != state.ended:
        return []
    if full.share < policy.context_warn or not full.used:
        return []
    return [SessionWarned(session=state.session, used=full.share, tokens=full.used, window=full.window)]


def due(state: State) -> bool:
    """Return whether the next run must not begin before the session was refreshed."""
    policy = state.policy or Policy()
    return bool(state.full.used) and state.full.share >= policy.context_refresh and state.full.refreshed != state.next


def begun(state: State) -> Sequence[Event]:
    """Return how the refresh that is due begins: with a question to the LLM, or at once with an extract."""
    if state.full.asked == state.next:
        return []
    policy = state.policy or Policy()
    emergency = state.full.share >= policy.context_emergency
    if state.llm_serves and not emergency:
        return [SummaryRequested(session=state.session, text=Content.of(material(state)))]
    reason = "the window is nearly full" if emergency else "no LLM serves this task"
    return [_refreshed(state, Content.of(material(state)), EXTRACT, reason, emergency=emergency)]


def answered(state: State, event: SessionSummarised) -> Sequence[Event]:
    """Return the refresh with the summary that was asked for, or with an extract where the LLM gave none."""
    if not (due(state) and state.full.asked == state.next > NONE and event.of == state.full.asked_of):
        return []
    if event.usable and event.summary.text.strip():
        return [_refreshed(state, event.summary, event.by, "")]
    return [_refreshed(state, Content.of(material(state)), EXTRACT, event.reason or "the summary was empty")]


def closed(state: State, *, tell: bool) -> Sequence[Event]:
    """Return the end of the session: a shared one that is to *tell* the other tasks is summarised first."""
    if not state.opened or state.closed:
        return []
    end = SessionClosed(session=state.session)
    if not (tell and state.closing) or state.summarised:
        return [end]
    text = Content.of(state.closing)
    if state.llm_serves:
        return [] if state.asked_at_end else [SummaryRequested(session=state.session, text=text)]
    return [SessionSummarised(session=state.session, summary=text, of=text.sha256, by=EXTRACT), end]


def material(state: State) -> str:
    """Return what a summary is made from, which also stands in for one."""
    last = state.last
    lines = [account.of_work(state.task, last.evidence if last else state.evidence, state.earlier)]
    if last:
        lines.append(account.of_attempt(last.evidence, last.reasons))
    if state.summary:
        lines.insert(0, f"Before that: {state.summary.summary.text}")
    return account.bounded("\n".join(lines), 2 * account.EXTRACT_CHARS_MAX)


def _refreshed(state: State, summary: Content, by: str, reason: str, *, emergency: bool = False) -> SessionRefreshed:
    return SessionRefreshed(
        session=state.session, summary=summary, emergency=emergency, by=by, reason=reason, used=state.full.share
    )
