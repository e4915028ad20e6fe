# SPDX-License-Identifier: Apache-2.0
"""Whom a buyer lets accept: a named seller, a least reputation."""

import pytest
from stories import another_seller, confirmed
from world import Terms


def accept_arguments(world, job_id: int, seller) -> tuple:
    return (*world.with_terms(job_id), seller, world.least_collateral(world.job(job_id).terms))


def test_only_the_named_seller_accepts(world):
    another = another_seller(world)
    job_id = world.post(Terms(seller=world.seller.address))
    values = world.refuses(
        world.escrow.accept, *accept_arguments(world, job_id, another), sender=another, error="OnlySeller"
    )
    assert values == (world.seller.address.lower(),)
    world.accept(job_id)


def test_the_named_sellers_operator_accepts_for_it(world):
    operator = world.newcomer("operator")
    world.send(world.vault.setKeys, operator, "0x" + "0" * 40, sender=world.seller)
    job_id = world.post(Terms(seller=world.seller.address))
    world.does(world.escrow.accept, *accept_arguments(world, job_id, world.seller), sender=operator)
    assert world.job(job_id).seller.lower() == world.seller.address.lower()


def test_another_cannot_accept_in_the_named_sellers_name(world):
    job_id = world.post(Terms(seller=world.seller.address))
    arguments = accept_arguments(world, job_id, world.seller)
    world.refuses(world.escrow.accept, *arguments, sender=world.stranger, error="OnlySeller")


def test_a_buyer_cannot_name_itself(world):
    job_id = world.post(Terms(seller=world.buyer.address))
    arguments = accept_arguments(world, job_id, world.buyer)
    world.refuses(world.escrow.accept, *arguments, sender=world.buyer, error="SellerIsBuyer")


@pytest.mark.parametrize("least", [1, 5_000, 10_000])
def test_a_newcomer_has_no_reputation(world, least):
    job_id = world.post(Terms(min_reputation=least))
    arguments = accept_arguments(world, job_id, world.seller)
    values = world.refuses(world.escrow.accept, *arguments, sender=world.seller, error="ReputationTooLow")
    assert values == (least, 0)


def test_without_a_filter_a_newcomer_accepts(world):
    world.accept(world.post(Terms(min_reputation=0)))


def test_one_payer_lifts_a_seller_to_a_half_and_no_further(world):
    """One audited job of one unit: m / (m + 1) with m = 1."""
    confirmed(world)
    assert world.reputation.scoreOf(world.seller) == 5_000
    job_id = world.post(Terms(min_reputation=5_001))
    arguments = accept_arguments(world, job_id, world.seller)
    values = world.refuses(world.escrow.accept, *arguments, sender=world.seller, error="ReputationTooLow")
    assert values == (5_001, 5_000)
    world.accept(world.post(Terms(min_reputation=5_000)))


def test_a_filter_asks_for_the_sellers_name_not_its_operators(world):
    """A seller without a record cannot borrow the record of who acts for it."""
    confirmed(world)
    another = another_seller(world)
    world.send(world.vault.setKeys, world.seller, "0x" + "0" * 40, sender=another)
    job_id = world.post(Terms(min_reputation=5_000))
    arguments = accept_arguments(world, job_id, another)
    values = world.refuses(world.escrow.accept, *arguments, sender=world.seller, error="ReputationTooLow")
    assert values == (5_000, 0)
