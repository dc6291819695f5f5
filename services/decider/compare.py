"""How far two solutions of one task differ, by the lines they change in each file."""

from obra.services.decider.state import State
from obra.shared.evidence import Evidence


def difference(one: Evidence, other: Evidence) -> float:
    """Return the share of changed lines that two solutions do not have in common, 0 to 1.

    It is the weighted Jaccard distance, 1 - sum(min) / sum(max) over all files of either, where a file weighs the
    lines added and deleted in it, against the commit that the task grew from, and at least 1.
    """
    if one.checkpoint is None or other.checkpoint is None or one.checkpoint.tree == other.checkpoint.tree:
        return 0.0
    ones, others = _weights(one), _weights(other)
    paths = ones.keys() | others.keys()
    most = sum(max(ones.get(path, 0), others.get(path, 0)) for path in paths)
    least = sum(min(ones.get(path, 0), others.get(path, 0)) for path in paths)
    return round(1 - least / most, 4) if most else 0.0


def _weights(evidence: Evidence) -> dict[str, int]:
    files = evidence.checkpoint.files if evidence.checkpoint else ()
    return {file.path: max(1, max(0, file.added) + max(0, file.deleted)) for file in files}


def conflict(state: State) -> tuple[str, ...]:
    """Return a sentence where this attempt and an earlier one both pass the checks, and differ too much."""
    before, now = state.solution, state.evidence
    if before is None or not now.passed or not now.changed:
        return ()
    share = difference(before, now)
    if share <= state.policy.conflict_share:
        return ()
    return (
        f"attempts {before.attempt} and {now.attempt} both pass the checks, and {share:.0%} of the lines that they "
        "change are not the same",
    )
