# SPDX-License-Identifier: Apache-2.0
"""One job of the simulation in `economics.py`: its draw, its judges, its ending, every token of it booked."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

from books import Books

from swarm.protocol import draw, money
from swarm.protocol.economics import HARMED_BPS, MAJORITY, WRONG_FEES, Deal, seize
from swarm.protocol.parameters import DeploymentParameters
from swarm.protocol.types import JobId

PARAMETERS = DeploymentParameters.production()
PARTIAL_PERCENT = 30
SLOW_PERCENT = 50  # of a slow seller's jobs miss their deadline
MAX_LATE = 6  # the drawn judge and five replacements
MAX_STRIKES = 3
AWAY_JOBS = 500  # until the owner of a suspended slot is back with a new one


@dataclass(frozen=True)
class Rules:
    """What differs between versions of the protocol."""

    challenge: bool  # buyers may challenge what was not delivered
    unavailable_fees: int  # what a judge loses who could not fetch what others could
    lost_bond_fees: int  # of the 5 F of a challenger to whom the result came late
    late_publisher_paid: bool  # a seller who is acquitted of not delivering shares that bond


RULES = {
    "protocol": Rules(True, 1, money.COMMITTEE_SIZE, False),
    "reward": Rules(True, 1, WRONG_FEES, True),
    "no-challenge": Rules(False, WRONG_FEES, WRONG_FEES, True),
}


def skipped_segments(seller: str, segments: int) -> int:
    """How many segments, from the first on, a kind of seller does not compute."""
    percent = {"lazy": 100, "withholding": 100, "colluding": 100, "partial": PARTIAL_PERCENT}.get(seller, 0)
    return money.ceil_div(segments * percent, 100)


@dataclass
class Slot:
    """A judge's seat."""

    name: int
    kind: str
    left: int = PARAMETERS.slot_bond
    strikes: int = 0
    back_at: int = 0  # the job from which on it may be drawn


@dataclass
class Place:
    """What jobs share."""

    random: random.Random
    rules: Rules
    slots: list[Slot]
    books: Books
    totals: Counter = field(default_factory=Counter)


class Play:
    """One job, from its posting to its end."""

    def __init__(self, place: Place, number: int, seller: str, deal: Deal) -> None:
        self.place, self.books, self.totals = place, place.books, place.totals
        self.number, self.seller, self.deal, self.fee = number, seller, deal, deal.fee
        self.skipped = skipped_segments(seller, deal.segments)
        self.published = seller not in ("withholding", "publishing late")
        self.taken: set[int] = set()
        self.fetchers: set[int] = set()
        self.held = money.max_levy(self.fee)  # M, until it is closed

    def run(self) -> str:
        deal, books = self.deal, self.books
        self.totals["jobs"] += 1
        books.move("buyer", "escrow", deal.price + self.held)
        books.move(self.seller, "escrow", deal.collateral)
        books.compute[self.seller] += deal.cost - deal.saved(self.skipped)
        if self.seller == "slow" and self.place.random.randrange(100) < SLOW_PERCENT:
            return self._late()
        self.totals["segments"] += deal.segments
        self.totals["cost of the jobs"] += deal.cost
        seed, root = self.place.random.randbytes(32), self.place.random.randbytes(32)
        self.segment = draw.drawn_segment(seed, JobId(self.number), root, deal.segments)
        drawn = draw.is_drawn(seed, JobId(self.number), root, deal.rate_bps)
        ending = self._audit(seed) if drawn else None
        if ending is None and not self.published and self.place.rules.challenge:
            ending = self._challenge()
        return ending or self._settle()

    # Endings

    def _late(self) -> str:
        penalty = money.bps_up(self.deal.price, money.LATE_BPS)
        self._split(penalty // 2, "buyer", penalty, "burned")
        self.books.move("escrow", "buyer", self.deal.price + self.held)
        self.books.move("escrow", self.seller, self.deal.collateral - penalty)
        return "refunded late"

    def _settle(self) -> str:
        fee = self.deal.price - self.deal.revenue
        self._close_levy(0)
        self._split(fee // 2, "burned", fee, "pool")
        self.books.move("escrow", self.seller, self.deal.revenue + self.deal.collateral)
        return "settled"

    def _acquit(self, right: list[Slot], pot: int, rewarded: bool) -> None:
        """`pot` lies in the escrow: what judges or a challenger who were wrong have lost."""
        from_pot, _ = self._pay_judges(right, pot, 0)
        gift = money.bps_down(pot - from_pot, HARMED_BPS) if rewarded else 0
        self._split(gift, self.seller, pot - from_pot, "pool")

    def _slash(self, right: list[Slot], pot: int, denier: Slot | None) -> str:
        deal, books = self.deal, self.books
        from_pot, from_collateral = self._pay_judges(right, pot, deal.collateral)
        rest = deal.collateral - from_collateral
        sharers = ["buyer" if denier is None else denier.name, *(judge.name for judge in right)]
        seizure = seize(deal.price, rest, len(sharers))
        for sharer in sharers:
            books.move("escrow", sharer, seizure.share)
        gift = money.bps_down(pot - from_pot, HARMED_BPS)
        self._split(gift, "buyer", pot - from_pot, "pool")
        books.move("escrow", "buyer", deal.price + seizure.to_buyer)
        books.move("escrow", "burned", seizure.burned)
        self._close_levy(0 if denier is None else self.fee, denier)
        return "slashed"

    def _void(self, spoke: list[Slot], pot: int) -> str:
        self._close_levy(0)
        self.books.move("escrow", "pool", pot)
        self._pay_judges(spoke, 0, 0)
        self._split(self.deal.price // 2, self.seller, self.deal.price, "buyer")
        self.books.move("escrow", self.seller, self.deal.collateral)
        return "void"

    # The court

    def _audit(self, seed: bytes) -> str | None:
        self.totals["audits"] += 1
        for _ in range(MAX_LATE):
            judge = self._draw_judges(seed, 0, 1)[0]
            if judge.kind in ("lazy", "absent"):  # without the preimage a lazy judge can only be silent
                self._penalise(judge, 1, "pool", late=True)
                continue
            return self._judge(judge)
        self.totals["unjudged"] += 1
        return None

    def _judge(self, judge: Slot) -> str | None:
        bribed = self._is_bribed(judge)
        if not bribed:
            self._re_execute(judge)
        if bribed or (self.segment >= self.skipped and self.published):
            self._close_levy(self.fee, judge)
            if bribed:
                self.books.move(self.seller, judge.name, self.fee)
            return None
        could_not_fetch = not self.published
        self.published = self.published or self.seller == "publishing late"
        committee = self._draw_judges(self.place.random.randbytes(32), 1, money.COMMITTEE_SIZE)
        for member in committee:
            if member.kind in ("honest", "bribed") and not self._is_bribed(member):
                self._re_execute(member)
        agree = self.segment >= self.skipped and self.published
        votes = {m.name: self._is_bribed(m) or agree for m in committee if m.kind in ("honest", "bribed")}
        return self._rule(committee, votes, judge, self.place.rules.unavailable_fees if could_not_fetch else WRONG_FEES)

    def _rule(self, committee: list[Slot], votes: dict[int, bool], denier: Slot | None, denier_fees: int) -> str | None:
        """Majority of two; absent members pay F, the minority 5 F, an overruled denier `denier_fees` · F."""
        verdict = next((side for side in (True, False) if [*votes.values()].count(side) >= MAJORITY), None)
        pot = sum(self._penalise(m, 1, "escrow", late=True) for m in committee if m.name not in votes)
        right = [m for m in committee if m.name in votes and votes[m.name] == verdict]
        if verdict is None:
            spoke = [member for member in committee if member.name in votes]
            return self._void(spoke if denier is None else [denier, *spoke], pot)
        pot += sum(self._penalise(m, WRONG_FEES, "escrow") for m in committee if votes.get(m.name) == (not verdict))
        if not verdict:
            if denier is None:
                self._return_bond()
            return self._slash(right, pot, denier)
        if denier is None:
            lost = self.place.rules.lost_bond_fees * self.fee
            self.books.move("escrow", "buyer", WRONG_FEES * self.fee - lost)
            pot += lost
            self.totals["bonds lost"] += lost
            self._acquit(right, pot, self.place.rules.late_publisher_paid)
        else:
            self._acquit(right, pot + self._penalise(denier, denier_fees, "escrow"), True)
            self._close_levy(0)
        for member in right:
            if self._is_bribed(member):
                self.books.move(self.seller, member.name, self.fee)
        self.totals[f"acquitted: {self.seller}"] += 1
        return None

    def _challenge(self) -> str | None:
        """The buyer bonds 5 F and a committee fetches. That costs no computing, so lazy judges take part."""
        self.totals["challenges"] += 1
        self.books.move("buyer", "escrow", WRONG_FEES * self.fee)
        self.published = self.seller == "publishing late"
        committee = self._draw_judges(self.place.random.randbytes(32), 1, money.COMMITTEE_SIZE)
        self.fetchers = {member.name for member in committee}
        votes = {member.name: self.published for member in committee if member.kind != "absent"}
        if len(votes) < MAJORITY:
            self._return_bond()
        if votes:
            return self._rule(committee, votes, None, 0)
        for member in committee:  # nobody came: as if it had not been made
            self._penalise(member, 1, "pool", late=True)
        return None

    # Judges

    def _draw_judges(self, seed: bytes, round_: int, wanted: int) -> list[Slot]:
        slots, found = self.place.slots, []
        for attempt in itertools.count():
            if len(found) == wanted:
                break
            slot = slots[draw.slot_pick(seed, JobId(self.number), round_, attempt, len(slots))]
            if slot.name not in self.taken and slot.back_at <= self.number:
                self.taken.add(slot.name)
                found.append(slot)
        self.totals["drawn"] += wanted
        self.totals["drawn bribed"] += sum(slot.kind == "bribed" for slot in found)
        return found

    def _is_bribed(self, judge: Slot) -> bool:
        return self.seller == "colluding" and judge.kind == "bribed"

    def _re_execute(self, judge: Slot) -> None:
        cost = self.deal.cost // self.deal.segments
        self.books.compute[judge.name] += cost
        self.totals["segments re-executed"] += 1
        self.totals["cost of re-execution"] += cost

    def _penalise(self, judge: Slot, fees: int, target: str, *, late: bool = False) -> int:
        """Takes it from the slot's bond; an unfit slot is suspended until its owner comes back with a new bond."""
        amount = fees * self.fee
        self.books.move(judge.name, target, amount)
        judge.left -= amount
        judge.strikes += late
        if judge.strikes >= MAX_STRIKES or 2 * judge.left < PARAMETERS.slot_bond:
            judge.back_at, judge.left, judge.strikes = self.number + AWAY_JOBS, PARAMETERS.slot_bond, 0
            self.totals["suspensions"] += 1
        return amount

    # Money

    def _split(self, part: int, first, whole: int, second) -> None:
        """`part` of `whole` to the first, the rest to the second."""
        self.books.move("escrow", first, part)
        self.books.move("escrow", second, whole - part)

    def _return_bond(self) -> None:
        self.books.move("escrow", "buyer", WRONG_FEES * self.fee)

    def _pay_judges(self, judges: list[Slot], pot: int, collateral: int) -> tuple[int, int]:
        """F each, or equally what there is: out of the pot, then three fees of the collateral, then the pool."""
        if not judges:
            return 0, 0
        due = self.fee * len(judges)
        from_pot = min(due, pot)
        from_collateral = min(due - from_pot, money.COMMITTEE_SIZE * self.fee, collateral)
        from_pool = min(due - from_pot - from_collateral, self.books.balances["pool"])
        paid = from_pot + from_collateral + from_pool
        self.books.move("pool", "escrow", from_pool)
        for judge in judges:
            self.books.move("escrow", judge.name, paid // len(judges))
        self.books.move("escrow", "pool", paid % len(judges))
        return from_pot, from_collateral

    def _close_levy(self, due: int, judge: Slot | None = None) -> None:
        """The levy to the pool, a judge's fee out of it or out of M, the rest of M to the buyer; once."""
        if not self.held:
            return
        levy = money.levy(self.fee, self.deal.rate_bps)
        self.books.move("escrow", "pool", levy)
        from_pool = min(due, self.books.balances["pool"])
        if judge is not None:
            self.books.move("pool", judge.name, from_pool)
            self.books.move("escrow", judge.name, due - from_pool)
        self.books.move("escrow", "buyer", self.held - levy - (due - from_pool))
        self.held = 0
