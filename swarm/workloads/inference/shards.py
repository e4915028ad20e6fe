# SPDX-License-Identifier: Apache-2.0
"""Which requests a segment answers."""

from __future__ import annotations


def requests_of(segment: int, *, requests: int, size: int) -> range:
    """Indices (0-based, in file order) of a shard's requests. Raises ValueError for a segment the job does not have."""
    if not 0 <= segment < -(-requests // size):
        raise ValueError(f"segment {segment} is outside the job of {requests} requests")
    return range(segment * size, min((segment + 1) * size, requests))
