# SPDX-License-Identifier: Apache-2.0
"""Prices that rise until somebody accepts: the line, the twin, and the surplus at the end."""

import pytest
from world import Terms

from swarm.protocol import money
from swarm.protocol.parameters import TOKEN

START, MAX = 40 * TOKEN, 100 * TOKEN + 7
RISING = Terms(start_price=START, max_price=MAX, rise_seconds=900)


def posted(world, terms: Terms = RISING) -> tuple[int, int]:
    """A job, and when it was posted."""
    job_id = world.post(terms)
    return job_id, world.job(job_id).open_until - terms.open_seconds


def accepted_after(world, seconds: int, terms: Terms = RISING) -> int:
    job_id, at = posted(world, terms)
    world.rpc.next_at(at + seconds)
    world.accept(job_id)
    return job_id


@pytest.mark.parametrize("seconds", [0, 1, 7, 299, 450, 899, 900, 901, 1_800])
def test_the_twin_agrees_at_every_second(world, seconds):
    job_id, at = posted(world)
    until = world.job(job_id).open_until
    assert world.escrow.priceAt(RISING.values(), until, at + seconds) == RISING.price_at(until, at + seconds)


@pytest.mark.parametrize(
    ("seconds", "price"), [(0, START), (450, START + (MAX - START) // 2), (900, MAX), (1_800, MAX)]
)
def test_the_price_is_a_line_from_start_to_maximum(world, seconds, price):
    job_id, at = posted(world)
    assert world.escrow.priceAt(RISING.values(), world.job(job_id).open_until, at + seconds) == price


@pytest.mark.parametrize("seconds", [1, 450, 899, 900, 1_800])
def test_a_seller_gets_the_price_of_its_block(world, seconds):
    job_id = accepted_after(world, seconds)
    job = world.job(job_id)
    assert job.price == START + (MAX - START) * min(seconds, 900) // 900
    assert job.audit_bps == money.audit_bps(job.price, job.collateral)
    assert job.held == world.escrow.escrowFor(MAX, 5, 1)


def test_without_a_rise_the_price_is_the_maximum_at_once(world):
    job_id = accepted_after(world, 1, Terms(start_price=START, max_price=MAX))
    assert world.job(job_id).price == MAX


def test_the_collateral_follows_the_price_of_the_block(world):
    job_id, at = posted(world)
    price = START + (MAX - START) * 450 // 900
    least = world.escrow.minCollateralFor(price, 5)
    world.rpc.travel_to(at + 450)
    arguments = (*world.with_terms(job_id), world.seller, least - 1)
    values = world.refuses(world.escrow.accept, *arguments, sender=world.seller, error="CollateralTooLow")
    assert values == (least, least - 1)


def test_the_surplus_is_the_buyers_at_the_end(world):
    before = world.books.wealth()
    job_id = accepted_after(world, 225)
    world.submit(job_id, drawn=False)
    world.bring_seed(world.job(job_id).epoch)
    price, levy = world.job(job_id).price, world.levy(job_id)
    assert price == START + (MAX - START) // 4
    world.settle(job_id)
    fee = money.bps_up(price, 100)
    expected = {"buyer": -price - levy, "seller": price - fee, "pool": fee - fee // 2 + levy, "burned": fee // 2}
    assert world.books.gains(before) == expected


def test_the_judge_of_a_cheaper_job_costs_less(world):
    """F follows the price that was paid, not the one that was offered."""
    before = world.books.wealth()
    job_id = accepted_after(world, 225)
    commitment = world.submit(job_id)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    judge, price = world.name(world.judge_of(job_id)), world.job(job_id).price
    world.confirm(commitment)
    fee = money.judge_fee(price, 5, world.params.fee_min)
    assert fee < world.fee(RISING)
    assert world.books.gains(before) == {"buyer": -price - fee, judge: fee}


def test_a_reopened_job_goes_on_rising(world):
    job_id, at = posted(world)
    world.rpc.next_at(at + 90)
    world.accept(job_id)
    assert world.job(job_id).price == START + (MAX - START) // 10
    world.rpc.next_at(at + 300)
    world.does(world.escrow.abort, *world.with_job(job_id), sender=world.seller)
    world.rpc.next_at(at + 450)
    world.accept(job_id)
    assert world.job(job_id).price == START + (MAX - START) // 2


def test_an_abort_costs_two_percent_of_the_price_that_was_agreed(world):
    job_id = accepted_after(world, 90)
    before, price = world.books.wealth(), world.job(job_id).price
    world.does(world.escrow.abort, *world.with_job(job_id), sender=world.seller)
    penalty = money.bps_up(price, 200)
    expected = {"seller": -penalty, "buyer": penalty // 2, "burned": penalty - penalty // 2}
    assert world.books.gains(before) == expected


def test_a_late_seller_pays_a_tenth_of_the_price_that_was_agreed(world):
    """Regression: a refund of the wrong amount. The buyer has back all it paid in, not only the price."""
    job_id = accepted_after(world, 90)
    before, job = world.books.wealth(), world.job(job_id)
    world.past_deadline(job_id)
    world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
    penalty = money.bps_up(job.price, 1_000)
    expected = {"seller": -penalty, "buyer": job.held + penalty // 2, "burned": penalty - penalty // 2}
    assert world.books.gains(before) == expected


def test_a_price_that_falls_is_refused(world):
    terms = Terms(start_price=MAX, max_price=MAX - 1)
    values = world.refuses(world.escrow.post, terms.values(), sender=world.buyer, error="PriceFalls")
    assert values == (MAX, MAX - 1)
