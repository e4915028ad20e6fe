# SPDX-License-Identifier: Apache-2.0
"""Reads what a judge decides on: from the chain whatever may still move, and nothing twice that cannot."""

from __future__ import annotations

from collections.abc import Callable

from swarm.chain.network import Chain
from swarm.protocol import draw
from swarm.protocol.turns import Window, mixed
from swarm.protocol.types import (
    Address,
    Ballot,
    BallotStatus,
    Case,
    CaseStatus,
    Epoch,
    Job,
    JobId,
    JobStatus,
    Slot,
    SlotId,
)
from verifier.fallback import Outage
from verifier.foresight import Foreseen, Foresight
from verifier.view import Hand, Key, Observed

_MOST_SLOTS = 16  # of a judge's window: its deadlines do not wait for others
_PENDING = (JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED)


class Observer:
    """The chain as one operator sees it. What anyone may do it leaves to others until its turn, by `window`.

    `outage_of` is asked about an epoch that still has no seed at its time: epoch, that time, now, and own slots.
    """

    def __init__(
        self, chain: Chain, operator: Address, outage_of: Callable[..., Outage | None] = lambda *_: None
    ) -> None:
        self._chain, self._operator, self._outage_of = chain, operator, outage_of
        self.window = Window(most=_MOST_SLOTS)
        self._foresight = Foresight(chain)
        self._slots: dict[SlotId, Slot] = {}
        self._final: set[JobId] = set()
        self._heard: dict[Key, int] = {}  # ballots all of whose seals are opened, and since when
        self._reorganisations = 0

    def my_slots(self) -> frozenset[SlotId]:
        """Slots this operator speaks for. Their owner and operator never change, so only new slots are read."""
        for slot in self._chain.bench.slots(after=len(self._slots)):
            self._slots[slot.slot_id] = slot
        return frozenset(slot_id for slot_id, slot in self._slots.items() if slot.operator == self._operator)

    def my_hands(self) -> list[Hand]:
        """The same slots with their bonds, as they are now."""
        bench = self._chain.bench
        return [Hand(bench.slot(slot_id), bench.bond(slot_id)) for slot_id in sorted(self.my_slots())]

    def observed(self, now: int) -> list[Observed]:
        """Every job whose audit, challenge or settlement is pending at chain time `now`."""
        observed = [self._observe(job, now) for job in self._pending_jobs()]
        self._heard = {item.key: item.heard_since for item in observed if item.heard_since}
        return observed

    def turn(self, job_id: JobId) -> int:
        """How long this judge leaves common work on a job to others, in seconds."""
        return self._turn(f"job {job_id}")

    def seed_order(self, item: Observed) -> int:
        """With which seed this judge begins where several are overdue."""
        return mixed(self._operator, _seed(epoch_of(item.job, item.ballot)))

    def _turn(self, thing: str) -> int:
        others = {slot.operator for slot in self._slots.values() if slot.is_active} - {self._operator}
        return self.window.wait_seconds(self._operator, thing, rivals=len(others))

    def _pending_jobs(self) -> list[Job]:
        escrow, gone = self._chain.escrow, self._chain.client.reorganisations
        if gone != self._reorganisations:
            # What was final may have been taken back: every job is looked at again, and every slot.
            self._reorganisations = gone
            self._final.clear()
            self._slots.clear()
            self.my_slots()
        pending = []
        for number in range(1, escrow.job_count() + 1):
            if JobId(number) in self._final:
                continue
            job = escrow.job(JobId(number))
            if job.status.is_final:
                self._final.add(job.job_id)
            elif job.status in _PENDING:
                pending.append(job)
        return pending

    def _observe(self, job: Job, now: int) -> Observed:
        beacon = self._chain.beacon
        case = self._chain.court.case(job.job_id)
        ballot = self._ballot_of(case)
        epoch = epoch_of(job, ballot)
        seed, is_fallback = beacon.seed_for(epoch)
        due = beacon.time_of(epoch) if seed is None else None
        is_missing = due is not None and now >= due
        drawn = draw.is_audited(job, seed, is_fallback)
        lacks_judge = case.status is CaseStatus.JUDGING and not case.judge
        is_heard = ballot is not None and ballot.status is BallotStatus.REVEALING and ballot.is_heard
        foreseen = Foreseen(case, ballot)
        if drawn and job.status is JobStatus.SUBMITTED and not job.audited:
            foreseen = self._foresight.of_case(job, case, seed, now, self.my_slots())
        elif seed is not None and ballot and ballot.status is BallotStatus.DRAWING:
            foreseen = self._foresight.of_ballot(job, case, ballot, now, self.my_slots())
        return Observed(
            job=job,
            case=foreseen.case,
            # The first to bring a seed pays the gas, the others find it there. It is one for all jobs of its epoch.
            seed_due=is_missing and now >= due + self._turn(_seed(epoch)),
            seed_known=seed is not None,
            drawn=drawn and job.status is JobStatus.SUBMITTED,
            ballot=foreseen.ballot,
            left_until=foreseen.left_until,
            undrawn=foreseen.ballot is not ballot,
            heard_since=self._heard.get((job.job_id, case.round), now) if is_heard else 0,
            outage=self._outage_of(epoch, due, now, self.my_slots) if is_missing else None,
            fee=self._chain.escrow.fee_for(job.price, job.segments) if lacks_judge else 0,
            barred=self._barred(job) if lacks_judge else frozenset(),
        )

    def _ballot_of(self, case: Case) -> Ballot | None:
        is_voting = case.status is CaseStatus.VOTING
        return self._chain.ballots.ballot(case.job_id, case.round) if is_voting else None

    def _barred(self, job: Job) -> frozenset[Address]:
        """Keys of the parties and of everybody who was drawn for the case before."""
        late = [self._slots[slot_id] for slot_id in self._chain.court.judges_of(job.job_id) if slot_id in self._slots]
        return frozenset({job.buyer, job.seller} | {key for slot in late for key in (slot.owner, slot.operator)})


def _seed(epoch: Epoch) -> str:
    return f"seed {epoch}"


def epoch_of(job: Job, ballot: Ballot | None) -> Epoch:
    """Whose seed decides what is pending: the committee, or whether the job is audited."""
    return ballot.epoch if ballot and ballot.status is BallotStatus.DRAWING else job.epoch
