# SPDX-License-Identifier: Apache-2.0
"""Which steps of a job anybody may take now. Daemons act on this, never on events alone."""

from __future__ import annotations

import enum
from collections.abc import Set

from swarm.protocol.lifecycle.state import SEED_PATIENCE
from swarm.protocol.types import Ballot, BallotStatus, Case, CaseStatus, Job, JobStatus


class Step(enum.StrEnum):
    """A call without permission."""

    REFUND = "refund"
    OPEN_AUDIT = "open_audit"
    SETTLE = "settle"
    REPLACE_JUDGE = "replace_judge"
    DRAW_COMMITTEE = "draw_committee"
    TALLY = "tally"
    EXECUTE = "execute"


def due(
    job: Job, case: Case, ballot: Ballot, now: int, seed_known: bool, drawn: bool, reveal_seconds: int
) -> Set[Step]:
    """The permissionless steps the contracts would take at `now` (unix seconds); at most one.

    `case` and `ballot` are the job's latest. `seed_known` is about the seed the job waits for: its own while it is
    submitted, its
    ballot's while that has no committee. `drawn` says whether its own seed draws it. `reveal_seconds` is the ballots'
    parameter.
    """
    match job.status:
        case JobStatus.OPEN | JobStatus.RUNNING:
            return {Step.REFUND} if now > job.deadline else set()
        case JobStatus.SUBMITTED:
            return _of_submitted(job, now, seed_known, drawn)
        case JobStatus.UNDER_AUDIT | JobStatus.CHALLENGED:
            return _of_case(case, ballot, now, seed_known, reveal_seconds)
        case _:
            return set()


def _of_submitted(job: Job, now: int, seed_known: bool, drawn: bool) -> Set[Step]:
    if not job.audited and seed_known and drawn:
        return {Step.OPEN_AUDIT}
    may_settle = job.audited or (seed_known and not drawn)
    return {Step.SETTLE} if may_settle and now > job.deadline else set()


def _of_case(case: Case, ballot: Ballot, now: int, seed_known: bool, reveal_seconds: int) -> Set[Step]:
    match case.status:
        case CaseStatus.JUDGING:
            return {Step.REPLACE_JUDGE} if now > case.deadline else set()
        case CaseStatus.APPEALABLE:
            return {Step.EXECUTE} if now > case.deadline else set()
        case CaseStatus.VOTING if ballot.status == BallotStatus.DRAWING:
            is_given_up = now > ballot.deadline + SEED_PATIENCE
            return {Step.DRAW_COMMITTEE} if seed_known or is_given_up else set()
        case CaseStatus.VOTING:
            return {Step.TALLY} if _is_over(ballot, now, reveal_seconds) else set()
        case _:
            return set()


def _is_over(ballot: Ballot, now: int, reveal_seconds: int) -> bool:
    """Whether all votes are in, or the time for them is over."""
    if ballot.status == BallotStatus.SEALING:
        # Nobody has revealed: either nobody sealed, or the time to reveal must pass too.
        return now > ballot.deadline + (reveal_seconds if ballot.sealed_seats else 0)
    is_silent = ballot.sealed_seats == ballot.revealed_seats
    return ballot.status == BallotStatus.FAILED or is_silent or now > ballot.deadline
