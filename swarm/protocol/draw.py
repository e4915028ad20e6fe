# SPDX-License-Identifier: Apache-2.0
"""What a seed decides: whether a job is audited, which segment, which slot. Twin of the contracts' `Draw` library."""

from __future__ import annotations

from swarm.protocol.commitment import sha256, word
from swarm.protocol.money import BPS
from swarm.protocol.types import Job, JobId


def is_drawn(seed: bytes, job_id: JobId, segment_root: bytes, audit_bps: int) -> bool:
    """Whether the seed draws the job: a pure function of seed, job and commitment."""
    return int.from_bytes(sha256(b"\x10", seed, word(job_id), segment_root)) % BPS < audit_bps


def is_audited(job: Job, seed: bytes | None, is_fallback: bool) -> bool:
    """Whether the seed of a job's epoch draws it; none does while it is not known.

    A seed that judges made may be biased by one of them, so it draws twice as often.
    """
    rate = job.audit_bps * (2 if is_fallback else 1)
    return seed is not None and is_drawn(seed, job.job_id, job.segment_root, rate)


def drawn_segment(seed: bytes, job_id: JobId, segment_root: bytes, segments: int) -> int:
    """The segment that is re-executed, 0 … segments − 1."""
    return int.from_bytes(sha256(b"\x11", seed, word(job_id), segment_root)) % segments


def slot_pick(seed: bytes, job_id: JobId, round_: int, attempt: int, bench_size: int) -> int:
    """The position on the bench that attempt `attempt` of a round looks at."""
    return int.from_bytes(sha256(b"\x12", seed, word(job_id), word(round_), word(attempt))) % bench_size
