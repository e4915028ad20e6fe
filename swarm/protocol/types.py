# SPDX-License-Identifier: Apache-2.0
"""Types that travel between layers. Zero means absent, as in the contracts."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NewType

JobId = NewType("JobId", int)
SlotId = NewType("SlotId", int)
Epoch = NewType("Epoch", int)
Amount = NewType("Amount", int)  # the token's smallest unit
Digest = NewType("Digest", bytes)  # 32 bytes, sha2-256
Address = NewType("Address", str)  # 0x…, checksummed
TxHash = NewType("TxHash", str)

ZERO_DIGEST = Digest(bytes(32))
ZERO_ADDRESS = Address("0x" + "0" * 40)


class JobStatus(enum.IntEnum):
    NONE = 0
    OPEN = 1
    RUNNING = 2
    SUBMITTED = 3
    UNDER_AUDIT = 4
    CHALLENGED = 5
    SETTLED = 6
    SLASHED = 7
    REFUNDED = 8
    VOID = 9

    @property
    def is_final(self) -> bool:
        return self >= JobStatus.SETTLED


class CaseStatus(enum.IntEnum):
    NONE = 0
    JUDGING = 1
    VOTING = 2
    APPEALABLE = 3
    CLOSED = 4


class BallotStatus(enum.IntEnum):
    NONE = 0
    DRAWING = 1
    SEALING = 2
    REVEALING = 3
    COUNTED = 4
    FAILED = 5


class Ruling(enum.IntEnum):
    NONE = 0
    CONFIRMED = 1
    ACQUITTED = 2
    SLASHED = 3
    VOID = 4
    UNJUDGED = 5
    CANARY = 6


class Comparison(enum.IntEnum):
    """How a re-execution is compared with what the seller committed to."""

    EXACT = 0
    TOLERANCE = 1
    DELIVERY = 2


# Verdicts that are words; any other is a leaf.
MATCH = Digest((1).to_bytes(32, "big"))
MISMATCH = Digest((2).to_bytes(32, "big"))
UNAVAILABLE = Digest((3).to_bytes(32, "big"))
NOT_DENIED = bytes(12)
UNDELIVERED = 0xFFFF  # in place of a segment: whether the result can be fetched


@dataclass(frozen=True, slots=True)
class Terms:
    """What a buyer asks for and offers; `Terms` of the contracts, in the order of its fields."""

    spec_cid: Digest
    max_price: Amount
    segments: int
    segment_seconds: int
    run_seconds: int
    open_seconds: int
    hardware_class: int
    start_price: Amount = Amount(0)  # 0: the price is max_price at once
    rise_seconds: int = 0
    input: Digest = ZERO_DIGEST
    first_segment: int = 0
    comparison: Comparison = Comparison.EXACT
    parts: int = 1
    min_reputation: int = 0
    seller: Address = ZERO_ADDRESS

    def values(self) -> tuple:
        """The struct as the contracts take it."""
        return (
            self.spec_cid,
            self.input,
            self.start_price or self.max_price,
            self.max_price,
            self.rise_seconds,
            self.first_segment,
            self.segments,
            self.segment_seconds,
            self.run_seconds,
            self.open_seconds,
            self.hardware_class,
            int(self.comparison),
            self.parts,
            self.min_reputation,
            self.seller,
        )

    @classmethod
    def from_values(cls, values: Sequence) -> Terms:
        """The inverse of `values`."""
        (
            spec_cid, input_, start_price, max_price, rise_seconds, first_segment, segments, segment_seconds,
            run_seconds, open_seconds, hardware_class, comparison, parts, min_reputation, seller,
        ) = values  # fmt: skip
        return cls(
            spec_cid=Digest(bytes(spec_cid)),
            max_price=Amount(max_price),
            segments=segments,
            segment_seconds=segment_seconds,
            run_seconds=run_seconds,
            open_seconds=open_seconds,
            hardware_class=hardware_class,
            start_price=Amount(start_price),
            rise_seconds=rise_seconds,
            input=Digest(bytes(input_)),
            first_segment=first_segment,
            comparison=Comparison(comparison),
            parts=parts,
            min_reputation=min_reputation,
            seller=Address(seller),
        )

    def price_at(self, open_until: int, time: int) -> Amount:
        """The price a seller who accepts at `time` gets: a line from start_price to max_price within rise_seconds."""
        elapsed = time - (open_until - self.open_seconds)
        if elapsed >= self.rise_seconds:
            return self.max_price
        start = self.start_price or self.max_price
        return Amount(start + (self.max_price - start) * elapsed // self.rise_seconds)


@dataclass(frozen=True, slots=True)
class Job:
    """A job: what moves (`Job` of the contracts) together with its terms. Times are unix seconds of the chain."""

    job_id: JobId
    terms: Terms
    terms_hash: Digest
    buyer: Address
    status: JobStatus
    audited: bool
    segments: int
    open_until: int
    deadline: int
    held: Amount
    seller: Address = ZERO_ADDRESS
    price: Amount = Amount(0)  # R, fixed at acceptance
    collateral: Amount = Amount(0)
    audit_bps: int = 0
    epoch: Epoch = Epoch(0)
    result_cid: Digest = ZERO_DIGEST
    segment_root: Digest = ZERO_DIGEST

    def state(self) -> tuple:
        """The moving part as the contracts take it, in the order of the struct."""
        return (
            self.terms_hash,
            self.buyer,
            int(self.status),
            self.audited,
            self.segments,
            self.open_until,
            self.deadline,
            self.held,
            self.seller,
            self.price,
            self.collateral,
            self.audit_bps,
            self.epoch,
            self.result_cid,
            self.segment_root,
        )

    @property
    def under_audit(self) -> Job:
        """The job as the opening of its audit leaves it."""
        return replace(self, status=JobStatus.UNDER_AUDIT)

    def price_at(self, time: int) -> Amount:
        """What the job pays its seller; while it is open, what it would pay one who accepts at `time`."""
        return self.price or self.terms.price_at(self.open_until, time)

    @property
    def spec_cid(self) -> Digest:
        return self.terms.spec_cid

    @property
    def hardware_class(self) -> int:
        return self.terms.hardware_class

    @property
    def segment_seconds(self) -> int:
        return self.terms.segment_seconds

    @property
    def run_seconds(self) -> int:
        return self.terms.run_seconds


# In place of a job's state where a call asks nothing of it.
NO_STATE = (ZERO_DIGEST, ZERO_ADDRESS, 0, False, 0, 0, 0, 0, ZERO_ADDRESS, 0, 0, 0, 0, ZERO_DIGEST, ZERO_DIGEST)


@dataclass(frozen=True, slots=True)
class Slot:
    """A judge's seat; `IJudgeBench.Slot`."""

    slot_id: SlotId
    owner: Address
    active_from: int
    active_until: int
    strikes: int
    operator: Address
    hardware_class: int

    @property
    def is_active(self) -> bool:
        return self.active_from > 0 and self.active_until == 0


@dataclass(frozen=True, slots=True)
class Bond:
    """The money of a slot; `IJudgeBench.Bond`."""

    left: Amount
    reserved: Amount
    cases: int
    earned: Amount = Amount(0)  # fees not collected yet


@dataclass(frozen=True, slots=True)
class Case:
    """An audit or a challenge before the court; `IAuditCourt.Case`."""

    job_id: JobId
    status: CaseStatus
    comparison: Comparison
    ruling: Ruling
    answers_draw: bool
    round: int
    first_round: int
    ruled_round: int
    instance: int
    replacements: int
    segment: int
    deadline: int
    judge: SlotId
    denied: bytes = NOT_DENIED  # the beginning of sha256 of the judge's verdict against the seller


@dataclass(frozen=True, slots=True)
class Ballot:
    """A committee's vote; `IBallots.Ballot`, with its members."""

    job_id: JobId
    round: int
    status: BallotStatus
    comparison: Comparison
    segment: int
    seats: int
    size: int
    sealed_seats: int
    revealed_seats: int
    proved_seats: int
    since: int  # 0, as the epoch, once the committee is drawn
    deadline: int
    epoch: Epoch
    committee: tuple[SlotId, ...]

    def has_sealed(self, seat: int) -> bool:
        return bool(self.sealed_seats >> seat & 1)

    def has_revealed(self, seat: int) -> bool:
        return bool(self.revealed_seats >> seat & 1)

    @property
    def is_heard(self) -> bool:
        """Whether all who sealed have revealed."""
        return self.sealed_seats == self.revealed_seats


@dataclass(frozen=True, slots=True)
class Opening:
    """What only somebody who ran a segment knows; `IBallots.Opening`."""

    trace_root: Digest
    output_hash: Digest
    output_cid: Digest

    def values(self) -> tuple[Digest, Digest, Digest]:
        """The struct as the contracts take it."""
        return (self.trace_root, self.output_hash, self.output_cid)
