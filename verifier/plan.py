# SPDX-License-Identifier: Apache-2.0
"""What a judge does next: a pure function of the chain's state, its own journal and the clock. Deadlines first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarm.protocol.types import Case, CaseStatus, Job, JobId, JobStatus, Seat, SlotId


@dataclass(frozen=True, slots=True)
class Observed:
    """One live job with its case, as this judge sees it. `seats` are the committee's, in its order."""

    job: Job
    case: Case
    seed_due: bool  # the round that decides what is pending should be out
    seed_known: bool
    drawn: bool
    seats: tuple[Seat, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """`mine` are this operator's slots; `replayed` and `sealed` are (job, round) pairs found in the journal."""

    now: int
    mine: frozenset[SlotId]
    observed: Sequence[Observed]
    replayed: frozenset[tuple[JobId, int]]
    failed: frozenset[tuple[JobId, int]]
    sealed: frozenset[tuple[JobId, int]]
    replaying: tuple[JobId, int] | None
    reveal_seconds: int = 0
    # When this judge's turn comes for what anyone may do: not all judges send the same transaction at once.
    turn_seconds: Callable[[JobId], int] = lambda job_id: 0


@dataclass(frozen=True, slots=True)
class Reveal:
    item: Observed


@dataclass(frozen=True, slots=True)
class Seal:
    item: Observed


@dataclass(frozen=True, slots=True)
class Verdict:
    item: Observed


@dataclass(frozen=True, slots=True)
class Replay:
    item: Observed


@dataclass(frozen=True, slots=True)
class BringSeed:
    item: Observed


@dataclass(frozen=True, slots=True)
class OpenAudit:
    item: Observed


@dataclass(frozen=True, slots=True)
class DrawCommittee:
    item: Observed


@dataclass(frozen=True, slots=True)
class Tally:
    item: Observed


@dataclass(frozen=True, slots=True)
class ReplaceJudge:
    item: Observed


@dataclass(frozen=True, slots=True)
class Rest:
    reason: str


Action = Reveal | Seal | Verdict | Replay | BringSeed | OpenAudit | DrawCommittee | Tally | ReplaceJudge | Rest
_RULES: list[Callable[[View, Observed], Action | None]] = []


def decide(view: View) -> Action:
    """The first rule that applies to any job; what this judge owes comes before what anyone may do."""
    ordered = sorted(view.observed, key=lambda item: (item.case.deadline, item.job.job_id))
    for rule in _RULES:
        for item in ordered:
            if action := rule(view, item):
                return action
    if view.replaying:
        return Rest(f"re-executing a segment of job {view.replaying[0]}")
    return Rest("nothing to judge")


def _rule(function: Callable[[View, Observed], Action | None]) -> Callable[[View, Observed], Action | None]:
    _RULES.append(function)
    return function


@_rule
def reveal_due(view: View, item: Observed) -> Reveal | None:
    seat = _own_seat(view, item)
    if not seat or not seat.has_sealed or seat.has_revealed or key(item) not in view.sealed:
        return None
    case = item.case
    may_reveal = case.status is CaseStatus.REVEALING or (case.status is CaseStatus.SEALING and view.now > case.deadline)
    return Reveal(item) if may_reveal else None


@_rule
def seal_due(view: View, item: Observed) -> Seal | None:
    seat = _own_seat(view, item)
    open_ = item.case.status is CaseStatus.SEALING and view.now <= item.case.deadline
    return Seal(item) if open_ and seat and not seat.has_sealed and key(item) in view.replayed else None


@_rule
def verdict_due(view: View, item: Observed) -> Verdict | None:
    return Verdict(item) if _must_judge(view, item) and key(item) in view.replayed else None


@_rule
def replay_next(view: View, item: Observed) -> Replay | None:
    if view.replaying is not None or key(item) in view.replayed | view.failed:
        return None
    seat = _own_seat(view, item)
    in_committee = item.case.status is CaseStatus.SEALING and seat and not seat.has_sealed
    in_time = view.now <= item.case.deadline
    return Replay(item) if in_time and (in_committee or _must_judge(view, item)) else None


@_rule
def bring_seed(view: View, item: Observed) -> BringSeed | None:
    waits = item.job.status is JobStatus.SUBMITTED or item.case.status is CaseStatus.DENIED
    return BringSeed(item) if waits and item.seed_due and not item.seed_known else None


@_rule
def open_audit(view: View, item: Observed) -> OpenAudit | None:
    pending = item.job.status is JobStatus.SUBMITTED and item.seed_known and not item.job.audited
    return OpenAudit(item) if pending and item.drawn else None


@_rule
def draw_committee(view: View, item: Observed) -> DrawCommittee | None:
    ready = item.seed_known or _late(view, item)
    return DrawCommittee(item) if item.case.status is CaseStatus.DENIED and ready else None


@_rule
def tally(view: View, item: Observed) -> Tally | None:
    case = item.case
    all_revealed = bool(item.seats) and all(seat.has_revealed for seat in item.seats)
    if case.status is CaseStatus.REVEALING and (all_revealed or _late(view, item)):
        return Tally(item)
    if case.status is not CaseStatus.SEALING:
        return None
    # Not all sealed: those who did have the time to reveal, counted from the end of the sealing.
    grace = view.reveal_seconds if any(seat.has_sealed for seat in item.seats) else 0
    return Tally(item) if view.now > case.deadline + grace + view.turn_seconds(item.job.job_id) else None


@_rule
def replace_judge(view: View, item: Observed) -> ReplaceJudge | None:
    return ReplaceJudge(item) if item.case.status is CaseStatus.JUDGING and _late(view, item) else None


def key(item: Observed) -> tuple[JobId, int]:
    """What a replay is filed under: one judge may sit in both rounds of different jobs, never twice in one."""
    return item.job.job_id, item.case.round


def _own_seat(view: View, item: Observed) -> Seat | None:
    for slot_id, seat in zip(item.case.committee, item.seats, strict=False):
        if slot_id in view.mine:
            return seat
    return None


def _must_judge(view: View, item: Observed) -> bool:
    case = item.case
    return case.status is CaseStatus.JUDGING and case.judge in view.mine and view.now <= case.deadline


def _late(view: View, item: Observed) -> bool:
    return view.now > item.case.deadline + view.turn_seconds(item.job.job_id)


def salt_key(job_id: JobId, round_: int) -> str:
    return f"{job_id}-{round_}"
