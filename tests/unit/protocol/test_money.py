# SPDX-License-Identifier: Apache-2.0
"""Rates and fees: cheating never pays, a cap is a cap."""

from hypothesis import given
from hypothesis import strategies as st

from swarm.buyer.offer import price_within
from swarm.errors import SpecError
from swarm.protocol import money

PRICES = st.integers(1, 10**24)
SEGMENTS = st.integers(1, money.MAX_SEGMENTS)
FEE_MIN = 2 * 10**16


def test_the_newcomer_is_audited_always_and_the_rich_at_the_floor():
    assert money.audit_bps(100, 25) == money.BPS
    assert money.audit_bps(100, 2_400) == money.AUDIT_FLOOR_BPS
    assert money.audit_bps(100, 10**9) == money.AUDIT_FLOOR_BPS


@given(price=PRICES, collateral=st.integers(0, 10**26), skipped_percent=st.integers(1, 100))
def test_skipping_work_never_pays_at_any_collateral_below_the_floor(price, collateral, skipped_percent):
    """p(1−f)d(R+L) ≥ C for C = 0.8 R, f = 0.2, d = 1: attack 1 and 2."""
    rate = money.audit_bps(price, collateral)
    if rate == money.AUDIT_FLOOR_BPS and collateral > 24 * price:
        return  # more at stake than the formula asks for
    saved = 8 * price * skipped_percent * money.BPS * 10
    lost = rate * 8 * (price + collateral) * skipped_percent * 10
    assert lost >= saved


@given(price=PRICES, segments=SEGMENTS)
def test_the_escrow_covers_the_dearest_audit(price, segments):
    fee = money.judge_fee(price, segments, FEE_MIN)
    assert money.escrow_amount(price, segments, FEE_MIN) - price >= fee
    assert money.levy(fee, money.BPS) <= money.max_levy(fee)


@given(price=PRICES, segments=SEGMENTS, rate=st.integers(money.AUDIT_FLOOR_BPS, money.BPS))
def test_the_expected_audit_is_paid_by_the_levy(price, segments, rate):
    fee = money.judge_fee(price, segments, FEE_MIN)
    assert money.levy(fee, rate) * money.BPS >= fee * rate


@given(price=PRICES, segments=SEGMENTS)
def test_the_least_collateral_pays_a_committee(price, segments):
    fee = money.judge_fee(price, segments, FEE_MIN)
    assert money.min_collateral(price, segments, FEE_MIN) >= money.COMMITTEE_SIZE * fee


@given(cap=st.integers(1, 10**24), segments=SEGMENTS)
def test_a_cap_is_a_cap_and_is_used_up(cap, segments):
    try:
        price = price_within(cap, segments, FEE_MIN)
    except SpecError:
        assert money.escrow_amount(1, segments, FEE_MIN) > cap
        return
    assert money.escrow_amount(price, segments, FEE_MIN) <= cap < money.escrow_amount(price + 1, segments, FEE_MIN)
