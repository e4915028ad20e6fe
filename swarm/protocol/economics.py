# SPDX-License-Identifier: Apache-2.0
"""What cheating is worth: expected values in exact fractions over the escrow's integer amounts (docs/economics.md).

The model of the committee: one denial, three members, each corrupt with probability f, everybody comes, no appeal.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from swarm.protocol import money

HARMED_BPS = 2_000  # of what is taken, to the side that was harmed
RIGHT_BPS = 3_000  # of what is taken, in equal shares to all who were right
WRONG_FEES = 5
MAJORITY = 2


@dataclass(frozen=True, slots=True)
class Deal:
    """A job as accepted. Amounts in the token's smallest unit; `cost` is what computing all of it costs the seller."""

    price: int
    collateral: int
    segments: int
    fee_min: int
    cost: int

    @property
    def fee(self) -> int:
        """F: what one re-execution is paid."""
        return money.judge_fee(self.price, self.segments, self.fee_min)

    @property
    def rate_bps(self) -> int:
        """p in basis points."""
        return money.audit_bps(self.price, self.collateral)

    @property
    def revenue(self) -> int:
        """What a settled job pays its seller: the price less 1 %."""
        return self.price - money.bps_up(self.price, money.FEE_BPS)

    def saved(self, skipped: int) -> int:
        """What skipping `skipped` segments saves, rounded in the cheat's favour."""
        return money.ceil_div(self.cost * skipped, self.segments)


@dataclass(frozen=True, slots=True)
class Seizure:
    """What becomes of a collateral after the judges' fees. Each of `sharers` gets `share`."""

    to_buyer: int
    share: int
    burned: int


def seize(price: int, rest: int, sharers: int) -> Seizure:
    """20 % of `rest` to the buyer, at most the price; 30 % to all who were right; everything else burned."""
    to_buyer = min(money.bps_down(rest, HARMED_BPS), price)
    share = money.bps_down(rest, RIGHT_BPS) // sharers
    return Seizure(to_buyer, share, rest - to_buyer - share * sharers)


def seats_corrupt(corrupt: Fraction) -> list[Fraction]:
    """Probability of 0, 1, 2, 3 corrupt members in a committee of three."""
    honest = 1 - corrupt
    return [honest**3, 3 * corrupt * honest**2, 3 * corrupt**2 * honest, corrupt**3]


def conviction(corrupt: Fraction) -> Fraction:
    """Probability that a drawn wrong segment ends in a slash: an honest first judge and an honest majority."""
    return (1 - corrupt) * sum(seats_corrupt(corrupt)[:MAJORITY])


def acquittal_gift(fee: int, corrupt_seats: int) -> int:
    """What a wrongly acquitted seller is paid: 20 % of what the judges who were right lost, after the members' fees."""
    pot = WRONG_FEES * fee * (1 + money.COMMITTEE_SIZE - corrupt_seats)
    return money.bps_down(pot - fee * corrupt_seats, HARMED_BPS)


def honest_value(deal: Deal) -> int:
    """What the whole work earns its seller."""
    return deal.revenue - deal.cost


def cheating_value(deal: Deal, skipped: int, corrupt: Fraction, rate_bps: int | None = None) -> Fraction:
    """Expected value of skipping `skipped` segments when corrupt judges side with this seller, unpaid."""
    hit = _hit(deal, skipped, rate_bps)
    convicted = hit * conviction(corrupt)
    gifts = _gifts(deal.fee, corrupt) * hit * (1 - corrupt)
    return deal.revenue + gifts - (deal.cost - deal.saved(skipped)) - convicted * (deal.revenue + deal.collateral)


def coalition_gain(deal: Deal, skipped: int, corrupt: Fraction) -> Fraction:
    """What a seller who owns all corrupt judges gains by skipping, against the same coalition doing the work.

    Its judges confirm without re-executing either way; with one seat of three the member votes against its own
    seller, because that pays. This is the dearest coalition there is in the model.
    """
    fee = deal.fee
    _, one, two, three = seats_corrupt(corrupt)
    segment_cost = Fraction(deal.cost, deal.segments)
    share = seize(deal.price, deal.collateral - money.COMMITTEE_SIZE * fee, 1 + money.COMMITTEE_SIZE).share
    seats = one * max(fee + share - segment_cost, 0) + (two * 2 + three * 3) * fee
    alone = cheating_value(deal, skipped, corrupt) - honest_value(deal)
    return alone + _hit(deal, skipped, None) * (1 - corrupt) * seats


def false_denial_gain(deal: Deal, corrupt: Fraction) -> Fraction:
    """What a drawn corrupt judge and its friends gain by denying honest work instead of re-executing and confirming it.

    With one seat of three the friend votes with the honest majority; with two or three they convict.
    """
    fee = deal.fee
    none, one, two, three = seats_corrupt(corrupt)
    segment_cost = Fraction(deal.cost, deal.segments)
    gain = -(none + one) * WRONG_FEES * fee + one * (fee - segment_cost)
    for seats, probability in ((2, two), (3, three)):
        # The honest member's five fees pay the members first.
        pot = WRONG_FEES * fee * (money.COMMITTEE_SIZE - seats)
        from_collateral = min(max(seats * fee - pot, 0), deal.collateral)
        share = seize(deal.price, deal.collateral - from_collateral, 1 + seats).share
        gain += probability * (1 + seats) * (fee + share)
    return gain - (fee - segment_cost)


def _hit(deal: Deal, skipped: int, rate_bps: int | None) -> Fraction:
    """Probability that the job is drawn and the drawn segment is a skipped one."""
    rate = deal.rate_bps if rate_bps is None else rate_bps
    return Fraction(rate * skipped, money.BPS * deal.segments)


def _gifts(fee: int, corrupt: Fraction) -> Fraction:
    seats = seats_corrupt(corrupt)
    return sum((seats[count] * acquittal_gift(fee, count) for count in (2, 3)), Fraction(0))
