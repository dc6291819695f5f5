"""Anchors: a tail that was rewritten with all its hashes is found out by a head that was signed before."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from obra.shared.archive import notes
from obra.shared.archive.anchors import (
    Anchor,
    BadAnchor,
    held_against,
    key_path,
    parsed,
    public_key,
    signed,
)
from obra.shared.archive.audit import head_of
from obra.shared.archive.fault import Fault
from obra.shared.errors import BadUsage
from obra.shared.git import Git
from obra.shared.home import Home
from obra.shared.store import opened
from tests.archive.stores import audit, made, rewritten

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    made(home.store)
    return home


def anchored(home: Home) -> Anchor:
    return signed(home, *head_of(home.store), NOW)


def held(home: Home, *anchors: Anchor) -> Fault | None:
    db = opened(home.store, read_only=True)
    try:
        return held_against(db, anchors)
    finally:
        db.close()


def test_the_chain_passes_through_its_own_anchors(home: Home) -> None:
    anchor = anchored(home)
    assert list(parsed([anchor.line()], "here", public_key(home))) == [anchor]
    assert held(home, anchor) is None


def test_a_rewritten_tail_passes_the_audit_and_not_the_anchor(home: Home) -> None:
    anchor = anchored(home)
    rewritten(home.store, 20, "tester", "temper")
    assert audit(home.store).fault is None
    fault = held(home, anchor)
    assert fault
    assert (fault.kind, fault.position) == ("altered", anchor.position)
    assert "2026-01-02 03:04 UTC" in fault.detail


def test_a_store_that_ends_before_its_anchor_is_cut(home: Home) -> None:
    anchor = msgspec.structs.replace(anchored(home), position=10**6)
    fault = held(home, anchor)
    assert fault
    assert (fault.kind, fault.position) == ("cut", 10**6)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(home: Home) -> None:
    assert public_key(home) == public_key(home)
    assert stat.S_IMODE(key_path(home).stat().st_mode) == 0o600


def test_an_altered_or_foreign_anchor_is_no_anchor(home: Home, tmp_path: Path) -> None:
    anchor = anchored(home)
    altered = msgspec.structs.replace(anchor, position=anchor.position - 1)
    with pytest.raises(BadAnchor, match="the signature at position"):
        list(parsed([altered.line()], "here", public_key(home)))
    with pytest.raises(BadAnchor, match="signed with another key"):
        list(parsed([anchor.line()], "here", public_key(Home(tmp_path))))
    with pytest.raises(BadAnchor, match="can't be relied on"):
        list(parsed(['{"kind": "obra.anchor"}'], "here", public_key(home)))
    assert list(parsed(["somebody's own note", ""], "here", public_key(home))) == []


def test_anchors_live_in_git_notes_beside_others(home: Home, tmp_path: Path) -> None:
    git = Git(cwd=tmp_path)
    git.run("init", "-q")
    with pytest.raises(BadUsage, match="is no git repository with one; name another repository, or a file"):
        notes.add(tmp_path, "too early")
    tree = git.run("write-tree").text
    git.run("update-ref", "HEAD", git.run("commit-tree", tree, "-m", "first").text)
    assert notes.lines(tmp_path) == []
    first, second = anchored(home), anchored(home)
    notes.add(tmp_path, first.line())
    notes.add(tmp_path, second.line())
    found = list(parsed(notes.lines(tmp_path), "note", public_key(home)))
    assert found == [first, second]
