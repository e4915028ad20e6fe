# SPDX-License-Identifier: Apache-2.0
"""From a budget to terms. A cap is a cap: price plus the dearest possible audit never exceeds `budget.max_total`."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from swarm.chain.network import Chain
from swarm.errors import SpecError
from swarm.protocol import money
from swarm.protocol.hardware import class_number
from swarm.protocol.types import ZERO_ADDRESS, Address, Amount, Digest, JobId, Terms
from swarm.units import format_amount, parse_amount
from swarm.workloads.fields import Spec

OPEN_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Offer:
    """What will be posted and what it can cost at most; amounts in the token's smallest unit."""

    terms: Terms
    escrow: Amount
    fee: Amount


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a buyer may ask for beyond the work itself."""

    start_price: Amount | None = None  # the price rises in a line from here to the most the budget allows
    rise_seconds: int = 0  # within this time
    seller: Address = ZERO_ADDRESS  # the only seller who may accept
    min_reputation: int = 0  # basis points
    parts: int = 1  # sellers who may finish the job one after the other


def price_within(cap: int, segments: int, fee_min: int, parts: int = 1) -> Amount:
    """The largest price whose whole escrow stays within `cap`. Raises SpecError when not even the smallest does."""
    if money.escrow_amount(1, segments, fee_min, parts) > cap:
        least = format_amount(money.escrow_amount(1, segments, fee_min, parts))
        raise SpecError(f"budget.max_total: found {format_amount(cap)}, expected more than {least} (an audit's cost)")
    low, high = 1, cap
    while low < high:
        middle = (low + high + 1) // 2
        if money.escrow_amount(middle, segments, fee_min, parts) <= cap:
            low = middle
        else:
            high = middle - 1
    return Amount(low)


def offer(
    spec: Spec,
    spec_cid: Digest,
    *,
    fee_min: int,
    open_seconds: int = OPEN_SECONDS,
    wishes: Wishes | None = None,
) -> Offer:
    """The terms of a resolved spec at the price its budget allows. Raises SpecError for a price that would fall."""
    wishes = wishes or Wishes()
    segments = spec.segments
    price = price_within(parse_amount(str(spec.budget.max_total)), segments, fee_min, wishes.parts)
    start = wishes.start_price or price
    if start > price:
        raise SpecError(f"start price: found {format_amount(start)}, expected at most {format_amount(price)}")
    terms = Terms(
        spec_cid=spec_cid,
        max_price=price,
        start_price=start,
        rise_seconds=wishes.rise_seconds if start < price else 0,
        segments=segments,
        segment_seconds=spec.segment_seconds,
        run_seconds=spec.run_seconds,
        open_seconds=open_seconds,
        hardware_class=class_number(spec.hardware_class),
        comparison=spec.verification.comparison,
        seller=wishes.seller,
        min_reputation=wishes.min_reputation,
        parts=wishes.parts,
    )
    escrow = money.escrow_amount(price, segments, fee_min, wishes.parts)
    return Offer(terms, Amount(escrow), Amount(money.judge_fee(price, segments, fee_min)))


def post(chain: Chain, account: LocalAccount, offered: Offer) -> tuple[JobId, dict]:
    """Approves exactly the escrow and posts. Raises FundsError before anything is sent when tokens are short."""
    approval = chain.token.approval(account, chain.network.escrow, offered.escrow)
    return chain.escrow.post(account, offered.terms, after=approval)
