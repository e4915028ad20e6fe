# SPDX-License-Identifier: Apache-2.0
"""What sellers have done: passes bounded per payer, faults, lateness, the score, and what it never changes."""

import pytest
from stories import challenge, confirmed, executed, submitted
from world import Terms

from swarm.protocol import money
from swarm.protocol.parameters import TOKEN

PRICE = 100 * TOKEN


def record(world) -> tuple[int, int, int]:
    """(passed, faults, late) of the seller."""
    return tuple(world.reputation.recordOf(world.seller))


def score(world, passed: int, faults: int, late: int) -> int:
    return 10_000 * passed // (passed + world.params.reputation_unit + 4 * faults + late)


def pay_with(world, buyer, terms: Terms | None = None):
    """A confirmed job of another buyer's."""
    job_id = world.post(terms, buyer=buyer)
    world.accept(job_id)
    commitment = world.submit(job_id)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    world.confirm(commitment)


@pytest.mark.parametrize("name", ["recordPass", "recordFault", "recordLate"])
def test_only_the_escrow_records(world, name):
    call = getattr(world.reputation, name)
    for sender in (world.seller, world.deployer):
        values = world.refuses(call, world.seller, world.buyer, 1, sender=sender, error="OnlyEscrow")
        assert values == (world.escrow.address.lower(),)


def test_a_passed_audit_counts_the_price(world):
    confirmed(world, Terms(max_price=30 * TOKEN))
    assert record(world) == (30 * TOKEN, 0, 0)
    assert world.reputation.scoreOf(world.seller) == score(world, 30 * TOKEN, 0, 0)


def test_one_payer_counts_up_to_one_unit(world):
    """Nobody makes a name with one friend's money."""
    confirmed(world, Terms(max_price=70 * TOKEN))
    confirmed(world, Terms(max_price=70 * TOKEN))
    assert record(world) == (world.params.reputation_unit, 0, 0)
    confirmed(world)
    assert record(world) == (world.params.reputation_unit, 0, 0)


def test_every_payer_counts_on_its_own(world):
    confirmed(world)
    pay_with(world, world.stranger)
    assert record(world) == (2 * world.params.reputation_unit, 0, 0)
    assert world.reputation.scoreOf(world.seller) == 6_666  # m / (m + 1), m = 2


def test_a_job_nobody_audited_proves_nothing(world):
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id)
    assert record(world) == (0, 0, 0)


def test_an_acquitted_audit_counts_and_an_acquitted_challenge_does_not(world):
    commitment, _ = submitted(world)
    challenge(world, commitment.job_id)
    executed(world, commitment, ["seller's"] * 3)
    assert record(world) == (0, 0, 0)
    commitment = world.denied()
    executed(world, commitment, ["seller's"] * 3)
    assert record(world) == (PRICE, 0, 0)


def test_a_fault_weighs_four_times_and_has_no_bound(world):
    confirmed(world)
    for _ in range(2):
        executed(world, world.denied(), ["other"] * 3)
    assert record(world) == (PRICE, 2 * PRICE, 0)
    assert world.reputation.scoreOf(world.seller) == score(world, PRICE, 2 * PRICE, 0) == 1_000


def test_lateness_weighs_once_and_an_abort_nothing(world):
    confirmed(world)
    job_id = world.accepted()
    world.does(world.escrow.abort, *world.with_job(job_id), sender=world.seller)
    assert record(world) == (PRICE, 0, 0)
    job_id = world.accepted()
    world.past_deadline(job_id)
    world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
    assert record(world) == (PRICE, 0, PRICE)
    assert world.reputation.scoreOf(world.seller) == score(world, PRICE, 0, PRICE) == 3_333


def test_a_job_nobody_accepted_is_nobodys_lateness(world):
    job_id = world.post()
    world.past_deadline(job_id)
    world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
    assert record(world) == (0, 0, 0)


def test_every_change_is_an_event(world):
    commitment = world.audited()
    event = world.confirm(commitment).event("Recorded")
    assert event["seller"].lower() == world.seller.address.lower()
    assert event["payer"].lower() == world.buyer.address.lower()
    assert tuple(event["record"]) == (PRICE, 0, 0)


@pytest.mark.parametrize("history", ["good", "bad"])
def test_reputation_never_changes_the_audit_rate(world, history):
    """Invariant 24: it sorts and filters, no more."""
    if history == "good":
        confirmed(world)
        pay_with(world, world.stranger)
    else:
        executed(world, world.denied(), ["other"] * 3)
    job = world.job(world.accepted(collateral=2 * PRICE))
    assert job.audit_bps == money.audit_bps(PRICE, 2 * PRICE) == 4_167
