# SPDX-License-Identifier: Apache-2.0
"""A seller's commitment as the package computes it: the contracts are tested against the twin."""

from __future__ import annotations

from collections.abc import Container

from eth_utils import keccak

from swarm.protocol import commitment as twin

CANARY = keccak(text="ComputeSwarm canary")


class Commitment:
    """The segments of one job: openings, leaves, proofs.

    A different nonce is a different execution; canaries are segments that are false on purpose.
    """

    def __init__(self, job_id: int, segments: int, nonce: int = 0, canaries: Container[int] = ()) -> None:
        self.job_id, self.segments, self.nonce, self.canaries = job_id, segments, nonce, canaries
        self.leaves = [self.leaf_of(i, self.opening(i)) for i in range(segments)]
        self.root = twin.merkle_root(self.leaves)

    def opening(self, segment: int) -> tuple[bytes, bytes, bytes]:
        """(traceRoot, outputHash, outputCid) of what the seller ran."""
        names = (b"trace", b"hash", b"cid")
        trace, output, cid = (twin.sha256(b"%s %d %d" % (name, self.nonce, segment)) for name in names)
        return trace, CANARY if segment in self.canaries else output, cid

    def other_opening(self, segment: int, variant: int = 0) -> tuple[bytes, bytes, bytes]:
        """What somebody found who ran the segment and came to another result."""
        trace, output, cid = self.opening(segment)
        return twin.sha256(trace, b"other %d" % variant), output, cid

    def leaf_of(self, segment: int, opening: tuple[bytes, bytes, bytes]) -> bytes:
        trace, output, cid = opening
        return twin.leaf(self.job_id, segment, twin.segment_digest(trace, output), cid)

    def other_leaf(self, segment: int, variant: int = 0) -> bytes:
        return self.leaf_of(segment, self.other_opening(segment, variant))

    def proof(self, segment: int) -> list[bytes]:
        return twin.merkle_proof(self.leaves, segment)
