# SPDX-License-Identifier: Apache-2.0
"""Verbs of the stories about challenges and appeals, and a second reckoning of what a ruling pays whom."""

from __future__ import annotations

from dataclasses import dataclass

from commitments import Commitment
from stages import RESULT

from swarm.protocol import money
from swarm.protocol.commitment import segment_digest
from swarm.protocol.draw import is_drawn
from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import BallotStatus


def challenge(world, job_id: int, segment: int = 0, by=None):
    """A stranger forces a ballot on the segment."""
    return world.does(world.court.challenge, *world.with_terms(job_id), segment, sender=by or world.stranger)


def join(world, job_id: int, by):
    return world.does(world.court.joinChallenge, *world.with_job(job_id), sender=by)


def challenged(world, terms=None, *, segment: int = 0, **options: object) -> Commitment:
    """A submitted job whose segment the stranger challenged; by default one that the seed does not draw."""
    options.setdefault("drawn", False)
    options.setdefault("collateral", world.least_collateral(terms))
    commitment = world.submitted(terms, **options)
    challenge(world, commitment.job_id, segment)
    return commitment


def submitted(world):
    """Not drawn, with the least collateral; and what everybody owned before anybody doubted it."""
    commitment = world.submitted(drawn=False, collateral=world.least_collateral())
    return commitment, world.books.wealth()


def confirmed(world, terms=None, **options: object) -> Commitment:
    """A drawn job whose judge stood by the seller."""
    commitment = world.audited(terms, **options)
    world.confirm(commitment)
    return commitment


def appeal(world, job_id: int, by=None):
    return world.does(world.court.appeal, *world.with_job(job_id), sender=by or world.stranger)


def vote(world, commitment: Commitment, votes: list) -> list[str]:
    """A ballot's votes: "seller's", "other", "third", a word, or None for absent. Returns the members' names."""
    segment = world.ballot(commitment.job_id).segment
    known = {}
    if segment < commitment.segments:
        known = {
            "seller's": commitment.opening(segment),
            "other": commitment.other_opening(segment),
            "third": commitment.other_opening(segment, 1),
        }
    findings = [known.get(entry, entry) if isinstance(entry, str) else entry for entry in votes]
    return [world.name(member) for member in world.votes(commitment, findings)]


def draw_all(world, job_id: int) -> None:
    """Brings the seed and draws until every seat is taken: one call looks at 64 places only."""
    world.draw_committee(job_id)
    for _ in range(20):
        if world.ballot(job_id).status is not BallotStatus.DRAWING:
            return
        world.draw_now(job_id)
    raise AssertionError("the committee was not complete after 21 walks")


def draw_short(world, job_id: int) -> None:
    """Several walks in the window, which find everybody who is left, and one after it."""
    world.draw_committee(job_id)
    for _ in range(5):
        world.draw_now(job_id)
    assert world.ballot(job_id).status is BallotStatus.DRAWING
    world.past_case_deadline(job_id)
    world.draw_now(job_id)


def tallied(world, commitment: Commitment, votes: list) -> list[str]:
    """The committee is drawn, votes, and is counted. Returns the members' names."""
    draw_all(world, commitment.job_id)
    members = vote(world, commitment, votes)
    world.tally(commitment.job_id)
    return members


def executed(world, commitment: Commitment, votes: list) -> list[str]:
    """One committee from its draw to the execution of what it ruled. Returns the members' names."""
    members = tallied(world, commitment, votes)
    world.execute(commitment.job_id)
    return members


def unheard(world, job_id: int):
    """The seed comes, but no committee can be found in time."""
    world.bring_seed(world.ballot(job_id).epoch)
    world.past_case_deadline(job_id)
    world.draw_now(job_id)
    return world.tally(job_id)


def leave_only(world, slots: set[int]) -> None:
    """All others leave the bench."""
    for slot_id in range(1, world.bench.slotCount() + 1):
        slot = world.slot(slot_id)
        if slot_id not in slots and slot.is_active:
            world.does(world.bench.leaveSlot, slot_id, sender=slot.owner)


def add(*gains: dict[str, int]) -> dict[str, int]:
    """The sum of gains; whoever ends where it began is left out."""
    total: dict[str, int] = {}
    for part in gains:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return {name: amount for name, amount in total.items() if amount}


def each(names: list[str], amount: int) -> dict[str, int]:
    """The same amount for everybody named, once for every time they are named."""
    return add(*({name: amount} for name in names))


@dataclass(frozen=True)
class Reckoning:
    """What a ruling moves, worked out from the protocol's text. Whoever is wrong pays through `pot`."""

    world: object
    job_id: int
    pot: int = 0  # penalties and forfeited bonds
    pool: int = 0  # before the ruling
    levy_open: bool = True  # the draw is not answered yet
    seller_harmed: bool = True  # False where only the fetching was in question

    @property
    def fee(self) -> int:
        job = self.world.job(self.job_id)
        return money.judge_fee(job.price, job.segments, self.world.params.fee_min)

    def _levy(self) -> tuple[int, int]:
        """What goes to the pool, and what of the buyer's M comes back."""
        if not self.levy_open:
            return 0, 0
        job, levy = self.world.job(self.job_id), self.world.levy(self.job_id)
        held = self.world.escrow.escrowFor(job.terms.max_price, job.terms.segments, job.terms.parts)
        return levy, held - job.price - levy

    def slashed(self, right: list[str], accusers: list[str] = (), *, first: str | None = None) -> dict[str, int]:
        """`first` is a judge who denied rightly: the levy and the pool pay it, as if it had confirmed."""
        job, fee = self.world.job(self.job_id), self.fee
        due = fee * len(right)
        from_pot = min(due, self.pot)
        from_collateral = min(due - from_pot, 3 * fee, job.collateral)
        from_pool = min(self.pool, due - from_pot - from_collateral)
        paid = from_pot + from_collateral + from_pool
        one = paid // len(right)
        rest = job.collateral - from_collateral
        sharers = [*right, *accusers, *([first] if first else [])]
        share = rest * 30 // 100 // len(sharers)
        to_buyer = min(rest * 20 // 100, job.price)
        harmed = (self.pot - from_pot) * 20 // 100
        levy, returned = self._levy()
        pool = self.pot - from_pot - harmed - from_pool + levy + paid - one * len(right)
        first_from_pool = min(fee, self.pool + pool) if first else 0
        first_from_buyer = fee - first_from_pool if first else 0
        return add(
            each(right, one),
            each(sharers, share),
            {first: fee} if first else {},
            {"seller": -job.collateral, "burned": rest - to_buyer - share * len(sharers)},
            {"buyer": job.price + to_buyer + harmed + returned - first_from_buyer},
            {"pool": pool - first_from_pool},
        )

    def acquitted(self, right: list[str]) -> dict[str, int]:
        due = self.fee * len(right)
        from_pot = min(due, self.pot)
        from_pool = min(self.pool, due - from_pot)
        one = (from_pot + from_pool) // len(right)
        harmed = (self.pot - from_pot) * 20 // 100 if self.seller_harmed else 0
        levy, returned = self._levy()
        odd = from_pot + from_pool - one * len(right)
        pool = self.pot - from_pot - harmed - from_pool + odd + levy
        return add(each(right, one), {"seller": harmed, "buyer": returned, "pool": pool})

    def void(self, right: list[str]) -> dict[str, int]:
        job = self.world.job(self.job_id)
        levy, returned = self._levy()
        reach = self.pool + self.pot + levy
        one = min(self.fee * len(right), reach) // len(right) if right else 0
        to_seller = job.price // 2
        return add(
            each(right, one),
            {"seller": to_seller, "buyer": job.price - to_seller + returned},
            {"pool": self.pot + levy - one * len(right)},
        )


def submit_as(world, job_id: int, make, *, drawn: bool = True, hand_in=None) -> tuple[Commitment, object]:
    """Hands in, at a moment whose seed the test key knows, the first of `make(nonce)` that is drawn as wanted."""
    job, at = world.job(job_id), world.rpc.now() + 10
    seed = world.seed(world.beacon.epochAt(at + world.params.seed_delay))
    made = map(make, range(10_000))
    commitment = next(c for c in made if is_drawn(seed, job_id, c.root, job.audit_bps) == drawn)
    world.rpc.next_at(at)
    if hand_in:
        return commitment, hand_in(commitment)
    world.does(world.escrow.submit, *world.with_job(job_id), RESULT, commitment.root, sender=job.seller)
    return commitment, None


def part_of(commitment: Commitment) -> tuple[tuple, tuple]:
    """What a seller hands in of the segments it did: the submission, and the last output opened."""
    done = commitment.segments
    trace, output, cid = commitment.opening(done - 1)
    last = (segment_digest(trace, output), cid, commitment.proof(done - 1))
    return (RESULT, commitment.root, done), last


def hand_back(world, job_id: int, done: int, *, drawn: bool = False) -> tuple[Commitment, int]:
    """Hands a running job back after `done` segments; returns their commitment and the id of the rest."""
    seller = world.job(job_id).seller

    def hand_in(commitment: Commitment) -> int:
        arguments = (*world.with_terms(job_id), *part_of(commitment))
        return world.does(world.escrow.handBack, *arguments, sender=seller).event("JobHandedBack")["rest"]

    return submit_as(world, job_id, lambda nonce: Commitment(job_id, done, nonce), drawn=drawn, hand_in=hand_in)


def another_seller(world):
    """A second seller with a stake."""
    seller = world.newcomer("another seller", 20_000 * TOKEN)
    world.books.others.append(str(seller))
    world.stake(seller, 10_000 * TOKEN, world.escrow)
    return seller
