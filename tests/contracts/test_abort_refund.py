# SPDX-License-Identifier: Apache-2.0
"""abort and refund: giving up in time, being late, never being accepted."""

import pytest
from world import Terms

from swarm.protocol.types import JobStatus

TERMS = Terms()
ABORT_PENALTY = TERMS.price * 2 // 100
LATE_PENALTY = TERMS.price // 10


def test_abort_refuses_a_job_that_does_not_run(world):
    job_id = world.post()
    values = world.refuses(world.escrow.abort, job_id, sender=world.seller, error="WrongStatus")
    assert values == (JobStatus.RUNNING, JobStatus.OPEN)


def test_abort_refuses_anybody_but_the_seller(world):
    job_id = world.accepted()
    world.refuses(world.escrow.abort, job_id, sender=world.buyer, error="OnlySeller")


def test_abort_refuses_a_seller_that_is_late(world):
    """Threat 50: giving up after the deadline would be the cheaper penalty."""
    job_id = world.accepted()
    deadline = world.job(job_id)["deadline"]
    world.past_deadline(job_id)
    values = world.refuses(world.escrow.abort, job_id, sender=world.seller, error="TooLate")
    assert values == (deadline, deadline + 1)


def test_an_aborted_job_opens_again_for_its_remaining_time(world):
    job_id = world.accepted()
    before = world.books.wealth()

    done = world.does(world.escrow.abort, job_id, sender=world.seller)

    half = ABORT_PENALTY // 2
    assert world.books.gains(before) == {"seller": -ABORT_PENALTY, "buyer": half, "burned": half}
    assert done.event("JobAborted")["reopened"] is True
    job = world.job(job_id)
    assert (job["status"], job["deadline"]) == (JobStatus.OPEN, job["openUntil"])
    assert (int(job["seller"], 16), job["collateral"], job["auditBps"]) == (0, 0, 0)
    least = world.escrow.minCollateralFor(TERMS.price, TERMS.segments)
    world.does(world.escrow.accept, job_id, least, sender=world.seller)


def test_an_aborted_job_whose_time_to_open_is_over_is_refunded(world):
    job_id = world.accepted()
    before = world.books.wealth()
    world.travel_until(world.job(job_id)["openUntil"])

    world.does(world.escrow.abort, job_id, sender=world.seller)

    half, escrowed = ABORT_PENALTY // 2, world.escrow.escrowFor(TERMS.price, TERMS.segments)
    assert world.books.gains(before) == {"seller": -ABORT_PENALTY, "buyer": escrowed + half, "burned": half}
    assert world.status(job_id) is JobStatus.REFUNDED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0


@pytest.mark.parametrize("price", [10**18 + 1, 10**18 + 51])
def test_the_odd_unit_of_a_penalty_is_burned(world, price):
    job_id = world.accepted(Terms(price=price))
    before = world.books.wealth()
    world.does(world.escrow.abort, job_id, sender=world.seller)
    penalty = -(-price * 200 // 10_000)
    expected = {"seller": -penalty, "buyer": penalty // 2, "burned": penalty - penalty // 2}
    assert world.books.gains(before) == expected


def test_refund_refuses_a_job_that_still_waits_or_runs(world):
    job_id = world.post()
    deadline = world.job(job_id)["deadline"]
    world.travel_until(deadline)
    values = world.refuses(world.escrow.refund, job_id, sender=world.stranger, error="TooEarly")
    assert values == (deadline, deadline)
    job_id = world.accepted()
    world.travel_until(world.job(job_id)["deadline"])
    world.refuses(world.escrow.refund, job_id, sender=world.stranger, error="TooEarly")


def test_refund_refuses_any_other_status(world):
    world.refuses(world.escrow.refund, 1, sender=world.stranger, error="WrongStatus")
    commitment = world.submitted()
    world.past_deadline(commitment.job_id)
    world.refuses(world.escrow.refund, commitment.job_id, sender=world.stranger, error="WrongStatus")


def test_a_job_nobody_accepted_goes_back_whole(world):
    before = world.books.wealth()
    job_id = world.post()
    world.past_deadline(job_id)
    done = world.does(world.escrow.refund, job_id, sender=world.stranger)
    assert world.books.gains(before) == {}
    assert done.event("JobRefunded")["refunded"] == world.escrow.escrowFor(TERMS.price, TERMS.segments)


def test_a_late_seller_pays_a_tenth_of_the_price(world):
    """Threat 60: claim and time out."""
    before = world.books.wealth()
    job_id = world.accepted()
    world.past_deadline(job_id)

    world.does(world.escrow.refund, job_id, sender=world.stranger)

    half = LATE_PENALTY // 2
    assert world.books.gains(before) == {"seller": -LATE_PENALTY, "buyer": half, "burned": half}
    assert world.status(job_id) is JobStatus.REFUNDED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    world.refuses(world.escrow.refund, job_id, sender=world.stranger, error="WrongStatus")


def test_what_is_burned_leaves_for_good(world):
    world.refuses(world.escrow.burn, sender=world.stranger, error="NothingToClaim")
    job_id = world.accepted()
    world.does(world.escrow.abort, job_id, sender=world.seller)
    world.does(world.escrow.burn, sender=world.stranger)
    assert world.token.balanceOf("0x000000000000000000000000000000000000dEaD") == ABORT_PENALTY // 2
    assert world.escrow.burnable() == 0
