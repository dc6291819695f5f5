"""The reasons and numbers of a decision, in words for a person and for the agent's next prompt."""

from obra.events import ENDINGS, CheckResult, Denial
from obra.services.decider.state import State
from obra.shared.evidence import oddities, said_of, seen_in, unproved

NOTE_CHARS_MAX = 2_000


def person(verb: str, by: str, note: str) -> str:
    """Return who said what."""
    note = note.strip()[:NOTE_CHARS_MAX]
    return f"{by or 'a person'} {verb}" + (f": {note}" if note else "")


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, …"""
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def ended(state: State) -> str:
    """Return how the run ended, with the agent's own detail where there is one."""
    evidence = state.evidence
    meaning = ENDINGS[evidence.ending] if evidence.ending else "the run did not end"
    return f"{meaning}: {evidence.detail}" if evidence.detail else meaning


def shortcomings(state: State) -> tuple[str, ...]:
    """Return everything that speaks against the work; empty: nothing does."""
    wrong = plain(state) or _below(state)
    return (*wrong, *doubts(state)) if wrong else ()


def plain(state: State) -> list[str]:
    """Return what is wrong for all to see, before any number is looked at."""
    evidence = state.evidence
    wrong = [f"check `{check.command}` {said_of(check)}{_before(state, check)}" for check in evidence.failing]
    if state.checks and evidence.checks is None:
        wrong.append("the checks did not run")
    if evidence.checkpoint is None:
        wrong.append("the workspace was not recorded")
    elif not evidence.changed:
        wrong.append("nothing differs from the commit that the task grew from")
    wrong += findings(state, forbidding=True)
    return wrong + [_denied(denial) for denial in evidence.denials()]


def _before(state: State, check: CheckResult) -> str:
    return ", and passed before any work" if check.command in state.broken else ""


def _below(state: State) -> list[str]:
    """Return which number is not reached. It says something only where nothing plainer is wrong."""
    policy, score = state.policy, state.evidence.score
    quality, confidence = (score.quality, score.confidence) if score else (0.0, 0.0)
    wrong = []
    if quality < policy.accept_quality:
        wrong.append(f"quality {quality:.2f} is below {policy.accept_quality:.2f}")
    if confidence < policy.accept_confidence:
        wrong.append(f"confidence {confidence:.2f} is below {policy.accept_confidence:.2f}")
    return wrong


def _denied(denial: Denial) -> str:
    aim = f" for {denial.target}" if denial.target else ""
    return f"{denial.tool} was denied{aim}, and nothing shows that the work is done without it"


def merits(state: State) -> tuple[str, ...]:
    """Return what speaks for the work, and the doubts that were outweighed."""
    evidence, policy, score = state.evidence, state.policy, state.evidence.score
    good = []
    if evidence.checks:
        total = len(evidence.checks.checks)
        good.append("the check passed" if total == 1 else f"all {total} checks passed")
        flaky = (check for check in evidence.checks.checks if check.tries > 1)
        good += (f"check `{check.command}` is flaky: it passed when it was run {check.tries} times" for check in flaky)
    if evidence.checkpoint:
        files = evidence.checkpoint.files_total
        good.append(f"{files} {'file differs' if files == 1 else 'files differ'} from the commit it grew from")
    if score:
        good.append(
            f"quality {score.quality:.2f} (needed: {policy.accept_quality:.2f}), "
            f"confidence {score.confidence:.2f} (needed: {policy.accept_confidence:.2f})"
        )
    return (*good, *findings(state, forbidding=True), *doubts(state))


def findings(state: State, *, forbidding: bool) -> list[str]:
    """Return what the inspection found: what forbids acceptance, or what does not."""
    return [seen_in(finding) for finding in state.evidence.findings if finding.blocks is forbidding]


def doubts(state: State) -> tuple[str, ...]:
    """Return what weak witnesses say: lesser findings, claims that the evidence denies, the review."""
    review = state.evidence.review
    said = [*findings(state, forbidding=False), *_unproved(state), *_untrue(state)]
    said += [f"of the agent: {odd}" for odd in (oddities(state.evidence.exited) if state.evidence.exited else ())]
    if review and not review.usable:
        said.append(f"there is no usable review: {review.reason}" if review.reason else "there is no usable review")
    elif review:
        view = "approves" if review.approves else "disapproves"
        said.append(f"the review {view}: {review.summary}" if review.summary else f"the review {view}")
    return tuple(said)


def _unproved(state: State) -> list[str]:
    """Return that the checks tell nothing of the work, where that is known."""
    if not unproved(state.evidence, state.at_base):
        return []
    return ["no check tells the work from what was there before: all of them passed before any work, too"]


def _untrue(state: State) -> list[str]:
    return [f'the agent said "{c.claim}", but {c.evidence}' for c in state.evidence.contradicted]


def against(state: State) -> tuple[str, ...]:
    """Return the doubts that speak against the work."""
    review = state.evidence.review
    disapproves = review is not None and review.usable and not review.approves
    return doubts(state) if disapproves else tuple(_untrue(state))


def numbers(state: State) -> dict[str, float]:
    """Return what the rules compared."""
    score = state.evidence.score
    said: dict[str, float] = {"attempts": state.made, "attempts_max": state.attempts_max}
    if score:
        said |= {
            "quality": score.quality, "accept_quality": state.policy.accept_quality,
            "confidence": score.confidence, "accept_confidence": state.policy.accept_confidence,
        }  # fmt: skip
    if state.outages or state.evidence.ending in ("rate_limited", "unreachable"):
        said |= {"outages": state.outages, "outages_max": state.policy.outages_max}
    if state.interruptions:
        said |= {"interruptions": state.interruptions, "interruptions_max": state.policy.interruptions_max}
    said |= {name: number for name, number in _counted(state).items() if number}
    return said


def _counted(state: State) -> dict[str, float]:
    """Return what only some tasks have."""
    return {
        "questions": state.questions, "checkpoints": state.checkpoints, "cost_usd": state.cost_usd,
        "budget_usd": (state.task.budget_usd or 0.0) if state.task else 0.0,
    }  # fmt: skip


def standing(state: State) -> tuple[str, ...]:
    """Return how the work stands apart from what it was stopped for: what speaks against it, else what for it."""
    if state.due != "score":
        return (ended(state),)
    return shortcomings(state) or merits(state)
