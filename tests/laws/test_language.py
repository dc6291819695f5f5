"""Laws that every event keeps."""

import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from obra.events import ENDINGS, HOPELESS, JUDGED, KINDS, OUTAGES, Event
from obra.events.base import Ending
from obra.events.subjects import Scope, name, parse, subject
from tests.arbitrary import decoded, events

NAME = re.compile(r"[a-z]+(\.[a-z_]+)+")
each = pytest.mark.parametrize(("tag", "kind"), KINDS.items(), ids=list(KINDS))


def words(text: str) -> list[str]:
    return re.findall(r"[A-Z][a-z]*", text)


@each
def test_an_event_has_one_name(tag: str, kind: type[Event]) -> None:
    assert NAME.fullmatch(tag)
    assert [word.lower() for word in words(kind.__name__)] == re.split(r"[._]", tag)


@each
def test_an_event_is_documented_frozen_and_leaves_out_defaults(tag: str, kind: type[Event]) -> None:
    config = kind.__struct_config__
    assert kind.__doc__
    assert kind.__doc__ != Event.__doc__
    assert (config.frozen, config.omit_defaults, config.tag_field) == (True, True, "type")
    assert not config.forbid_unknown_fields


@each
def test_a_subject_leads_back_to_scope_and_name(tag: str, kind: type[Event]) -> None:
    scope = Scope("shop", "t-42")
    assert parse(subject(scope, kind)) == (scope, tag)
    assert name(kind) == tag


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(event=events())
def test_an_event_survives_the_wire(event: Event) -> None:
    assert decoded(event) == event


@each
def test_a_field_from_the_future_is_ignored(tag: str, kind: type[Event]) -> None:
    @settings(max_examples=1, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(event=events(kind))
    def read(event: Event) -> None:
        newer = {**msgspec.to_builtins(event), "from_the_future": 1}
        assert msgspec.convert(newer, kind) == event

    read()


def test_every_ending_is_explained_and_has_one_meaning() -> None:
    assert list(ENDINGS) == list(Ending.__args__)  # type: ignore[attr-defined]
    assert set(ENDINGS) >= JUDGED | OUTAGES | HOPELESS
    assert not JUDGED & OUTAGES
    assert not JUDGED & HOPELESS
    assert not OUTAGES & HOPELESS
