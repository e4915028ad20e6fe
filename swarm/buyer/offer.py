# SPDX-License-Identifier: Apache-2.0
"""From a budget to terms. A cap is a cap: price plus the dearest possible audit never exceeds `budget.max_total`."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from swarm.chain.network import Chain
from swarm.errors import SpecError
from swarm.protocol import money
from swarm.protocol.hardware import class_number
from swarm.protocol.types import Amount, Digest, JobId, Terms
from swarm.units import format_amount, parse_amount
from swarm.workloads.spec import LoraSpec, segments_of

OPEN_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Offer:
    """What will be posted and what it can cost at most; amounts in the token's smallest unit."""

    terms: Terms
    escrow: Amount
    fee: Amount


def price_within(cap: int, segments: int, fee_min: int) -> Amount:
    """The largest price whose whole escrow stays within `cap`. Raises SpecError when not even the smallest does."""
    if money.escrow_amount(1, segments, fee_min) > cap:
        least = format_amount(money.escrow_amount(1, segments, fee_min))
        raise SpecError(f"budget.max_total: found {format_amount(cap)}, expected more than {least} (an audit's cost)")
    low, high = 1, cap
    while low < high:
        middle = (low + high + 1) // 2
        if money.escrow_amount(middle, segments, fee_min) <= cap:
            low = middle
        else:
            high = middle - 1
    return Amount(low)


def offer(spec: LoraSpec, spec_cid: Digest, *, fee_min: int, open_seconds: int = OPEN_SECONDS) -> Offer:
    """The terms of a resolved spec at the price its budget allows."""
    segments = segments_of(spec)
    price = price_within(parse_amount(str(spec.budget.max_total)), segments, fee_min)
    terms = Terms(
        spec_cid=spec_cid,
        max_price=price,
        segments=segments,
        segment_seconds=spec.segment_seconds,
        run_seconds=spec.run_seconds,
        open_seconds=open_seconds,
        hardware_class=class_number(spec.hardware_class),
    )
    escrow = money.escrow_amount(price, segments, fee_min)
    return Offer(terms, Amount(escrow), Amount(money.judge_fee(price, segments, fee_min)))


def post(chain: Chain, account: LocalAccount, offered: Offer) -> tuple[JobId, dict]:
    """Approves exactly the escrow and posts. Raises FundsError before anything is sent when tokens are short."""
    chain.token.ensure_allowance(account, chain.network.escrow, offered.escrow)
    return chain.escrow.post(account, offered.terms)
