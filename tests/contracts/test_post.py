# SPDX-License-Identifier: Apache-2.0
"""post and cancel."""

from dataclasses import replace

import pytest
from ledger import terms_hash
from world import Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()


@pytest.mark.parametrize(
    ("changes", "error", "values"),
    [
        ({"spec_cid": bytes(32)}, "EmptyCid", ()),
        ({"start_price": 10**17 - 1}, "PriceTooLow", (10**17, 10**17 - 1)),
        ({"start_price": TERMS.max_price + 1}, "PriceFalls", (TERMS.max_price + 1, TERMS.max_price)),
        ({"segments": 0}, "SegmentsOutOfRange", (1_024, 0)),
        ({"segments": 1_025}, "SegmentsOutOfRange", (1_024, 1_025)),
        ({"parts": 0}, "PartsOutOfRange", (16, 0)),
        ({"parts": 17}, "PartsOutOfRange", (16, 17)),
        ({"segment_seconds": 0}, "SecondsOutOfRange", (7_200, 0)),
        ({"segment_seconds": 7_201}, "SecondsOutOfRange", (7_200, 7_201)),
        ({"run_seconds": 0}, "SecondsOutOfRange", (259_200, 0)),
        ({"run_seconds": 259_201}, "SecondsOutOfRange", (259_200, 259_201)),
        ({"open_seconds": 0}, "SecondsOutOfRange", (2**24 - 1, 0)),
    ],
)
def test_post_refuses_terms_out_of_range(world, changes, error, values):
    terms = replace(TERMS, **changes)
    assert world.refuses(world.escrow.post, terms.values(), sender=world.buyer, error=error) == values


@pytest.mark.parametrize(
    "changes",
    [
        {"max_price": 10**17},
        {"segments": 1_024},
        {"parts": 16},
        {"segment_seconds": 7_200, "run_seconds": 259_200, "open_seconds": 2**24 - 1},
    ],
)
def test_post_takes_terms_at_the_end_of_their_range(world, changes):
    assert world.status(world.post(replace(TERMS, **changes))) is JobStatus.OPEN


def test_post_refuses_a_buyer_without_allowance(world):
    world.refuses(world.escrow.post, TERMS.values(), sender=world.deployer, error="ERC20InsufficientAllowance")


def test_post_takes_price_and_the_largest_audit_cost(world):
    before = world.books.wealth()

    done = world.does(world.escrow.post, TERMS.values(), sender=world.buyer)

    held = money.escrow_amount(TERMS.max_price, 5, world.params.fee_min)
    assert world.books.gains(before) == {"buyer": -held}
    posted = done.event("JobPosted")
    assert (posted["jobId"], posted["buyer"], posted["held"]) == (1, world.buyer, held)
    assert posted["terms"] == TERMS.values()
    job = world.job(1)
    assert job.deadline == job.open_until == posted["openUntil"] == world.rpc.now() + TERMS.open_seconds
    assert job.terms_hash == terms_hash(TERMS)


def test_jobs_are_numbered_from_one(world):
    assert [world.post(), world.post()] == [1, 2]
    assert bytes(world.escrow.stateOf(0)) == bytes(world.escrow.stateOf(3)) == bytes(32)
    assert world.escrow.jobCount() == 2


@pytest.mark.parametrize("price", [10**17, 10**18, 123_456_789_012_345_678, 10**21])
@pytest.mark.parametrize("segments", [1, 3, 10, 1_024])
def test_money_is_computed_as_its_twin_does(world, price, segments):
    """Threat 47: precision and rounding mismatches."""
    fee_min, escrow = world.params.fee_min, world.escrow
    assert escrow.feeFor(price, segments) == money.judge_fee(price, segments, fee_min)
    assert escrow.escrowFor(price, segments, 1) == money.escrow_amount(price, segments, fee_min)
    reserve = money.max_levy(money.judge_fee(price, segments, fee_min))
    assert escrow.escrowFor(price, segments, 7) == price + 7 * reserve
    assert escrow.minCollateralFor(price, segments) == money.min_collateral(price, segments, fee_min)
    for collateral in (price // 4, price, 7 * price + 1, 24 * price, 100 * price):
        assert escrow.auditBpsFor(price, collateral) == money.audit_bps(price, collateral)


def test_cancel_refuses_a_job_that_is_not_as_the_caller_says(world):
    """The state is proved by its hash: neither a job that was never posted nor a field of one can be invented."""
    job_id = world.post()
    job = world.job(job_id)
    for lie in (
        replace(job, held=job.held + 1),
        replace(job, buyer=world.stranger.address),
        replace(job, status=JobStatus.SUBMITTED),
        replace(job, deadline=job.deadline + 1),
    ):
        values = world.refuses(world.escrow.cancel, job_id, lie.state(), sender=world.stranger, error="StaleJob")
        assert values == (job_id,)
    world.refuses(world.escrow.cancel, 9, job.state(), sender=world.buyer, error="StaleJob")


def test_cancel_refuses_anybody_but_the_buyer(world):
    job_id = world.post()
    values = world.refuses(world.escrow.cancel, *world.with_job(job_id), sender=world.stranger, error="OnlyBuyer")
    assert values == (world.buyer.address.lower(),)


def test_cancel_refuses_a_job_that_runs(world):
    """Threat 59: cancel only while open."""
    job_id = world.accepted()
    values = world.refuses(world.escrow.cancel, *world.with_job(job_id), sender=world.buyer, error="WrongStatus")
    assert values == (JobStatus.OPEN, JobStatus.RUNNING)


def test_cancel_gives_everything_back_once(world):
    before = world.books.wealth()
    job_id = world.post()
    as_posted = world.job(job_id).state()
    world.does(world.escrow.cancel, job_id, as_posted, sender=world.buyer)
    assert world.books.gains(before) == {}
    assert world.status(job_id) is JobStatus.REFUNDED
    world.refuses(world.escrow.cancel, *world.with_job(job_id), sender=world.buyer, error="WrongStatus")
    world.refuses(world.escrow.cancel, job_id, as_posted, sender=world.buyer, error="StaleJob")
