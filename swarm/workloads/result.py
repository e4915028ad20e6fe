# SPDX-License-Identifier: Apache-2.0
"""A published result: a directory with one output per segment and a manifest that opens every leaf of the commitment.

    result.json                 {"version", "job_id", "segments": [{"digest", "output_cid"}, …]}
    segments/0000/…             the output of segment 0; the last one is the deliverable

A foreign program's output is files/ with what it left, and end.json with its exit code.
Traces are not in it: only somebody who ran a segment knows the preimage of its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from swarm import hostile_json
from swarm.errors import IntegrityError
from swarm.protocol import commitment
from swarm.protocol.types import Digest, JobId

MANIFEST_NAME = "result.json"
MAX_MANIFEST_BYTES = 1 << 20
FOREIGN_FILES, FOREIGN_END = "files", "end.json"
_CID = re.compile(r"bafybei[a-z2-7]{52}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SegmentClaim:
    """What a seller says of one segment: D_i and the directory of its output."""

    digest: Digest
    output_cid: str


@dataclass(frozen=True, slots=True)
class Manifest:
    job_id: JobId
    segments: tuple[SegmentClaim, ...]

    def to_bytes(self) -> bytes:
        entries = [{"digest": claim.digest.hex(), "output_cid": claim.output_cid} for claim in self.segments]
        content = {"version": 1, "job_id": self.job_id, "segments": entries}
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, data: bytes, *, job_id: JobId, segments: int) -> Manifest:
        """Raises IntegrityError unless it is a manifest of this job with exactly `segments` entries."""
        try:
            content = hostile_json.parse(data)
            claims = tuple(_claim(entry) for entry in content["segments"])
            if content["version"] != 1 or content["job_id"] != job_id or len(claims) != segments:
                raise ValueError("it is of another job or length")
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"the result's manifest is malformed: {error}") from error
        return cls(job_id, claims)

    def leaves(self, output_digests: Sequence[bytes]) -> list[Digest]:
        """The leaves; `output_digests` are the sha2-256 digests of the claims' CIDs, in order."""
        pairs = zip(self.segments, output_digests, strict=True)
        return [commitment.leaf(self.job_id, at, claim.digest, cid) for at, (claim, cid) in enumerate(pairs)]


def segment_path(index: int) -> str:
    """Where a segment's output lies inside a result."""
    return f"segments/{index:04d}"


def _claim(entry: dict) -> SegmentClaim:
    digest, cid = entry["digest"], entry["output_cid"]
    if not (_HEX.fullmatch(digest) and _CID.fullmatch(cid)):
        raise ValueError("a digest or CID is not in its canonical form")
    return SegmentClaim(Digest(bytes.fromhex(digest)), cid)
