# SPDX-License-Identifier: Apache-2.0
"""What a judge owes, and what became of a case: queue, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm.cli.common import Context, example, parse_job_id, with_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.protocol.types import Ballot, Digest
    from verifier.queue import Duty


@click.command(epilog=example("verifier queue\nverifier queue --json"))
@with_context
def queue(context: Context) -> None:
    """List what this account owes as a judge, the next deadline first, with the time left and what it pays."""
    from swarm.units import format_amount
    from verifier.queue import duties

    rates = (context.config.number("cost_per_hour") or 0.0) * 1e18 / 3600
    rows = []
    for duty in duties(_view(context)):
        row = {
            "job": duty.job_id,
            "round": duty.round,
            "owes": duty.owes,
            "segment": "undelivered" if duty.segment is None else duty.segment,
            "seller": duty.seller[:10],
            "left_seconds": duty.left_seconds,
            "needs_seconds": duty.needed_seconds,
            "at_risk": "yes" if duty.is_at_risk else "no",
            "fee_tok": format_amount(_fee(context, duty)),
            "cost_tok": format_amount(int(rates * duty.needed_seconds)) if rates else "-",
        }
        rows.append(row)
    context.screen.table(rows, essence="job", empty="nothing is owed: verifier show tells what this account could take")


@click.command(epilog=example("verifier show\nverifier show 7"))
@click.argument("job", required=False)
@with_context
def show(context: Context, job: str | None) -> None:
    """Show the case of JOB: what is in question, its judge, and each committee's seals and findings. Without JOB: this
    account as a judge, its slots, capacity, bond and gas."""
    context.screen.facts(
        _case_facts(context, job) if job else _judge_facts(context), essence="case" if job else "slots"
    )


VERBS = (queue, show)


def _case_facts(context: Context, job: str) -> dict:
    from swarm.errors import NotFound
    from swarm.protocol.types import UNDELIVERED, CaseStatus, Ruling

    job_id = parse_job_id(job)
    chain = context.chain
    chain.escrow.job(job_id)
    case = chain.court.case(job_id)
    if case.status is CaseStatus.NONE:
        raise NotFound(f"job {job_id} has no case", hint="swarm job show tells its state")
    ballots = [chain.ballots.ballot(job_id, round_) for round_ in range(case.first_round, case.round + 1)]
    facts = {
        "job": job_id,
        "case": case.status.name.lower(),
        "opened_by": "draw" if case.answers_draw else "challenge",
        "segment": "undelivered" if case.segment == UNDELIVERED else case.segment,
        "comparison": case.comparison.name.lower(),
        "judge": f"slot {case.judge}" if case.judge else "none",
        "denied": any(case.denied),
        "ruling": None if case.ruling is Ruling.NONE else case.ruling.name.lower(),
        "replacements": case.replacements,
        "deadline": ballots[-1].deadline if case.status is CaseStatus.VOTING else case.deadline,
    }
    for ballot in ballots:
        facts[f"ballot_{ballot.round}"] = ballot.status.name.lower()
        found = [chain.ballots.finding(job_id, ballot.round, seat) for seat in range(len(ballot.committee))]
        for seat, slot_id in enumerate(ballot.committee):
            facts[f"ballot_{ballot.round}_slot_{slot_id}"] = _seat_text(ballot, seat, found)
    return facts


def _seat_text(ballot: Ballot, seat: int, found: Sequence[Digest]) -> str:
    """What a member has said so far, in a few words."""
    from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE

    if not ballot.has_sealed(seat):
        return "has not sealed"
    if not ballot.has_revealed(seat):
        return "sealed"
    words = {
        MATCH: "found the seller's own result",
        MISMATCH: "found another result",
        UNAVAILABLE: "could not fetch the result",
    }
    if not any(found[seat]):
        return "has revealed"  # findings are kept until the case is closed; the event has it for ever
    # A leaf that one member proved to be the seller's own is so whoever found it.
    proved = {found[index] for index in range(len(found)) if ballot.proved_seats >> index & 1}
    verdict = MATCH if found[seat] in proved else found[seat]
    return words.get(verdict) or f"found another result, 0x{verdict.hex()[:16]}…"


def _judge_facts(context: Context) -> dict:
    from swarm.seller.gas import Gauge
    from swarm.units import format_amount
    from verifier.plan import MAX_CASES

    chain, address = context.chain, context.address
    slots = [slot for slot in chain.bench.slots() if slot.operator == address and slot.is_active]
    bonds = [chain.bench.bond(slot.slot_id) for slot in slots]
    runway = Gauge(chain, address).runway()
    return {
        "slots": ", ".join(str(slot.slot_id) for slot in slots) or "none",
        "cases": f"{sum(bond.cases for bond in bonds)} of {MAX_CASES * len(slots)}",
        "strikes": sum(slot.strikes for slot in slots),
        "bond_tok": format_amount(sum(bond.left for bond in bonds)),
        "reserved_tok": format_amount(sum(bond.reserved for bond in bonds)),
        "claimable_tok": format_amount(chain.escrow.credit_of(address)),
        "gas_eth": format_amount(runway.wei),
        "gas_runway": f"{runway.jobs} cases",
    }


def _view(context: Context):
    """What the service sees, from the chain and the journal of this home; nothing is sent, no key is unlocked."""
    from swarm.journal import Journal
    from swarm.protocol.types import JobId
    from verifier.observer import Observer
    from verifier.service import FAILED, FINDING, SEAL
    from verifier.view import View

    def keys(kind: str) -> frozenset:
        if not path.exists():
            return frozenset()
        journal = Journal(path)
        try:
            pairs = [name.split("-") for name, _ in journal.items(kind)]
        finally:
            journal.close()
        return frozenset((JobId(int(job)), int(round_)) for job, round_ in pairs)

    path = context.home / "verifier.sqlite"
    observer = Observer(context.chain, context.address)
    mine = observer.my_slots()
    now = context.chain.client.now()
    return View(
        now=now,
        mine=mine,
        observed=observer.observed(now),
        replayed=keys(FINDING),
        failed=keys(FAILED),
        sealed=keys(SEAL),
        replaying=None,
        reveal_seconds=context.chain.ballots.reveal_seconds(),
    )


def _fee(context: Context, duty: Duty) -> int:
    job = context.chain.escrow.job(duty.job_id)
    return duty.fee or context.chain.escrow.fee_for(job.price, job.segments)
