# SPDX-License-Identifier: Apache-2.0
"""Types that travel between layers. Zero means absent, as in the contracts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
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
    DENIED = 2
    SEALING = 3
    REVEALING = 4
    RULED = 5


class Ruling(enum.IntEnum):
    NONE = 0
    CONFIRMED = 1
    ACQUITTED = 2
    SLASHED = 3
    VOID = 4
    UNJUDGED = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a buyer asks for and offers; `IJobEscrow.Terms`."""

    spec_cid: Digest
    price: Amount
    segments: int
    segment_seconds: int
    run_seconds: int
    open_seconds: int
    hardware_class: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the escrow holds it; `IJobEscrow.Job`. Times are unix seconds of the chain."""

    job_id: JobId
    buyer: Address
    segments: int
    segment_seconds: int
    run_seconds: int
    hardware_class: int
    seller: Address
    status: JobStatus
    deadline: int
    audit_bps: int
    epoch: Epoch
    price: Amount
    collateral: Amount
    open_until: int
    audited: bool
    spec_cid: Digest
    result_cid: Digest
    segment_root: Digest


@dataclass(frozen=True, slots=True)
class Slot:
    """A judge's seat; `IAuditCourt.Slot`."""

    slot_id: SlotId
    owner: Address
    active_from: int
    active_until: int
    strikes: int
    operator: Address
    hardware_class: int
    cases: int

    @property
    def is_active(self) -> bool:
        return self.active_from > 0 and self.active_until == 0


@dataclass(frozen=True, slots=True)
class Case:
    """An audit before the court; `IAuditCourt.Case`."""

    job_id: JobId
    status: CaseStatus
    segment: int
    replacements: int
    round: int
    since: int
    deadline: int
    epoch: Epoch
    judge: SlotId
    fee: Amount
    denied_leaf: Digest
    committee: tuple[SlotId, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A committee member's state; `IAuditCourt.Seat`."""

    seal: Digest
    leaf: Digest
    matches: bool

    @property
    def has_sealed(self) -> bool:
        return self.seal != ZERO_DIGEST

    @property
    def has_revealed(self) -> bool:
        return self.leaf != ZERO_DIGEST


@dataclass(frozen=True, slots=True)
class Opening:
    """What only somebody who ran a segment knows; `IAuditCourt.Opening`."""

    trace_root: Digest
    output_hash: Digest
    output_cid: Digest
