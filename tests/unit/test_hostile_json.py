# SPDX-License-Identifier: Apache-2.0
"""JSON that was made to end the process."""

import sys

import pytest

from swarm import hostile_json


@pytest.mark.parametrize(
    "data", ["[" * 100_000, '{"a":' * 100_000, '["' + "[" * 10 + '",' + "[" * 100_000, b"\xff", "9" * 5000, ""]
)
def test_refuses_what_would_overflow_or_is_no_json(data):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)  # as a careless library would
    try:
        with pytest.raises(ValueError):
            hostile_json.parse(data)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_inside_strings_do_not_count():
    assert hostile_json.parse('["' + "[{" * 1000 + '\\""]') == ["[{" * 1000 + '"']


def test_depth_is_counted_not_brackets():
    assert hostile_json.parse("[" + ",".join(["[]"] * 1000) + "]") == [[]] * 1000
    with pytest.raises(ValueError, match="deeper"):
        hostile_json.parse("[" * 65 + "]" * 65)
