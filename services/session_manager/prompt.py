"""A prompt from what is known: the same knowledge always gives the same text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from obra.events import ENDINGS, Content, LeftOut, Policy, PromptPrepared, TaskSubmitted
from obra.services.session_manager import material, window
from obra.services.session_manager.context import Composed, Piece, compose
from obra.services.session_manager.fence import Fence
from obra.services.session_manager.prompts import Template, pick
from obra.services.session_manager.state import Feedback, State
from obra.shared import tokens
from obra.shared.rules import Book, Rule
from obra.shared.rules.kind import kind_of

RESUMED_BY = frozenset({"claude"})
"""Agents whose own session can be gone on with."""

CLOSING = "</INSTRUCTION>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, complete but for the LLM's advice, with the record of how it was made."""

    text: str
    words: Template
    kind: str
    rules: tuple[Rule, ...]
    rules_sha256: str
    tokens: int
    budget: int
    told: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    resume: str
    fresh: str

    def event(self, state: State) -> PromptPrepared:
        """Return the event that records it, for the next run."""
        attempt, run = state.next
        return PromptPrepared(
            attempt=attempt, run=run, prompt=Content.of(self.text), template=self.words.name,
            template_sha256=self.words.sha256, feedback_from=_seen(state.last),
            kind=self.kind, rules=tuple(rule.id for rule in self.rules), rules_sha256=self.rules_sha256,
            tokens_estimated=self.tokens, tokens_by=tokens.NAME, tokens_max=self.budget, pieces=self.told,
            left_out=self.left_out, resume=self.resume, fresh=self.fresh,
        )  # fmt: skip


def render(state: State, book: Book, wanted: str = "") -> Prompt:
    """Return the prompt of the next run. *wanted* names a template in place of the task's and the policy's."""
    assert state.task is not None
    task, policy = state.task, state.policy or Policy()
    words = pick(wanted or task.template, policy.prompt_template)
    kind = kind_of(task.text, task.kind)
    rules, (resume, fresh) = book.chosen(kind), _resumed(state)
    fence = Fence.around(
        state.next, task, state.tree, state.last, state.earlier, state.briefings, state.answers, state.summary
    )
    make = material.Pieces(words, fence)
    pieces = _gathered(state, book, make)
    bare = _filled(state, words, rules, resume, fence, Composed(), pieces)
    size = tokens.count(bare)
    share = int(policy.context_share * window.size_for(task, policy, None))
    composed = compose(list(chain(*pieces)), task.text, max(0, share - size))
    text = _filled(state, words, rules, resume, fence, composed, pieces) if composed.told else bare
    return Prompt(
        text, words, kind, rules, book.sha256, tokens.count(text) if composed.told else size, max(0, share - size),
        tuple(piece.name for piece in composed.told), composed.left_out, resume, fresh,
    )  # fmt: skip


def advised(prompt: str, advice: str, words: Template) -> str:
    """Return *prompt* with the LLM's advice in a section of its own."""
    fence = Fence.around(prompt, advice)
    section = words.fill("advice", nonce=fence.nonce, fenced=fence.put(advice))
    head, closing, _ = prompt.rpartition(CLOSING) if words.structured else (prompt, "", "")
    return f"{words.fill('advised', head=head if closing else prompt, advice=section)}\n"


def _resumed(state: State) -> tuple[str, str]:
    """Return the agent's session that the next run goes on with, after its turns ran out; or why it does not."""
    assert state.task is not None
    policy, full, agent = state.policy or Policy(), state.full, state.task.agent.partition(":")[0]
    if state.evidence.ending != "max_turns" or (state.evidence.attempt, state.evidence.run) != state.ended:
        return "", ""
    if not policy.resume_after_max_turns:
        return "", "the policy wants a fresh session for each run"
    if agent not in RESUMED_BY:
        return "", f"Obra can't go on with a session of the agent {agent}"
    if full.share >= policy.context_refresh or full.refreshed == state.next:
        return "", "its conversation is too full to go on"
    return full.resumable, "" if full.resumable else "there is no session left to go on with"


Gathered = tuple[tuple[Piece, ...], tuple[Piece, ...], tuple[Piece, ...]]
"""Pieces of the session, of the repository and of the feedback, each in the order in which they are told."""


def _gathered(state: State, book: Book, make: material.Pieces) -> Gathered:
    feedback = tuple(material.feedback(state, state.last, book, make)) if state.last else ()
    return tuple(material.session(state, make)), tuple(material.files(state, make)), feedback


def _filled(
    state: State,
    words: Template,
    rules: Sequence[Rule],
    resume: str,
    fence: Fence,
    composed: Composed,
    pieces: Gathered,
) -> str:
    """Return the text with those of *pieces* that were composed."""
    assert state.task is not None
    told = {piece.name: piece for piece in composed.told}
    session, files, feedback = ([_told(told[p.name], words) for p in group if p.name in told] for group in pieces)
    fenced = any(piece.body for piece in composed.told)
    marks = words.fill("marks", nonce=fence.nonce) + "\n" if fenced else ""
    text = words.fill(
        "prompt",
        metadata=_metadata(state) if words.structured else "",
        task=state.task.text.strip(),
        checks=_checks(state.task, words),
        rules="\n".join(words.fill("rule", text=rule.text) for rule in rules),
        marks=marks,
        repository="\n".join([*_repository(state, words, resume), *files]),
        session=words.fill("session", pieces="\n\n".join(session)) + "\n" if session else "",
        feedback=_feedback(state, state.last, words, feedback) if state.last else "",
    )
    return f"{text.rstrip()}\n"


def _told(piece: Piece, words: Template) -> str:
    cut = f"\n\n{words.fill('cut')}" if piece.cut else ""
    return f"{piece.head}{piece.body}{piece.tail}{cut}"


def _metadata(state: State) -> str:
    """Return the facts as one line of JSON, in which no tag can begin."""
    assert state.task is not None
    task = state.task
    facts = {
        "kind": kind_of(task.text, task.kind),
        "attempt": state.next[0],
        "attempts_max": max(state.next[0], task.attempts_max),
        "turns_max": state.turns_max,
        "checks": task.checks,
        "acceptance": task.acceptance,
        "base": (state.base or "")[:12],
    }
    known = {name: value for name, value in facts.items() if value not in ("", (), 0) or name == "checks"}
    return msgspec.json.encode(known).decode().replace("<", "\\u003c")


def _checks(task: TaskSubmitted, words: Template) -> str:
    said = words.fill("checks", commands=material.listed(task.checks)) if task.checks else words.fill("no_checks")
    if not task.acceptance:
        return said
    return f"{said}\n\n{words.fill('acceptance', criteria=_bullets(task.acceptance))}"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def _repository(state: State, words: Template, resume: str) -> list[str]:
    base = "unknown_base" if state.base is None else "base" if state.base else "no_base"
    lines = [said] if (said := words.fill(base, commit=state.base)) else []
    if state.base is not None and not (state.tree and state.tree.files_total):
        lines.append(words.fill("untouched"))
    if resume:
        lines.append(words.fill("resumed", turns_max=state.turns_max))
    elif state.broken_off:
        lines.append(words.fill("broken"))
    return lines


def _seen(last: Feedback | None) -> tuple[int, ...]:
    return (last.evidence.attempt,) if last and last.evidence.attempt else ()


def _feedback(state: State, last: Feedback, words: Template, pieces: Sequence[str]) -> str:
    if not last.evidence.attempt:
        return words.fill("begun_again", attempt=state.next[0], pieces="\n\n".join(pieces)) + "\n"
    return (
        words.fill(
            "feedback",
            attempt=state.next[0],
            attempts_max=max(state.next[0], state.task.attempts_max if state.task else 0),
            last=last.evidence.attempt,
            ending=ENDINGS[last.evidence.ending] if last.evidence.ending else "its end was not seen",
            pieces="\n\n".join(pieces),
        )
        + "\n"
    )
