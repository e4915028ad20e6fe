# SPDX-License-Identifier: Apache-2.0
"""What becomes of a program's output."""

from __future__ import annotations

import pytest

from swarm.runtime.lines import MAX_LINE_BYTES, Lines


def _drain(lines: Lines) -> list[dict]:
    return list(iter(lambda: lines.next_progress(0), None))


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b"{" * 20_000, b'{"n": ' + b"9" * 9999 + b"}", b'{"a": "\xff"}', b" {}"]
)
def test_a_line_that_is_no_json_object_is_only_text(line):
    lines = Lines()
    lines.feed("stdout", line + b"\n")
    assert _drain(lines) == []
    assert lines.tail()


def test_a_line_that_is_too_long_is_cut_and_never_progress():
    lines = Lines()
    lines.feed("stdout", b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}\n{"b": 1}\n')
    assert _drain(lines) == [{"b": 1}]
    assert len(lines.tail()) < 1000


def test_more_bytes_than_allowed_set_the_flag_and_are_dropped():
    lines = Lines(max_total_bytes=10)
    lines.feed("stdout", b"12345\n")
    assert not lines.overflowed
    lines.feed("stderr", b"123456\n")
    assert lines.overflowed
    assert lines.tail() == "12345"


def test_the_tail_cannot_command_a_terminal():
    lines = Lines()
    lines.feed("stderr", b"\x1b]0;owned\x07 \x9b2J \r\xe2\x80\xaeevil\n")
    assert lines.tail().isprintable()


def test_the_tail_keeps_the_last_lines_only():
    lines = Lines()
    lines.feed("stdout", b"".join(b"%d\n" % number for number in range(1000)))
    assert lines.tail().splitlines()[-1] == "999"
    assert len(lines.tail().splitlines()) == 40


def test_json_on_stderr_is_no_progress():
    lines = Lines()
    lines.feed("stderr", b'{"event": "step"}\n')
    assert _drain(lines) == []


@pytest.mark.parametrize("claim", [-1, "9", None, float("inf"), float("nan"), True])
def test_an_odd_claim_of_processor_time_does_not_raise(claim):
    import json

    lines = Lines()
    lines.feed("stdout", json.dumps({"event": "finished", "cpu_seconds": claim}).encode() + b"\n")
    assert lines.claimed_cpu_seconds in (0.0, 1.0)


def test_lines_that_come_in_pieces_are_put_together():
    lines = Lines()
    for piece in (b'{"ev', b'ent": ', b'"step"}', b"\nlast words"):
        lines.feed("stdout", piece)
    lines.finish()
    assert _drain(lines) == [{"event": "step"}]
    assert lines.tail() == "last words"
