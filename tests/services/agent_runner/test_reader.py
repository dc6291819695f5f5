"""Lines of any kind and length, read with bounded memory; the transcript and the live view that come of them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.events import Output
from obra.services.agent_runner.adapters.reader import Line, LineSplitter, Reading, read
from obra.services.agent_runner.transcript import BURST, Live, Transcript


def split(chunks: list[bytes], **limits: int) -> list[Line]:
    splitter = LineSplitter(**limits)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + splitter.finish()


@given(st.binary(), st.lists(st.integers(0, 200)))
def test_lines_are_the_same_however_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    expected = [Line(line.removesuffix(b"\r")) for line in data.split(b"\n")]
    last = data.rpartition(b"\n")[2]
    assert split(pieces) == (expected if last else expected[:-1])


@given(st.integers(11, 500), st.integers(1, 50))
def test_a_line_too_long_is_given_once_cut_and_skipped_past(length: int, step: int) -> None:
    data = b"a\n" + b"x" * length + b"\nb\n"
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    assert split(pieces, line_bytes_max=10, kept_bytes=4) == [Line(b"a"), Line(b"xxxx", cut=True), Line(b"b")]


def test_a_line_without_an_end_costs_bounded_memory() -> None:
    splitter = LineSplitter()
    for _ in range(64):
        splitter.feed(b"x" * 1024 * 1024)
        assert len(splitter._rest) <= 2 * 1024 * 1024
    assert splitter.feed(b"\nb\n") == [Line(b"b")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Line(b'{"a":1}'), Reading('{"a":1}', {"a": 1})),
        (Line(b""), Reading("")),
        (Line(b"[1]"), Reading("[1]", odd="a line is no JSON object")),
        (Line(b"nope"), Reading("nope", odd="a line is no JSON")),
        (Line(b"[" * 100_000), Reading("[" * 100_000, odd="a line is no JSON")),
        (Line(b'{"a":"\xff"}'), Reading('{"a":"\ufffd"}', {"a": "\ufffd"}, "a line is not UTF-8")),
        (Line(b'{"a"', cut=True), Reading('{"a"', odd="a line longer than 1 MiB was skipped")),
    ],
    ids=["object", "empty", "list", "text", "deep", "bytes", "cut"],
)
def test_what_a_line_means(line: Line, expected: Reading) -> None:
    assert read(line) == expected


@given(st.binary())
def test_no_line_raises(data: bytes) -> None:
    read(Line(data))


def test_the_transcript_keeps_lines_redacted_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "1.jsonl"
    transcript = Transcript(path, lambda text: text.replace("secret", "[redacted]"), 1_000)
    for line in ("one", "my secret", "three"):
        transcript.add(line)
    transcript.close("a secret on stderr")
    assert path.read_text() == ('one\nmy [redacted]\nthree\n{"type": "obra", "stderr": "a [redacted] on stderr"}\n')
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_transcript_ends_with_a_line_that_says_so(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "1.jsonl", str, 50_000)
    for number in range(100_000):
        transcript.add(f"line {number:06}")
    transcript.close()
    lines = (tmp_path / "1.jsonl").read_text().splitlines()
    kept = len(lines) - 1
    assert lines[:kept] == [f"line {number:06}" for number in range(kept)]
    assert json.loads(lines[-1]) == {"type": "obra", "cut": "the transcript is full", "lines_dropped": 100_000 - kept}
    assert 49_000 < sum(len(line) + 1 for line in lines[:kept]) <= 50_000


async def test_a_flood_is_thinned_out_and_the_gap_announced() -> None:
    now, shown = 0.0, list[Output]()

    async def say(output: Output) -> None:
        shown.append(output)

    live = Live(say, str, clock=lambda: now)
    for number in range(BURST + 50):
        await live.show(Output(kind="text", text=str(number)))
    assert len(shown) == BURST
    now = 1.0
    await live.show(Output(kind="text", text="later"))
    gap = Output(kind="notice", text="50 pieces of output came too fast and are not shown")
    assert shown[BURST:] == [gap, Output(kind="text", text="later")]
    await live.finish()
    assert len(shown) == BURST + 2
