"""What altered calls say: does the output follow the input that it repeats, or stay as the tests want it?"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from obra.services.agent_runner.probe.alter import Trial
from obra.services.agent_runner.probe.calls import Call, leaves, stands

WEIGHT_MIN, HELD_TRIALS_MIN, NUMBER_CHARS_MIN, DEFAULTS_MAX, DEFAULT_TRIALS_MIN, EXAMPLES_MAX = 3, 4, 3, 1, 4, 3


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a trial: an output, or None where it ended with an error."""

    trial: Trial
    output: str | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Work that answers as the tests want it whatever it is asked. ``examples`` are trials that show it."""

    part: str
    pieces: tuple[str, ...]
    tried: int
    examples: tuple[Came, ...]


def fitted(calls: Sequence[Call], came: Sequence[Came]) -> Fitted | None:
    """Return what is wrong with a subject, if the trials show anything."""
    by_part: dict[str, list[Came]] = defaultdict(list)
    for each in came:
        if each.trial.old:
            by_part[each.trial.part].append(each)
    form = {each.trial.old for each in came if each.trial.old and _is_form(each.trial.old, calls, came)}
    for part, group in by_part.items():
        numbers = [each for each in group if each.trial.old[0].isdigit()]
        for tried in (group, numbers):
            if found := _stays(calls, part, tried, form):
                return found
    return None


def follows(calls: Sequence[Call], came: Sequence[Came], planned: Sequence[Trial]) -> bool:
    """Return whether *came* shows already that nothing is `fitted`, whatever else of *planned* may come."""
    for part in {trial.part for trial in planned if trial.repeated}:
        tried = [each for each in came if each.trial.part == part and each.trial.old]
        groups = [tried]
        if any(trial.old[0].isdigit() for trial in planned if trial.part == part and trial.repeated):
            groups.append([each for each in tried if each.trial.old[0].isdigit()])
        if any(len(_new(calls, group)) <= DEFAULTS_MAX for group in groups):
            return False
    return True


def _new(calls: Sequence[Call], came: Sequence[Came]) -> set[str]:
    """Return the answers that are no test's, and not merely what was put in."""
    known = {call.output for call in calls}
    return {each.output for each in came if each.output is not None and each.output not in known and not _echo(each)}


def _stays(calls: Sequence[Call], part: str, came: Sequence[Came], form: set[str]) -> Fitted | None:
    new = _new(calls, came)
    if len(new) > DEFAULTS_MAX or (new and sum(each.output in new for each in came) < DEFAULT_TRIALS_MIN):
        return None
    held = [each for each in came if each.trial.repeated and each.output == calls[each.trial.of].output]
    told = sorted({each.trial.old for each in held} - form)
    if sum(map(_weight, told)) < WEIGHT_MIN or len(held) < HELD_TRIALS_MIN:
        return None
    shown = [each for each in held if each.trial.old in told]
    return Fitted(part, tuple(told), len(came), tuple(shown[:EXAMPLES_MAX]))


def _is_form(piece: str, calls: Sequence[Call], came: Sequence[Came]) -> bool:
    """Return whether every one of several different outputs has a piece: then it is the form of an answer.

    Outputs for a line, a word or an element less or more tell of words alone; of numbers, those of the checks. Where
    there is one output and nothing else to compare it with, a word may well be its form.
    """
    outputs = {call.output or "" for call in calls}
    if _weight(piece) == 1:
        sized = {each.output for each in came if each.output is not None and not each.trial.old}
        if len(outputs) == 1 and not sized:
            return True
        outputs |= sized
    return len(outputs) > 1 and all(stands(piece, output) for output in outputs)


def _weight(piece: str) -> int:
    """Return how much a piece says: two of a longer number hardly agree by chance, two words may."""
    return 2 if piece[0].isdigit() and len(piece) >= NUMBER_CHARS_MIN else 1


def _echo(came: Came) -> bool:
    """Return whether an output is merely what was put in, where the tests' is not."""
    given = {text.strip().casefold() for text in leaves(came.trial.call.parts[came.trial.part])}
    return (came.output or "").strip().casefold() in given
