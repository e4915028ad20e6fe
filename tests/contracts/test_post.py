# SPDX-License-Identifier: Apache-2.0
"""post and cancel."""

from dataclasses import replace

import pytest
from world import Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()


@pytest.mark.parametrize(
    ("changes", "error", "values"),
    [
        ({"spec_cid": bytes(32)}, "EmptyCid", ()),
        ({"price": 10**17 - 1}, "PriceTooLow", (10**17, 10**17 - 1)),
        ({"segments": 0}, "SegmentsOutOfRange", (1_024, 0)),
        ({"segments": 1_025}, "SegmentsOutOfRange", (1_024, 1_025)),
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


def test_post_refuses_a_buyer_without_allowance(world):
    world.refuses(
        world.escrow.post, TERMS.values(), sender=world.deployer, error="ERC20InsufficientAllowance"
    )


def test_post_takes_price_and_the_largest_audit_cost(world):
    before = world.books.wealth()

    done = world.does(world.escrow.post, TERMS.values(), sender=world.buyer)

    assert world.books.gains(before) == {"buyer": -money.escrow_amount(TERMS.price, 5, world.params.fee_min)}
    posted = done.event("JobPosted")
    assert (posted["jobId"], posted["buyer"], posted["price"], posted["segments"]) == (1, world.buyer, TERMS.price, 5)
    job = world.job(1)
    assert job["status"] == JobStatus.OPEN
    assert job["deadline"] == job["openUntil"] == world.rpc.now() + TERMS.open_seconds
    assert bytes(job["specCid"]) == TERMS.spec_cid


def test_jobs_are_numbered_from_one(world):
    assert [world.post(), world.post()] == [1, 2]
    assert world.status(0) is JobStatus.NONE


@pytest.mark.parametrize("price", [10**17, 10**18, 123_456_789_012_345_678, 10**21])
@pytest.mark.parametrize("segments", [1, 3, 10, 1_024])
def test_money_is_computed_as_its_twin_does(world, price, segments):
    """Threat 47: precision and rounding mismatches."""
    fee_min, escrow = world.params.fee_min, world.escrow
    assert escrow.feeFor(price, segments) == money.judge_fee(price, segments, fee_min)
    assert escrow.escrowFor(price, segments) == money.escrow_amount(price, segments, fee_min)
    assert escrow.minCollateralFor(price, segments) == money.min_collateral(price, segments, fee_min)
    for collateral in (price // 4, price, 7 * price + 1, 24 * price, 100 * price):
        assert escrow.auditBpsFor(price, collateral) == money.audit_bps(price, collateral)


def test_cancel_refuses_a_job_that_does_not_exist(world):
    values = world.refuses(world.escrow.cancel, 9, sender=world.buyer, error="WrongStatus")
    assert values == (JobStatus.OPEN, JobStatus.NONE)


def test_cancel_refuses_anybody_but_the_buyer(world):
    job_id = world.post()
    values = world.refuses(world.escrow.cancel, job_id, sender=world.stranger, error="OnlyBuyer")
    assert values == (world.buyer.address.lower(),)


def test_cancel_refuses_a_job_that_runs(world):
    """Threat 59: cancel only while open."""
    job_id = world.accepted()
    world.refuses(world.escrow.cancel, job_id, sender=world.buyer, error="WrongStatus")


def test_cancel_gives_everything_back_once(world):
    before = world.books.wealth()
    job_id = world.post()
    world.does(world.escrow.cancel, job_id, sender=world.buyer)
    assert world.books.gains(before) == {}
    assert world.status(job_id) is JobStatus.REFUNDED
    world.refuses(world.escrow.cancel, job_id, sender=world.buyer, error="WrongStatus")
