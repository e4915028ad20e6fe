# SPDX-License-Identifier: Apache-2.0
"""accept."""

from dataclasses import replace

import pytest
from world import CLASS, Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()


@pytest.fixture
def least(world):
    return world.least_collateral()


def refuses(world, job_id: int, collateral: int, error: str, seller=None, sender=None) -> tuple:
    seller = seller or world.seller
    arguments = (*world.with_terms(job_id), seller, collateral)
    return world.refuses(world.escrow.accept, *arguments, sender=sender or seller, error=error)


def test_accept_refuses_a_job_or_terms_that_are_not_its_own(world, least):
    job_id, other = world.post(), world.post(Terms(segments=6))
    _, state, terms = world.with_terms(job_id)
    _, other_state, other_terms = world.with_terms(other)
    rest = (world.seller, least)
    accept = world.escrow.accept
    assert world.refuses(accept, job_id, other_state, other_terms, *rest, sender=world.seller, error="StaleJob") == (
        job_id,
    )
    world.refuses(accept, job_id, state, other_terms, *rest, sender=world.seller, error="StaleTerms")
    world.refuses(accept, 9, state, terms, *rest, sender=world.seller, error="StaleJob")


def test_accept_refuses_a_job_that_is_not_open(world, least):
    job_id = world.accepted()
    assert refuses(world, job_id, least, "WrongStatus") == (JobStatus.OPEN, JobStatus.RUNNING)


def test_accept_refuses_once_the_job_has_waited_long_enough(world, least):
    job_id = world.post()
    deadline = world.job(job_id).deadline
    world.past_deadline(job_id)
    assert refuses(world, job_id, least, "TooLate") == (deadline, deadline + 1)


def test_accept_refuses_to_bind_a_seller_that_did_not_call(world, least):
    """Nobody locks somebody else's stake."""
    job_id = world.post()
    values = refuses(world, job_id, least, "OnlySeller", seller=world.seller, sender=world.stranger)
    assert values == (world.seller.address.lower(),)


def test_accept_refuses_the_buyer(world, least):
    assert refuses(world, world.post(), least, "SellerIsBuyer", seller=world.buyer) == ()


def test_accept_refuses_too_little_collateral(world, least):
    assert refuses(world, world.post(), least - 1, "CollateralTooLow") == (least, least - 1)


def test_accept_refuses_a_seller_without_free_stake(world):
    free = world.vault.freeStakeOf(world.seller)
    assert refuses(world, world.post(), free + 1, "InsufficientStake") == (free + 1, free)


def test_accept_refuses_a_seller_that_did_not_authorise_the_escrow(world, least):
    world.send(world.vault.deposit, world.stranger, least, sender=world.stranger)
    refuses(world, world.post(), least, "NotAuthorised", seller=world.stranger)


def test_accept_refuses_a_class_nobody_judges(world, least):
    job_id = world.post(Terms(hardware_class=CLASS + 1))
    assert refuses(world, job_id, least, "NotEnoughJudges") == (CLASS + 1,)


def test_accept_refuses_when_fewer_than_four_independent_owners_are_left(world, least):
    """Threat 72: nobody is promised an audit that cannot happen."""
    job_id = world.post()
    for slot_id in (1, 2):
        world.send(world.bench.leaveSlot, slot_id, sender=world.judges[slot_id - 1])
    judges, fee = world.judges, world.fee()
    assert world.bench.canJudge(CLASS, world.buyer, world.seller, fee)
    assert not world.bench.canJudge(CLASS, judges[2], world.seller, fee)
    assert not world.bench.canJudge(CLASS, world.buyer, judges[2], fee)
    world.send(world.bench.leaveSlot, 3, sender=judges[2])
    refuses(world, job_id, least, "NotEnoughJudges")


def test_parties_that_are_judges_are_not_counted_among_those_who_could_judge(world):
    """Five owners, one of them a party: four are left, with two parties three."""
    world.send(world.bench.leaveSlot, 1, sender=world.judges[0])
    judges, fee = world.judges, world.fee()
    assert world.bench.canJudge(CLASS, judges[1], world.seller, fee)
    assert world.bench.canJudge(CLASS, judges[1], judges[1], fee)
    assert not world.bench.canJudge(CLASS, judges[1], judges[2], fee)


def test_accept_refuses_a_fee_that_the_slots_bonds_do_not_cover(world):
    """Threat 40: a job beyond the judges' capital."""
    terms = Terms(segments=4)  # F = 30, four cases of 5 F are 600, a slot's bond is 500
    refuses(world, world.post(terms), world.least_collateral(terms), "NotEnoughJudges")


def test_accept_locks_the_collateral_and_fixes_price_and_audit_rate(world, least):
    job_id = world.post()
    before = world.books.wealth()

    done = world.accept(job_id, least + 5)

    rate = money.audit_bps(TERMS.max_price, least + 5)
    job, deadline = world.job(job_id), world.rpc.now() + TERMS.run_seconds
    expected = {"jobId": job_id, "seller": world.seller, "price": TERMS.max_price, "collateral": least + 5}
    assert done.event("JobAccepted") == expected | {"auditBps": rate, "deadline": deadline}
    assert (job.status, job.held) == (JobStatus.RUNNING, world.escrow.escrowFor(TERMS.max_price, TERMS.segments, 1))
    assert world.vault.lockedBy(world.seller, world.escrow) == least + 5
    assert world.books.gains(before) == {}


def test_a_job_is_accepted_at_its_last_second(world):
    job_id = world.post()
    world.rpc.next_at(world.job(job_id).deadline)
    world.accept(job_id)
    assert world.status(job_id) is JobStatus.RUNNING


def test_a_job_accepted_before_cannot_be_accepted_with_its_old_state(world, least):
    job_id = world.post()
    as_posted = world.with_terms(job_id)
    world.accept(job_id)
    world.refuses(world.escrow.accept, *as_posted, world.seller, least, sender=world.seller, error="StaleJob")
    lie = replace(world.job(job_id), status=JobStatus.OPEN).state()
    arguments = (job_id, lie, TERMS.values(), world.seller, least)
    world.refuses(world.escrow.accept, *arguments, sender=world.seller, error="StaleJob")


def test_collateral_of_two_jobs_is_locked_twice(world, least):
    """Threat 33."""
    world.accepted()
    world.accepted()
    assert world.vault.lockedBy(world.seller, world.escrow) == 2 * least
