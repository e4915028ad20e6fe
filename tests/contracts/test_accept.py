# SPDX-License-Identifier: Apache-2.0
"""accept."""

import pytest
from world import CLASS, Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()


@pytest.fixture
def least(world):
    return world.escrow.minCollateralFor(TERMS.price, TERMS.segments)


def test_accept_refuses_a_job_that_is_not_open(world, least):
    values = world.refuses(world.escrow.accept, 1, least, sender=world.seller, error="WrongStatus")
    assert values == (JobStatus.OPEN, JobStatus.NONE)
    job_id = world.accepted()
    world.refuses(world.escrow.accept, job_id, least, sender=world.seller, error="WrongStatus")


def test_accept_refuses_once_the_job_has_waited_long_enough(world, least):
    job_id = world.post()
    deadline = world.job(job_id)["deadline"]
    world.past_deadline(job_id)
    values = world.refuses(world.escrow.accept, job_id, least, sender=world.seller, error="TooLate")
    assert values == (deadline, deadline + 1)


def test_accept_refuses_the_buyer(world, least):
    job_id = world.post()
    world.refuses(world.escrow.accept, job_id, least, sender=world.buyer, error="SellerIsBuyer")


def test_accept_refuses_too_little_collateral(world, least):
    job_id = world.post()
    values = world.refuses(world.escrow.accept, job_id, least - 1, sender=world.seller, error="CollateralTooLow")
    assert values == (least, least - 1)


def test_accept_refuses_a_seller_without_free_stake(world):
    job_id = world.post()
    free = world.vault.freeStakeOf(world.seller)
    values = world.refuses(world.escrow.accept, job_id, free + 1, sender=world.seller, error="InsufficientStake")
    assert values == (free + 1, free)


def test_accept_refuses_a_seller_that_did_not_authorise_the_escrow(world, least):
    world.send(world.vault.deposit, world.stranger, least, sender=world.stranger)
    job_id = world.post()
    world.refuses(world.escrow.accept, job_id, least, sender=world.stranger, error="NotAuthorised")


def test_accept_refuses_a_class_nobody_judges(world, least):
    job_id = world.post(Terms(hardware_class=CLASS + 1))
    values = world.refuses(world.escrow.accept, job_id, least, sender=world.seller, error="NotEnoughJudges")
    assert values == (CLASS + 1,)


def test_accept_refuses_when_fewer_than_four_independent_owners_are_left(world, least):
    """Threat 72: nobody is promised an audit that cannot happen."""
    job_id = world.post()
    for slot_id in (1, 2):
        world.send(world.court.leaveSlot, slot_id, sender=world.judges[slot_id - 1])
    assert world.court.canJudge(CLASS, world.buyer, world.seller, world.fee())
    assert not world.court.canJudge(CLASS, world.judges[2], world.seller, world.fee())
    world.send(world.court.leaveSlot, 3, sender=world.judges[2])
    world.refuses(world.escrow.accept, job_id, least, sender=world.seller, error="NotEnoughJudges")


def test_accept_refuses_a_fee_that_the_slots_bonds_do_not_cover(world):
    """Threat 40: a job beyond the judges' capital."""
    terms = Terms(segments=4)  # F = 30, four cases of 5 F are 600, a slot's bond is 500
    job_id = world.post(terms)
    least = world.escrow.minCollateralFor(terms.price, terms.segments)
    world.refuses(world.escrow.accept, job_id, least, sender=world.seller, error="NotEnoughJudges")


def test_accept_locks_the_collateral_and_fixes_the_audit_rate(world, least):
    job_id = world.post()
    before = world.books.wealth()

    done = world.does(world.escrow.accept, job_id, least + 5, sender=world.seller)

    job = world.job(job_id)
    assert job["auditBps"] == money.audit_bps(TERMS.price, least + 5)
    assert (job["status"], job["seller"], job["collateral"]) == (JobStatus.RUNNING, world.seller, least + 5)
    assert job["deadline"] == world.rpc.now() + TERMS.run_seconds == done.event("JobAccepted")["deadline"]
    assert world.vault.lockedBy(world.seller, world.escrow) == least + 5
    assert world.books.gains(before) == {}


def test_collateral_of_two_jobs_is_locked_twice(world, least):
    """Threat 33."""
    world.accepted()
    world.accepted()
    assert world.vault.lockedBy(world.seller, world.escrow) == 2 * least
