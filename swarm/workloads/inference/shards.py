# SPDX-License-Identifier: Apache-2.0
"""Which requests a segment answers, and how many are enough.

A model that spoofs another one's answers is noticed by the tokens it would not have chosen. Of answers of an int8 model
20 in 50 are at 16 tokens, 43 at 64 and all at 256 (docs/detection.md), so a segment should hold as many.
"""

from __future__ import annotations

from collections.abc import Sequence

ENOUGH_TOKENS = 256
USUAL_SIZE, LARGEST_SIZE = 64, 4096


def requests_of(segment: int, *, requests: int, size: int) -> range:
    """Indices (0-based, in file order) of a shard's requests. Raises ValueError for a segment the job does not have."""
    if not 0 <= segment < -(-requests // size):
        raise ValueError(f"segment {segment} is outside the job of {requests} requests")
    return range(segment * size, min((segment + 1) * size, requests))


def fitting_size(limits: Sequence[int]) -> int:
    """The shard size where nobody says one: 64 requests, or more until every segment, the last one too, can hold
    enough tokens. `limits`: max_tokens of each request, in file order. At most 4096 requests, whatever they hold."""
    size = USUAL_SIZE
    while size < min(len(limits), LARGEST_SIZE) and thin_segments(limits, size):
        size += max(1, size // 8)
    return min(size, LARGEST_SIZE)


def thin_segments(limits: Sequence[int], size: int) -> int:
    """How many segments cannot hold enough tokens."""
    starts = range(0, len(limits), size)
    return sum(sum(limits[start : start + size]) < ENOUGH_TOKENS for start in starts)
