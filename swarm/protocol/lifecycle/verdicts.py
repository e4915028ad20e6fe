# SPDX-License-Identifier: Apache-2.0
"""Which verdicts a judge may give in which class, and what they mean."""

from __future__ import annotations

from swarm.protocol.commitment import sha256
from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE, UNDELIVERED, ZERO_DIGEST, Comparison, Digest, Ruling

# keccak256("ComputeSwarm canary"): the output hash of a segment made false on purpose
CANARY = Digest(bytes.fromhex("4be8e960ffe6d01764439b260fa6791623c2e87cd6f30fca481052b26916005b"))


def print_of(verdict: Digest) -> bytes:
    """What a case keeps of a denial: enough to tell whether another verdict is the same."""
    return sha256(verdict)[:12]


def can_deny(verdict: Digest, comparison: Comparison) -> bool:
    """Whether the drawn judge may give this verdict against the seller."""
    if verdict == UNAVAILABLE:
        return True
    if comparison == Comparison.EXACT:
        return int.from_bytes(verdict) > int.from_bytes(UNAVAILABLE)
    return comparison == Comparison.TOLERANCE and verdict == MISMATCH


def can_say(verdict: Digest, comparison: Comparison, segment: int) -> bool:
    """Whether a committee's member may give this verdict as a word; in the exact class a match needs its preimage."""
    if verdict == UNAVAILABLE:
        return True
    if verdict == MATCH:
        return segment == UNDELIVERED or comparison != Comparison.EXACT
    return verdict == MISMATCH and segment != UNDELIVERED and comparison == Comparison.TOLERANCE


def ruling_for(verdict: Digest) -> Ruling:
    """What a committee's verdict means for the seller."""
    if verdict == ZERO_DIGEST:
        return Ruling.VOID
    return Ruling.ACQUITTED if verdict == MATCH else Ruling.SLASHED
