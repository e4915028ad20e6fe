# SPDX-License-Identifier: Apache-2.0
"""What is due, and where it leads: a stranger with nothing but time, seeds and permissionless calls ends every job."""

from __future__ import annotations

from trace_chain import Call, Disagreement
from trace_people import Stage

from swarm.protocol.lifecycle import Market, Refused, Step, due
from swarm.protocol.types import ZERO_DIGEST, Ballot, BallotStatus, Epoch, Job, JobId, JobStatus

NOBODY = "0x" + "99" * 20  # has no part in any job
STEPS = 80  # more than any job needs to its end
OF_STEP = {
    Step.REFUND: "escrow.refund",
    Step.OPEN_AUDIT: "escrow.open_audit",
    Step.SETTLE: "escrow.settle",
    Step.REPLACE_JUDGE: "court.replace_judge",
    Step.DRAW_COMMITTEE: "ballots.draw_committee",
    Step.TALLY: "court.tally",
    Step.EXECUTE: "court.execute",
}


def check_due(market: Market, now: int) -> None:
    """What `due` says anybody may do is what the protocol then takes, for every job. Raises Disagreement."""
    for job in list(market.escrow.jobs.values()):
        said = due_of(market, job, now)
        taken = {step for step in Step if accepts(market, call_of(market, step, job, NOBODY, now))}
        if said != taken:
            raise Disagreement(f"due at {now} for job {job.job_id}: {set(said)}, but taken {taken}")


def finish(stage: Stage, now: int) -> None:
    """Plays what is due on both until every job has ended; then nobody is bound and every token is somebody's.

    Raises Disagreement.
    """
    market = stage.chain.market
    for job_id in list(market.escrow.jobs):
        now = _finish_job(stage, job_id, now)
    bound = [slot_id for slot_id, bond in market.bench.bonds.items() if bond.cases or bond.reserved]
    if bound:
        raise Disagreement(f"all jobs have ended, but slots {bound} are still assigned")
    at = market.at["JobEscrow"]
    if any(lock.amount for (_, slasher), lock in market.vault.locks.items() if slasher == at):
        raise Disagreement("all jobs have ended, but collateral is still locked")
    owed = market.escrow.pool + market.escrow.burnable + sum(market.escrow.credits.values())
    owed += sum(bond.earned for bond in market.bench.bonds.values())
    if market.token.balance_of(at) != owed:
        raise Disagreement(f"all jobs have ended; the escrow has {market.token.balance_of(at)}, but owes {owed}")


def _finish_job(stage: Stage, job_id: JobId, now: int) -> int:
    market, stranger = stage.chain.market, stage.people.stranger
    for _ in range(STEPS):
        job, ballot = market.escrow.jobs[job_id], ballot_of(market, job_id)
        if job.status.is_final:
            return now
        missing = _missing_seed(market, job, ballot)
        if missing is not None:
            now = max(now, market.beacon.time_of(missing))
            _play(stage, Call("beacon.submit", stranger, (missing, stage.chain.seed_of(missing)), now))
            continue
        now, step = _next_step(market, job, ballot, now)
        _play(stage, call_of(market, step, job, stranger, now))
        if step == Step.DRAW_COMMITTEE and ballot_of(market, job_id).status == BallotStatus.DRAWING:
            now = max(now, ballot.deadline + 1)  # too few judges: wait until that is certain
    raise Disagreement(f"job {job_id} does not end: {market.escrow.jobs[job_id].status.name}")


def _next_step(market: Market, job: Job, ballot: Ballot, now: int) -> tuple[int, Step]:
    """The earliest time from now on at which something is due."""
    case = market.court.case_of(job.job_id)
    ends = (job.deadline, case.deadline, ballot.deadline, ballot.deadline + market.parameters.reveal_seconds)
    for time in sorted({now, *(end + 1 for end in ends if end >= now)}):
        for step in due_of(market, job, time):
            return time, step
    raise Disagreement(f"nothing will ever be due for job {job.job_id}: {job.status.name}, {case.status.name}")


def _missing_seed(market: Market, job: Job, ballot: Ballot) -> Epoch | None:
    epoch = None
    if job.status == JobStatus.SUBMITTED and not job.audited:
        epoch = job.epoch
    elif job.status in (JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED) and ballot.status == BallotStatus.DRAWING:
        epoch = ballot.epoch
    is_missing = epoch is not None and market.beacon.seed_for(epoch)[0] == ZERO_DIGEST
    return epoch if is_missing else None


def _play(stage: Stage, call: Call) -> None:
    refusal = stage.chain.play(call)
    if refusal:
        raise Disagreement(f"{stage.people.told(call)} was due, but refused: {refusal}")


def ballot_of(market: Market, job_id: JobId) -> Ballot:
    """The latest ballot of a job."""
    return market.ballots.ballot_of(job_id, market.court.case_of(job_id).round)


def due_of(market: Market, job: Job, now: int) -> set[Step]:
    """`due` with all it asks for."""
    case, ballot = market.court.case_of(job.job_id), ballot_of(market, job.job_id)
    epoch = job.epoch if job.status == JobStatus.SUBMITTED else ballot.epoch
    seed_known = market.beacon.seed_for(epoch)[0] != ZERO_DIGEST
    drawn = job.status == JobStatus.SUBMITTED and bool(market.escrow.is_drawn(job))
    return set(due(job, case, ballot, now, seed_known, drawn, market.parameters.reveal_seconds))


def call_of(market: Market, step: Step, job: Job, caller: str, now: int) -> Call:
    """The call that takes a step."""
    round_ = market.court.case_of(job.job_id).round
    arguments = {Step.DRAW_COMMITTEE: (job, round_), Step.TALLY: (job.job_id,)}.get(step, (job,))
    return Call(OF_STEP[step], caller, arguments, now)


def accepts(market: Market, call: Call) -> bool:
    """Whether the twin would take the call; changes nothing."""
    part, name = call.verb.split(".")
    before = market.snapshot()
    try:
        getattr(getattr(market, part), name)(call.caller, *call.arguments, now=call.at)
    except Refused:
        return False
    market.restore(before)
    return True
