"""Events of sessions, prompts and budgets as sentences."""

from collections.abc import Iterable

from obra.events import session as s
from obra.services.console.render.line import Line
from obra.services.console.render.registry import of
from obra.services.console.render.text import count, money, one_line, size


@of(s.LlmSelected)
def _llm(e: s.LlmSelected) -> Iterable[Line]:
    who = "none, evidence alone decides" if e.provider == "none" else f"{e.provider}/{e.model}"
    yield Line(f"reviewer: {who}" + (f" ({one_line(e.reason)})" if e.reason else ""))


@of(s.PromptPrepared)
def _prepared(e: s.PromptPrepared) -> Iterable[Line]:
    feedback = ", with feedback from attempt " + ", ".join(map(str, e.feedback_from)) if e.feedback_from else ""
    resumed = ", in the agent's own session" if e.resume else ""
    if e.fresh:
        yield Line(f"note: a fresh session of the agent, since {one_line(e.fresh)}", "warning")
    lacks = f", {count(len(e.left_out), 'piece')} of context cut or left out" if e.left_out else ""
    line = f"prompt for attempt {e.attempt}: {size(e.prompt.size)}{feedback}{resumed}{lacks}"
    yield Line(line, detail=not (e.feedback_from or lacks))


@of(s.SessionWarned)
def _filling(e: s.SessionWarned) -> Iterable[Line]:
    by = "as it reports" if e.basis == "reported" else "by estimate, before the prompt is sent"
    yield Line(f"the agent's context is {e.used:.0%} full: {e.tokens:,} of {e.window:,} tokens, {by}", "warning")


@of(s.SessionRefreshed)
def _refreshed(e: s.SessionRefreshed) -> Iterable[Line]:
    source = f"an extract ({one_line(e.reason)})" if e.by == "extract" else f"a summary by {one_line(e.by)}"
    yield Line(f"the next attempt begins afresh, from {source}", "warning")


@of(s.PromptEnhanced)
def _enhanced(e: s.PromptEnhanced) -> Iterable[Line]:
    if e.usable:
        yield Line(f"advice from {e.model or e.provider}: {one_line(e.advice.text)}", detail=True)
    else:
        yield Line(f"no advice from the reviewer: {one_line(e.reason)}", "warning")


@of(s.BudgetExhausted)
def _exhausted(e: s.BudgetExhausted) -> Iterable[Line]:
    yield Line(f"the budget of {money(e.budget_usd)} is used up: {money(e.spent_usd)} spent", "bad")


@of(s.SessionOpened)
def _opened(e: s.SessionOpened) -> Iterable[Line]:
    window = f", with a context window of {e.context_tokens_max:,} tokens" if e.context_tokens_max else ""
    yield Line(f"session {one_line(e.session)} begins{window}", "quiet", detail=True)


@of(s.SessionJoined)
def _joined(e: s.SessionJoined) -> Iterable[Line]:
    yield Line(f"{one_line(e.member)} joins session {one_line(e.session)}", "quiet", detail=True)


@of(s.SessionBriefed)
def _briefed(e: s.SessionBriefed) -> Iterable[Line]:
    about = ", ".join(one_line(briefing.name) for briefing in e.briefings)
    yield Line(f"told of what came before: {about or 'there is nothing yet'}", "quiet", detail=True)


@of(s.SummaryRequested)
def _wanted(e: s.SummaryRequested) -> Iterable[Line]:
    yield Line(f"a summary of session {one_line(e.session)} is wanted, of {size(e.text.size)}", "quiet", detail=True)


@of(s.SessionSummarised)
def _summarised(e: s.SessionSummarised) -> Iterable[Line]:
    if e.usable:
        yield Line(f"session {one_line(e.session)} was summarised by {e.by or 'the LLM'}", "quiet", detail=True)
    else:
        yield Line(f"no summary of session {one_line(e.session)}: {one_line(e.reason)}", "warning", detail=True)


@of(s.SessionClosed)
def _closed(e: s.SessionClosed) -> Iterable[Line]:
    yield Line(f"session {one_line(e.session)} ends", "quiet", detail=True)


@of(s.BudgetReserved)
def _reserved(e: s.BudgetReserved) -> Iterable[Line]:
    yield Line(f"{money(e.usd)} set aside for attempt {e.attempt}", "quiet", detail=True)


@of(s.BudgetSettled)
def _settled(e: s.BudgetSettled) -> Iterable[Line]:
    yield Line(f"attempt {e.attempt} cost {money(e.usd)}", "quiet", detail=True)
