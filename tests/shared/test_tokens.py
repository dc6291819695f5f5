"""Token counts: offline, the same everywhere, from ranks that are the published ones."""

import base64
import hashlib
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.shared import tokens
from obra.shared.errors import EnvironmentLacks

PACKED = files(tokens).joinpath(tokens.FILE).read_bytes()


def test_the_ranks_are_those_that_were_published() -> None:
    lines = (base64.b64encode(token) + f" {rank}\n".encode() for token, rank in tokens.ranks(PACKED).items())
    assert hashlib.sha256(b"".join(lines)).hexdigest() == tokens.PUBLISHED_SHA256


def test_a_damaged_file_is_refused_with_what_to_do() -> None:
    with pytest.raises(EnvironmentLacks, match="install Obra again"):
        tokens.ranks(PACKED[:-1] + b"x")


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("hello world", 2), ("def f(x):\n    return x + 1\n", 11), ("<|endoftext|>", 7)]
)
def test_known_texts_have_known_counts(text: str, expected: int) -> None:
    assert tokens.count(text) == expected


def test_a_long_text_is_counted_in_samples() -> None:
    lines = "\n".join(f"line {number} of the output" for number in range(20_000))
    exact = len(tokens.encoding().encode_ordinary(lines))
    assert abs(tokens.count(lines) - exact) < exact * 0.02


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text(max_size=300))
def test_any_text_can_be_counted_and_read_back(text: str) -> None:
    encoded = tokens.encoding().encode_ordinary(text)
    assert tokens.count(text) == len(encoded)
    assert tokens.encoding().decode(encoded) == text


def test_it_works_without_a_network_a_home_and_a_cache(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = refuse\n"
        "from obra.shared import tokens\n"
        "tokens.warm().join()\n"
        "print(tokens.count('hello world'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, list(tmp_path.iterdir())) == ("2\n", [])
