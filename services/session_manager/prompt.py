"""A prompt from what is known: the same knowledge always gives the same text."""

import hashlib
from dataclasses import dataclass

import msgspec

from obra.events import ENDINGS, CheckResult
from obra.services.session_manager.prompts import ATTEMPT as WORDS
from obra.services.session_manager.state import Answer, Feedback, State
from obra.shared.evidence import said_of

FILES_MAX = 200
WORDS_CHARS_MAX = 4_000
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


def render(state: State) -> str:
    """Return the prompt of the next run, complete but for the LLM's advice."""
    assert state.task is not None
    fence = Fence.around(state.next, state.task, state.tree, state.last, state.earlier, state.answers)
    repository = _repository(state, fence)
    feedback = _feedback(state, state.last, fence) if state.last else ""
    answers = _answers(state.answers, fence)
    fenced = fence.nonce in repository + answers + feedback
    text = WORDS.fill(
        "prompt",
        task=state.task.text.strip(),
        checks=_checks(state.task.checks),
        marks=f"{WORDS.fill('marks', nonce=fence.nonce)}\n" if fenced else "",
        repository=repository,
        answers=answers,
        feedback=feedback,
    )
    return f"{text.rstrip()}\n"


def advised(prompt: str, advice: str) -> str:
    """Return *prompt* with the LLM's advice in a section of its own."""
    fence = Fence.around(prompt, advice)
    return f"{prompt}{WORDS.fill('advice', nonce=fence.nonce, fenced=fence.put(advice))}\n"


def _checks(checks: tuple[str, ...]) -> str:
    return WORDS.fill("checks", commands=_listed(checks)) if checks else WORDS.fill("no_checks")


def _listed(commands: tuple[str, ...]) -> str:
    return "\n".join(f"    {line}" for command in commands for line in command.splitlines())


def _repository(state: State, fence: Fence) -> str:
    match state.base:
        case None:
            lines = [WORDS.fill("unknown_base")]
        case "":
            lines = [WORDS.fill("no_base")]
        case commit:
            lines = [WORDS.fill("base", commit=commit)]
    if state.tree and state.tree.files_total:
        files = "\n".join(f"{file.kind} {file.path}" for file in state.tree.files[:FILES_MAX])
        lines.append(WORDS.fill("touched", files_total=state.tree.files_total, files=fence.put(files)))
    elif state.base is not None:
        lines.append(WORDS.fill("untouched"))
    if state.broken_off:
        lines.append(WORDS.fill("broken"))
    return "\n".join(lines)


def _answers(answers: tuple[Answer, ...], fence: Fence) -> str:
    """Return what was asked and answered. A person's answer holds; a model's is a hint, and fenced as such."""
    told = []
    for answer in answers:
        question, text = fence.put(answer.question), answer.text.strip()
        by = WORDS.fill("by_person", text=text) if answer.person else WORDS.fill("by_model", fenced=fence.put(text))
        told.append(f"{question}\n\n{by}")
    return WORDS.fill("answers", told="\n\n".join(told)) + "\n" if told else ""


def _feedback(state: State, last: Feedback, fence: Fence) -> str:
    evidence = last.evidence
    sections = [*_reasons(last, fence), *_evidence(last, fence, bool(state.task and state.task.checks))]
    if state.earlier:
        sections.append(WORDS.fill("earlier", fenced=fence.put("\n".join(state.earlier))))
    return WORDS.fill(
        "feedback",
        attempt=state.next[0],
        attempts_max=max(state.next[0], state.task.attempts_max if state.task else 0),
        last=evidence.attempt,
        ending=ENDINGS[evidence.ending] if evidence.ending else "its end was not seen",
        sections="\n\n".join(sections),
    )


def _reasons(last: Feedback, fence: Fence) -> list[str]:
    detail = (f"the agent's end: {last.evidence.detail}",) if last.evidence.detail else ()
    told = "\n".join(f"- {line}" for line in (*last.reasons, *detail))
    return [WORDS.fill("reasons", fenced=fence.put(told))] if told else []


def _evidence(last: Feedback, fence: Fence, checked: bool) -> list[str]:
    evidence = last.evidence
    sections = [_failed(check, fence) for check in evidence.failing]
    good = tuple(c.command for c in evidence.checks.checks if c not in evidence.failing) if evidence.checks else ()
    if good:
        sections.append(WORDS.fill("checks_passed", commands=_listed(good)))
    if checked and evidence.checks is None:
        sections.append(WORDS.fill("checks_missing"))
    if evidence.review and evidence.review.usable and evidence.review.issues:
        told = "\n".join(
            f"- {issue.severity}{f', {issue.path}' if issue.path else ''}: {issue.text}"
            + (f"\n  > {issue.quote}" if issue.quote else "")
            for issue in evidence.review.issues
        )
        sections.append(WORDS.fill("issues", fenced=fence.put(told)))
    if evidence.exited and evidence.exited.denials:
        told = "\n".join(f"- {d.tool}{f' for {d.target}' if d.target else ''}" for d in evidence.exited.denials)
        sections.append(WORDS.fill("denials", fenced=fence.put(told)))
    if evidence.exited and evidence.exited.result.text:
        sections.append(WORDS.fill("words", fenced=fence.put(evidence.exited.result.text[:WORDS_CHARS_MAX])))
    return sections


def _failed(check: CheckResult, fence: Fence) -> str:
    told = WORDS.fill("check_failed", command=check.command, said=said_of(check), fenced=fence.put(check.output.text))
    cut = f"\n\n{WORDS.fill('output_cut', size=check.output.size)}" if check.output.stored else ""
    return told + cut
