# SPDX-License-Identifier: Apache-2.0
"""What a worker sees before it decides: jobs, its own journal, what it was asked, and the clock."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from swarm.protocol.types import Address, Job, JobId
from swarm.seller.control import Mode
from swarm.seller.policy import Policy


class Step(enum.StrEnum):
    """How far the work on a job has come; kept in the journal before each action that must not be repeated.

    HANDED_BACK marks the rest of a job that this worker handed back: it is for somebody else.
    """

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    FAILED = "failed"
    HANDED_BACK = "handed_back"


class Reason(enum.StrEnum):
    """Why an open job is not taken. The first ones hold for every job, whatever it offers."""

    PAUSED = "paused"
    DRAINING = "draining"
    BUSY = "busy with another job"
    SCHEDULE = "outside the hours"
    GAS = "too little gas to submit"
    DISK = "disk limit"
    ONLY_JOB = "started for one job only"
    OWN = "own job"
    GIVEN_UP = "given up or handed back before"
    EXPIRED = "expired"
    PRICE = "price below the floor"
    TOO_LONG = "longer than accepted"
    NAMED = "for another seller"
    REPUTATION = "wants more reputation"
    TYPE = "type not accepted"
    IMAGE = "image not accepted"
    HARDWARE = "hardware class this machine does not have"
    MEMORY = "needs more memory"
    STAKE = "too little free stake"
    JUDGES = "not enough judges"
    INPUTS = "inputs cannot be fetched"
    SPEC = "spec and terms disagree, or are invalid"
    REFUSED = "the contract refused"
    TURN = "left to others first"


@dataclass(frozen=True, slots=True)
class Work:
    """The journal's entry of one job. Digests are hexadecimal, empty before publishing."""

    job_id: JobId
    step: Step
    result_cid: str = ""
    segment_root: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What was observed. `refused` tells why this worker has looked at an open job and does not take it, or not yet;
    `blocked` why it takes none at all at present, `mode` what it was asked."""

    now: int
    seller: Address
    jobs: Sequence[Job]
    work: Mapping[JobId, Work]
    running: JobId | None
    refused: Mapping[JobId, Reason]
    known_seeds: frozenset[int]  # epochs of this seller's submitted jobs
    drawn: frozenset[JobId]
    policy: Policy
    reputation: int = 0  # the seller's score, basis points
    mode: Mode = Mode.RUN
    blocked: Reason | None = None
    hands_back: bool = False
    done: Mapping[JobId, int] = field(default_factory=dict)  # whole segments kept of jobs not published yet
