# SPDX-License-Identifier: Apache-2.0
"""Rates and fees, in integers: the twin of the escrow's arithmetic. Amounts are the token's smallest unit.

Source: the audit rate makes honesty pay for every share of work skipped, p(1−f)d(R+L) ≥ C (docs/protocol.md).
"""

from __future__ import annotations

BPS = 10_000
AUDIT_FLOOR_BPS = 500
COMMITTEE_SIZE = 3
LATE_BPS = 1_000
ABORT_BPS = 200
FEE_BPS = 100
MAX_SEGMENTS = 1_024


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division rounded up; both non-negative."""
    return -(-numerator // denominator)


def bps_up(amount: int, bps: int) -> int:
    """`amount · bps / 10 000`, rounded up."""
    return ceil_div(amount * bps, BPS)


def bps_down(amount: int, bps: int) -> int:
    """`amount · bps / 10 000`, rounded down."""
    return amount * bps // BPS


def audit_bps(price: int, collateral: int) -> int:
    """p = clamp(1.25 · R / (R + L), 5 %, 100 %) in basis points, rounded up."""
    rate = ceil_div(12_500 * price, price + collateral)
    return max(AUDIT_FLOOR_BPS, min(BPS, rate))


def judge_fee(price: int, segments: int, fee_min: int) -> int:
    """F = max(F_min, 1.2 · R / n), rounded up: the price of re-executing one segment once."""
    return max(fee_min, ceil_div(price * 12, 10 * segments))


def max_levy(fee: int) -> int:
    """M = ceil(1.25 · F): the levy when every job is audited, the most an audit can cost the buyer."""
    return ceil_div(fee * 5, 4)


def levy(fee: int, rate_bps: int) -> int:
    """ceil(1.25 · p · F): what the buyer pays into the pool on top of the price."""
    return ceil_div(fee * rate_bps * 5, 4 * BPS)


def escrow_amount(price: int, segments: int, fee_min: int, parts: int = 1) -> int:
    """R + M for each part a job may be handed back in: what `post` takes, the most the buyer can ever pay."""
    return price + parts * max_levy(judge_fee(price, segments, fee_min))


def min_collateral(price: int, segments: int, fee_min: int) -> int:
    """max(25 % R, 4 F)."""
    return max(bps_up(price, 2_500), 4 * judge_fee(price, segments, fee_min))
