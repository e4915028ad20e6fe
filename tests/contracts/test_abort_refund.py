# SPDX-License-Identifier: Apache-2.0
"""abort and refund: giving up in time, being late, never being accepted."""

import pytest
from books import DEAD
from world import Terms

from swarm.protocol.types import JobStatus

TERMS = Terms()
PRICE = TERMS.max_price
ABORT_PENALTY = PRICE * 2 // 100
LATE_PENALTY = PRICE // 10


def abort(world, job_id: int):
    return world.does(world.escrow.abort, *world.with_job(job_id), sender=world.seller)


def refund(world, job_id: int):
    return world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)


def refuses(world, verb: str, job_id: int, error: str, sender=None) -> tuple:
    sender = sender or (world.seller if verb == "abort" else world.stranger)
    return world.refuses(getattr(world.escrow, verb), *world.with_job(job_id), sender=sender, error=error)


@pytest.mark.parametrize("verb", ["abort", "refund"])
def test_abort_and_refund_refuse_a_job_that_is_not_as_the_caller_says(world, verb):
    job_id = world.post()
    as_posted = world.with_job(job_id)
    world.accept(job_id)
    world.past_deadline(job_id)
    call = getattr(world.escrow, verb)
    assert world.refuses(call, *as_posted, sender=world.seller, error="StaleJob") == (job_id,)


def test_abort_refuses_a_job_that_does_not_run(world):
    assert refuses(world, "abort", world.post(), "WrongStatus") == (JobStatus.RUNNING, JobStatus.OPEN)


def test_abort_refuses_anybody_but_the_seller(world):
    job_id = world.accepted()
    values = refuses(world, "abort", job_id, "OnlySeller", sender=world.buyer)
    assert values == (world.seller.address.lower(),)


def test_abort_refuses_a_seller_that_is_late(world):
    """Threat 50: giving up after the deadline would be the cheaper penalty."""
    job_id = world.accepted()
    deadline = world.job(job_id).deadline
    world.past_deadline(job_id)
    assert refuses(world, "abort", job_id, "TooLate") == (deadline, deadline + 1)


def test_an_aborted_job_opens_again_for_its_remaining_time(world):
    job_id = world.accepted()
    before = world.books.wealth()

    done = abort(world, job_id)

    half = ABORT_PENALTY // 2
    assert world.books.gains(before) == {"seller": -ABORT_PENALTY, "buyer": half, "burned": half}
    expected = {"jobId": job_id, "seller": world.seller, "penalty": ABORT_PENALTY, "reopened": True}
    assert done.event("JobAborted") == expected
    job = world.job(job_id)
    assert (job.status, job.deadline) == (JobStatus.OPEN, job.open_until)
    assert (int(job.seller, 16), job.price, job.collateral, job.audit_bps) == (0, 0, 0, 0)
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    world.accept(job_id)


@pytest.mark.parametrize(("early", "reopens"), [(1, True), (0, False)])
def test_an_aborted_job_opens_again_only_while_it_has_time_to_open(world, early, reopens):
    job_id = world.accepted()
    before = world.books.wealth()
    world.rpc.next_at(world.job(job_id).open_until - early)

    done = abort(world, job_id)

    half, escrowed = ABORT_PENALTY // 2, world.escrow.escrowFor(PRICE, TERMS.segments, 1)
    to_buyer = half if reopens else escrowed + half
    assert world.books.gains(before) == {"seller": -ABORT_PENALTY, "buyer": to_buyer, "burned": half}
    assert done.event("JobAborted")["reopened"] is reopens
    assert world.status(job_id) is (JobStatus.OPEN if reopens else JobStatus.REFUNDED)
    assert world.vault.lockedBy(world.seller, world.escrow) == 0


@pytest.mark.parametrize("price", [10**18 + 1, 10**18 + 51])
def test_the_odd_unit_of_a_penalty_is_burned(world, price):
    job_id = world.accepted(Terms(max_price=price))
    before = world.books.wealth()
    abort(world, job_id)
    penalty = -(-price * 200 // 10_000)
    expected = {"seller": -penalty, "buyer": penalty // 2, "burned": penalty - penalty // 2}
    assert world.books.gains(before) == expected


def test_refund_refuses_a_job_that_still_waits_or_runs(world):
    job_id = world.post()
    deadline = world.job(job_id).deadline
    world.travel_until(deadline)
    assert refuses(world, "refund", job_id, "TooEarly") == (deadline, deadline)
    job_id = world.accepted()
    world.travel_until(world.job(job_id).deadline)
    refuses(world, "refund", job_id, "TooEarly")


def test_refund_refuses_any_other_status(world):
    commitment = world.submitted()
    world.past_deadline(commitment.job_id)
    assert refuses(world, "refund", commitment.job_id, "WrongStatus") == (JobStatus.OPEN, JobStatus.SUBMITTED)


def test_a_job_nobody_accepted_goes_back_whole(world):
    before = world.books.wealth()
    job_id = world.post()
    world.past_deadline(job_id)
    done = refund(world, job_id)
    assert world.books.gains(before) == {}
    refunded = world.escrow.escrowFor(PRICE, TERMS.segments, 1)
    assert done.event("JobRefunded") == {"jobId": job_id, "refunded": refunded, "penalty": 0}


def test_a_late_seller_pays_a_tenth_of_the_price(world):
    """Threat 60: claim and time out."""
    before = world.books.wealth()
    job_id = world.accepted()
    world.past_deadline(job_id)

    done = refund(world, job_id)

    half = LATE_PENALTY // 2
    assert world.books.gains(before) == {"seller": -LATE_PENALTY, "buyer": half, "burned": half}
    assert done.event("JobRefunded")["penalty"] == LATE_PENALTY
    assert world.status(job_id) is JobStatus.REFUNDED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    refuses(world, "refund", job_id, "WrongStatus")


def test_what_is_burned_leaves_for_good(world):
    world.refuses(world.escrow.burn, sender=world.stranger, error="NothingToClaim")
    abort(world, world.accepted())
    done = world.does(world.escrow.burn, sender=world.stranger)
    assert done.event("Burned") == {"amount": ABORT_PENALTY // 2}
    assert world.token.balanceOf(DEAD) == ABORT_PENALTY // 2
    assert world.escrow.burnable() == 0
