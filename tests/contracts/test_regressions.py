# SPDX-License-Identifier: Apache-2.0
"""Errors found in other projects of this kind; each has a test that would have found it."""

from collections.abc import Callable

import pytest
from brownie import HookActor, HookToken
from ledger import Ledger, job_hash
from stories import another_seller, appeal, challenge, challenged, executed, hand_back, join, submitted, tallied
from world import Terms, World

from swarm.protocol import draw, money
from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus

PRICE = Terms().max_price
REVERT = 1  # the mood of a contract that refuses to be paid


# a timeout that calls a function which does not exist: funds stuck for ever


def case_goes_on(world, job_id: int) -> None:
    """What a stranger can do for a case in which nobody else acts."""
    status = world.case(job_id).status
    if status is CaseStatus.JUDGING:
        world.replace_judge(job_id)
    elif status is CaseStatus.APPEALABLE:
        world.execute(job_id)
    elif world.ballot(job_id).status is BallotStatus.DRAWING:
        world.bring_seed(world.ballot(job_id).epoch)
        world.past_case_deadline(job_id)
        world.draw_now(job_id)
    else:
        world.past_case_deadline(job_id)
        world.travel(world.params.reveal_seconds)
        world.tally(job_id)


def goes_on(world, job_id: int) -> None:
    """One step of a stranger's who has nothing but time."""
    job = world.job(job_id)
    if job.status in (JobStatus.OPEN, JobStatus.RUNNING):
        world.past_deadline(job_id)
        world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
    elif job.status is not JobStatus.SUBMITTED:
        case_goes_on(world, job_id)
    else:
        world.bring_seed(job.epoch)
        if not job.audited and world.escrow.isDrawn(*world.with_job(job_id)):
            world.open_audit(job_id)
        else:
            world.settle(job_id)


def appealed(world) -> int:
    commitment = challenged(world)
    tallied(world, commitment, ["other"] * 3)
    appeal(world, commitment.job_id, world.seller)
    return commitment.job_id


STATES: dict[str, Callable[[World], int]] = {
    "open": lambda world: world.post(),
    "running": lambda world: world.accepted(),
    "submitted, not drawn": lambda world: world.submitted(drawn=False).job_id,
    "submitted, drawn": lambda world: world.submitted().job_id,
    "part handed back": lambda world: hand_back(world, world.accepted(Terms(parts=2)), 3)[0].job_id,
    "rest of a part": lambda world: hand_back(world, world.accepted(Terms(parts=2)), 3)[1],
    "judging": lambda world: world.audited().job_id,
    "denied": lambda world: world.denied().job_id,
    "committee drawn": lambda world: world.committee().job_id,
    "challenged": lambda world: challenged(world).job_id,
    "appealed": appealed,
}


@pytest.mark.parametrize("state", STATES)
def test_a_stranger_with_nothing_but_time_brings_every_job_to_its_end(world, state):
    """Invariant 8."""
    STATES[state](world)
    for job_id in range(1, world.escrow.jobCount() + 1):
        for _ in range(12):
            if world.status(job_id).is_final:
                break
            goes_on(world, job_id)
        assert world.status(job_id).is_final
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    assert all(world.bond(slot_id).cases == 0 for slot_id in range(1, 7))


# a timeout on the wrong clock: the seller escapes


def test_a_running_jobs_clock_starts_at_its_acceptance(world):
    job_id = world.post()
    world.travel_until(world.job(job_id).deadline - 10)
    world.accept(job_id)
    accepted = world.rpc.now()
    world.past_deadline(job_id)
    assert world.rpc.now() == accepted + Terms().run_seconds + 1
    arguments = (*world.with_job(job_id), b"\x4e" * 32, b"\x4f" * 32)
    world.refuses(world.escrow.submit, *arguments, sender=world.seller, error="TooLate")
    world.refuses(world.escrow.abort, *world.with_job(job_id), sender=world.seller, error="TooLate")


def test_the_time_to_open_does_not_end_a_running_job(world):
    job_id = world.accepted()
    opened_until = world.job(job_id).open_until
    world.travel_until(opened_until + 1)
    values = world.refuses(world.escrow.refund, *world.with_job(job_id), sender=world.buyer, error="TooEarly")
    assert values[0] == world.job(job_id).deadline > opened_until


# a refund of the wrong amount


@pytest.mark.parametrize("terms", [Terms(), Terms(start_price=10 * TOKEN + 1, rise_seconds=900, parts=3)])
def test_a_refund_returns_all_that_was_paid_in(world, terms):
    before = world.books.wealth()
    job_id = world.post(terms)
    world.past_deadline(job_id)
    world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
    assert world.books.gains(before) == {}


# a sponsor locked but the requester seized


def test_a_slash_takes_what_was_locked_for_that_job_and_nobody_elses(world):
    """Two jobs, two sellers, two buyers: one conviction."""
    another, stake = another_seller(world), 10_000 * TOKEN
    other = world.post(buyer=world.stranger)
    world.accept(other, seller=another)
    commitment = world.denied()
    before, locked = world.books.wealth(), world.vault.lockedBy(another, world.escrow)
    executed(world, commitment, ["other"] * 3)
    gains = world.books.gains(before)
    assert gains["seller"] == -world.least_collateral()
    assert "other 0" not in gains and "stranger" not in gains
    assert world.vault.lockedBy(another, world.escrow) == locked
    assert world.vault.freeStakeOf(another) == stake - locked


def test_who_staked_for_a_seller_risks_only_what_it_gave(world):
    world.send(world.vault.deposit, world.seller, 50 * TOKEN, sender=world.stranger)
    world.stake(world.stranger, 70 * TOKEN, world.escrow)
    before = world.books.wealth()
    executed(world, world.denied(), ["other"] * 3)
    assert "stranger" not in world.books.gains(before)
    assert world.vault.freeStakeOf(world.stranger) == 70 * TOKEN


# draws that move when judges join


def test_who_joins_or_leaves_after_the_commitment_moves_no_draw(world):
    commitment = world.submitted()
    seed = world.bring_seed(world.job(commitment.job_id).epoch)
    with world.kept():
        world.open_audit(commitment.job_id)
        drawn = world.case(commitment.job_id).judge
    world.more_judges(5)
    leaver = next(slot_id for slot_id in range(1, 7) if slot_id != drawn)
    world.does(world.bench.leaveSlot, leaver, sender=world.operator_of(leaver))
    world.does(world.bench.leaveSlot, drawn, sender=world.operator_of(drawn))
    world.open_audit(commitment.job_id)
    assert world.case(commitment.job_id).judge == drawn == 1 + draw.slot_pick(seed, commitment.job_id, 0, 0, 6)


# 100 % of a slash to the accuser


@pytest.mark.parametrize("prices", [1, 24])
def test_no_accuser_gets_more_than_half_of_what_is_taken(world, prices):
    """The buyer challenges its own job, which is the best case for an accuser that is a party too."""
    collateral = prices * PRICE
    commitment = world.submitted(drawn=False, collateral=collateral)
    before = world.books.wealth()
    challenge(world, commitment.job_id, by=world.buyer)
    executed(world, commitment, ["other"] * 3)
    gains = world.books.gains(before)
    assert gains["seller"] == -collateral
    paid_back = PRICE + money.max_levy(world.fee()) - world.levy(commitment.job_id)
    assert 2 * (gains["buyer"] - paid_back) < collateral
    assert 2 * gains["burned"] >= collateral - 3 * world.fee()


# an unbonding entry whose timer restarts when another is merged


def test_an_unbonding_keeps_its_clock_whatever_comes_after_it(world):
    world.send(world.vault.unbond, 100, sender=world.seller)
    ready = world.rpc.now() + world.params.unbond_delay
    world.travel_until(ready - 10)
    world.send(world.vault.unbond, 200, sender=world.seller)
    world.send(world.vault.deposit, world.seller, 1, sender=world.stranger)
    world.travel_until(ready)
    world.does(world.vault.withdraw, 0, world.seller, sender=world.seller)
    world.refuses(world.vault.withdraw, 1, world.seller, sender=world.seller, error="NotReady")


# an unbounded list of contributors


def test_the_largest_case_there_can_be_is_executed_within_a_block(large):
    """Eight challengers, twenty-five judges, two appeals."""
    commitment, _ = submitted(large)
    challenge(large, commitment.job_id)
    for _ in range(7):
        join(large, commitment.job_id, large.buyer)
    tallied(large, commitment, ["other"] * 3)
    appeal(large, commitment.job_id, large.seller)
    tallied(large, commitment, ["seller's"] * 7)
    appeal(large, commitment.job_id, large.buyer)
    tallied(large, commitment, ["other"] * 15)
    assert large.execute(commitment.job_id).gas_used < 5_000_000


# a recipient that reverts and blocks everything


@pytest.fixture(scope="module")
def hook_market(market):
    """A token that calls its recipients, and a contract that misbehaves when it is paid."""
    world = World(HookToken).open_market()
    world.actor = world.deploy(HookActor)
    world.books.others.append(world.actor.address)
    return world


def test_a_payout_that_reverts_holds_nobody_else_up(hook_market):
    world = hook_market
    with world.kept():
        commitment = world.audited()
        judge = world.judge_of(commitment.job_id)
        world.send(world.actor.act, world.token, world.token.setHook.encode_input(True), sender=world.stranger)
        world.send(world.actor.setMood, REVERT, world.token, b"", sender=world.stranger)
        world.send(world.vault.setKeys, "0x" + "0" * 40, world.actor, sender=judge)
        slot_id = world.case(commitment.job_id).judge
        world.confirm(commitment)
        done = world.does(world.bench.collect, slot_id, sender=world.stranger)
        assert done.event("Credited")["amount"] == world.escrow.creditOf(world.actor) == world.fee()
        world.settle(commitment.job_id)


# daemons that listen to events only and miss one


def test_whoever_missed_an_event_knows_it_and_the_escrow_refuses_its_state(world):
    """A reader that folded all but one event sees that its state is not the escrow's."""
    commitment = world.audited()
    behind = Ledger()
    behind.jobs = dict(world.ledger.jobs)
    world.confirm(commitment)
    job_id, stored = commitment.job_id, bytes(world.escrow.stateOf(commitment.job_id))
    assert job_hash(world.job(job_id)) == stored != job_hash(behind.jobs[job_id])
    world.past_deadline(job_id)
    arguments = (job_id, behind.jobs[job_id].state())
    values = world.refuses(world.escrow.settle, *arguments, sender=world.stranger, error="StaleJob")
    assert values == (job_id,)
