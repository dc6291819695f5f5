"""Whether a person may say something to a task now: what is meant, and the errors that say why it can't be said."""

from collections.abc import Sequence

from obra.events import TaskRolledBack, WorkspaceCheckpointed
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.history import standing
from obra.shared.story import Story, fold
from obra.shared.waiting import Item, last_word, waiting


class NotWaiting(BadUsage):
    """Task {task!r} does not wait for a person: it is {status}{hint}."""


class TaskGone(BadUsage):
    """Task {task!r} was rolled back to before it was submitted; `obra rollback {task} --to POSITION` brings it back."""


class AlreadyResolved(BadUsage):
    """{what!r} is already resolved: it was {said}, at {at}."""


class ToBeNamed(BadUsage):
    """Several things wait in {task!r}: name one of {ids}."""


class NoQuestion(BadUsage):
    """{what!r} waits for a decision, not for an answer: `obra approve`, `reject` or `retry` it."""


class NothingToDeliver(BadUsage):
    """Task {task!r} has recorded no work that could be accepted."""


class AlreadyOver(BadUsage):
    """Task {task!r} is over already: it is {status}."""


def meant(scope: Scope, past: Sequence[Recorded], item: str) -> Item:
    """Return the one thing that is meant, or raise the error that says why there is none."""
    there(scope, past)
    items = waiting(past)
    those = [each for each in items if item in ("", each.id)]
    if len(those) == 1:
        return those[0]
    if those:
        raise ToBeNamed(task=scope.task, ids=", ".join(each.id[:8] for each in those))
    if (word := last_word(past)) is not None:
        at = word.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        raise AlreadyResolved(what=item[:8] or scope.task, said=word.said, at=at)
    story = fold(past)
    failed = story.status == "failed" and story.attempts
    hint = (
        f"; `obra rollback {scope.task} --to attempt:0` takes it back, so that it can be tried again" if failed else ""
    )
    raise NotWaiting(task=scope.task, status=story.status, hint=hint)


def there(scope: Scope, past: Sequence[Recorded]) -> Story:
    """Return the story of the task, which must not have been rolled back to before its beginning."""
    story = fold(past)
    if not story.submitted_at and any(isinstance(recorded.event, TaskRolledBack) for recorded in past):
        raise TaskGone(task=scope.task)
    return story


def recorded(scope: Scope, past: Sequence[Recorded]) -> None:
    """Raise `NothingToDeliver` unless some work was recorded."""
    if not any(isinstance(recorded.event, WorkspaceCheckpointed) for recorded in standing(past)):
        raise NothingToDeliver(task=scope.task)


def going_on(scope: Scope, past: Sequence[Recorded]) -> None:
    """Raise `AlreadyOver` if the task has ended."""
    if (story := there(scope, past)).over:
        raise AlreadyOver(task=scope.task, status=story.status)
