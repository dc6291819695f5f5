"""Settings of one task's own: what is no policy is refused in a sentence, whatever is sent."""

import pytest

from obra.events import Breakpoints, Policy
from obra.shared.tuning import fault, tuned


def test_settings_change_what_they_name_and_nothing_else() -> None:
    settings = (
        "decision.accept_quality=0.9",
        "decision.breakpoints.milestone=true",
        'decision.turns_by_kind={"code": 3}',
    )
    assert fault(settings) == ""
    assert tuned(Policy(accept_confidence=0.5), settings) == Policy(
        accept_confidence=0.5, accept_quality=0.9, breakpoints=Breakpoints(milestone=True), turns_by_kind={"code": 3}
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("accept_quality=1", "is no `decision.KEY=VALUE`"),
        ("decision.nonsense=1", "a policy has no 'nonsense'; there are: accept_quality,"),
        ("decision.turns_by_kind.code=3", "goes too deep"),
        ("decision.accept_quality=2", "Expected `float` <= 1.0"),
        ("decision.accept_quality=NaN", "NaN is no value"),
        ("decision.outage_wait_s=1e999", "no policy can be put on record like that"),
        ("decision.outages_max=" + "9" * 5_000, "is no value that a policy can have"),
        ("decision.rules=" + "[" * 200_000, "is no value that a policy can have"),
        ('decision.prompt_template="\\ud800"', "no policy can be put on record like that"),
        ("decision.tasks_max=2", "holds for all tasks"),
        ('decision.rules=[{"when": "x", "action": "stop"}]', "there is no 'x'"),
    ],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(setting: str, said: str) -> None:
    assert said in fault((setting,))
    assert tuned(Policy(), (setting,)) == Policy()
