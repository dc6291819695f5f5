"""The pieces of context that a prompt may tell: from what is known of the task, each in Obra's words and its fence."""

from collections.abc import Iterator

from obra.events import Briefing, CheckResult
from obra.services.session_manager.context import Piece
from obra.services.session_manager.fence import Fence
from obra.services.session_manager.prompts import Template
from obra.services.session_manager.state import Feedback, State
from obra.shared.evidence import said_of
from obra.shared.rules import Book
from obra.shared.rules.verdict import verdict

FILES_MAX = 200
WORDS_CHARS_MAX = 4_000
GAP = "\x00"
"""Stands for the fenced text while a block is filled in; no event can hold it, since prompts can't."""

BRIEFED: dict[str, tuple[str, float]] = {
    "workplan": ("workplan", 0.7),
    "task": ("sibling", 0.7),
    "earlier": ("earlier_milestone", 0.5),
}
"""Block and importance of each kind of briefing."""


class Pieces:
    """Makes pieces with the wording of *words*, fenced by *fence*."""

    def __init__(self, words: Template, fence: Fence) -> None:
        self._words, self._fence = words, fence

    def piece(
        self,
        piece: str,
        block: str,
        body: str,
        importance: float,
        *,
        age: int = 0,
        cuts: bool = False,
        **values: object,
    ) -> Piece:
        """Return a piece that tells *body* between the words of *block*."""
        head, _, tail = self._words.fill(block, fenced=GAP, **values).partition(GAP)
        clean = body.replace(self._fence.nonce, "").replace(GAP, "").rstrip()
        begin, end = self._fence.put(GAP).split(GAP)
        return Piece(piece, head + begin, clean, end + tail, importance, age, cuts)

    def plain(self, piece: str, block: str, importance: float, **values: object) -> Piece:
        """Return a piece of Obra's own words alone."""
        return Piece(piece, self._words.fill(block, **values), importance=importance)


def session(state: State, make: Pieces) -> Iterator[Piece]:
    """Yield what was before this task, or before its summary, and what people answered."""
    first = all(each.kind == "workplan" for each in state.briefings)
    for each in state.briefings:
        yield _briefed(each, make, first)
    if state.summary:
        by = state.summary.by if state.summary.by not in ("", "extract") else "Obra"
        yield make.piece("summary", "summary", state.summary.summary.text, 0.9, cuts=True, by=by)
    for age, answer in enumerate(reversed(state.answers)):
        name = f"answer:{len(state.answers) - age}"
        if answer.person:
            yield make.piece(name, "by_person", answer.question, 1.0, age=age, answer=answer.text.strip())
        else:
            yield make.piece(name, "by_model", f"{answer.question}\n\n{answer.text}", 0.8, age=age)


def _briefed(each: Briefing, make: Pieces, first: bool) -> Piece:
    block, importance = BRIEFED[each.kind]
    if each.kind == "workplan":
        return make.piece("workplan", block, each.text, 1.0 if first else importance, cuts=True)
    name = "".join(letter for letter in each.name if letter.isalnum() or letter in "-_")
    what = "task" if each.kind == "task" else "milestone"
    return make.piece(f"{what}:{name}", block, each.text, importance, age=each.age, cuts=True, name=name)


def files(state: State, make: Pieces) -> Iterator[Piece]:
    """Yield the list of what is changed in the working tree."""
    tree = state.tree
    if tree and tree.files_total:
        listed = "\n".join(f"{file.kind} {file.path}" for file in tree.files[:FILES_MAX])
        yield make.piece("files", "files", listed, 0.6, cuts=True, files_total=tree.files_total)


def feedback(state: State, last: Feedback, book: Book, make: Pieces) -> Iterator[Piece]:
    """Yield why the last attempt was not accepted, and what was seen of it."""
    evidence = last.evidence
    if not evidence.attempt:  # taken back to before the first attempt: there is a person's word, and nothing seen
        yield make.piece("reasons", "said", "\n".join(f"- {line}" for line in last.reasons), 1.0, cuts=True)
        return
    detail = (f"the agent's end: {evidence.detail}",) if evidence.detail else ()
    if told := "\n".join(f"- {line}" for line in (*last.reasons, *detail)):
        yield make.piece("reasons", "reasons", told, 1.0, cuts=True)
    if broken := _broken(state, last, book):
        yield make.piece("rules_broken", "rules_broken", broken, 0.95, cuts=True)
    for number, check in enumerate(evidence.failing, 1):
        yield _failed(number, check, make)
    good = tuple(c.command for c in evidence.checks.checks if c not in evidence.failing) if evidence.checks else ()
    if good:
        yield make.plain("checks_passed", "checks_passed", 0.5, commands=listed(good))
    if state.task and state.task.checks and evidence.checks is None:
        yield make.plain("checks_missing", "checks_missing", 0.6)
    yield from _opinions(last, make)
    for age, each in enumerate(reversed(state.earlier), 1):
        yield make.piece(f"attempt:{evidence.attempt - age}", "attempt", each, 0.5, age=age)


def _opinions(last: Feedback, make: Pieces) -> Iterator[Piece]:
    evidence = last.evidence
    if evidence.review and evidence.review.usable and evidence.review.issues:
        told = "\n".join(
            f"- {issue.severity}{f', {issue.path}' if issue.path else ''}: {issue.text}"
            + (f"\n  > {issue.quote}" if issue.quote else "")
            for issue in evidence.review.issues
        )
        yield make.piece("issues", "issues", told, 0.85, cuts=True)
    if evidence.exited and evidence.exited.denials:
        told = "\n".join(f"- {d.tool}{f' for {d.target}' if d.target else ''}" for d in evidence.exited.denials)
        yield make.piece("denials", "denials", told, 0.9, cuts=True)
    if evidence.exited and evidence.exited.result.text:
        yield make.piece("words", "words", evidence.exited.result.text[:WORDS_CHARS_MAX], 0.3, cuts=True)


def _broken(state: State, last: Feedback, book: Book) -> str:
    told = state.prompt.rules if state.prompt else ()
    rules = [rule for identity in told if (rule := book.find(identity))]
    broken = [r for r in rules if verdict(r.check, last.evidence.checkpoint, last.findings) == "broken"]
    lines = [f"- {rule.id}: {rule.text}" for rule in broken]
    return "\n".join([*lines, *(f"- {f.path + ': ' if f.path else ''}{f.detail}" for f in last.findings)])


def _failed(number: int, check: CheckResult, make: Pieces) -> Piece:
    name = f"check:{number}"
    if not check.output.text.strip():
        return make.plain(name, "check_silent", 0.95, command=check.command, said=said_of(check))
    made = make.piece(
        name, "check_failed", check.output.text, 0.95, cuts=True, command=check.command, said=said_of(check)
    )
    if not check.output.stored:
        return made
    cut = make.plain(name, "output_cut", 0, size=check.output.size).head
    return Piece(name, made.head, made.body, f"{made.tail}\n\n{cut}", 0.95, 0, True)


def listed(commands: tuple[str, ...]) -> str:
    """Return *commands* as an indented block."""
    return "\n".join(f"    {line}" for command in commands for line in command.splitlines())
