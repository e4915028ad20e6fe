# SPDX-License-Identifier: Apache-2.0
"""What a random actor might do next: every verb with arguments that fit a job, and the time at which it would be
taken."""

from __future__ import annotations

from dataclasses import replace

from trace_people import COMMON, RARE
from trace_votes import Move, Votes
from world import RESULT

from swarm.protocol import money
from swarm.protocol.commitment import merkle_proof, merkle_root, sha256
from swarm.protocol.lifecycle import DonePart
from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import (
    MATCH,
    MISMATCH,
    UNAVAILABLE,
    UNDELIVERED,
    ZERO_ADDRESS,
    ZERO_DIGEST,
    BallotStatus,
    Comparison,
    Digest,
    Job,
    SlotId,
    Terms,
)


class Moves(Votes):
    """Makes moves for one trace."""

    # without a job

    def terms(self) -> Terms:
        rng = self.rng
        segments = rng.choice((1, 2, 3, 5, 8))
        price = rng.randint(TOKEN // 2, 18 * TOKEN * segments)
        return Terms(
            spec_cid=sha256(b"spec %d" % rng.randrange(9)),
            max_price=price,
            start_price=rng.choice((0, 0, price // 2)),
            rise_seconds=rng.choice((0, 100, 10_000)),
            segments=segments,
            segment_seconds=rng.choice((60, 600)),
            run_seconds=rng.choice((1_000, 20_000)),
            open_seconds=rng.choice((1_000, 5_000)),
            hardware_class=RARE if rng.random() < 0.02 else COMMON,
            comparison=Comparison(rng.choices((0, 1, 2), (44, 44, 12))[0]),
            parts=rng.choice((1, 2, 3)),
            min_reputation=rng.choices((0, 1, 4_000), (92, 4, 4))[0],
            seller=rng.choice(self.people.sellers) if rng.random() < 0.1 else ZERO_ADDRESS,
            first_segment=65_534 if rng.random() < 0.03 else 0,
        )

    def spoiled_terms(self) -> Terms:
        """Terms the escrow refuses."""
        parameters, terms = self.market.parameters, self.terms()
        spoiled = self.rng.choice(
            (
                {"spec_cid": ZERO_DIGEST},
                {"start_price": 1},
                {"start_price": terms.max_price + 1},
                {"segments": 0},
                {"segments": parameters.max_segments + 1},
                {"parts": 0},
                {"parts": 17},
                {"segment_seconds": 0},
                {"segment_seconds": parameters.max_segment_seconds + 1},
                {"run_seconds": parameters.max_run_seconds + 1},
                {"open_seconds": 0},
                {"max_price": 3 * 10**22, "segments": 1_024},
            )
        )
        return replace(terms, **spoiled)

    def post(self) -> Move:
        terms = self.spoiled_terms() if self.rng.random() < 0.08 else self.terms()
        buyer = self.rng.choice((*self.people.buyers * 4, self.people.poor, self.people.sellers[0]))
        if self.rng.random() < 0.1:
            cids = tuple(sha256(b"spec %d" % i) for i in range(self.rng.randrange(4)))
            spoiled = (*cids, ZERO_DIGEST) if self.rng.random() < 0.2 else cids
            return Move("escrow.post_many", buyer, (terms, spoiled))
        return Move("escrow.post", buyer, (terms,))

    def aside(self, now: int) -> Move:
        """Something with stakes, seats or the till."""
        rng, people, market = self.rng, self.people, self.market
        anybody = rng.choice(people.everybody())
        judge, seller = rng.choice(people.judges), rng.choice(people.sellers)
        slot_id = SlotId(rng.randint(0, market.bench.slot_count + 1))
        owner = market.bench.slot_of(slot_id).owner
        slasher = market.at[rng.choice(("JobEscrow", "JudgeBench"))]
        amount = rng.choice((0, 1, 500 * TOKEN, rng.randint(1, 9_000 * TOKEN)))
        until = market.bench.slot_of(slot_id).active_until
        moves = [
            Move("token.faucet", anybody, (anybody, amount)),
            Move("vault.deposit", anybody, (rng.choice((judge, seller)), amount)),
            Move("vault.unbond", rng.choice((anybody, judge, seller)), (amount,)),
            Move("vault.unbond", seller, (min(market.vault.free_stake_of(seller), 700 * TOKEN),)),
            Move(
                "vault.set_keys", seller, (rng.choice((people.hand, ZERO_ADDRESS)), rng.choice((people.purse, seller)))
            ),
            Move("vault.set_keys", judge, (ZERO_ADDRESS, rng.choice((people.purse, people.sellers[2], ZERO_ADDRESS)))),
            Move("vault.authorise", rng.choice((judge, anybody)), (slasher,)),
            Move("vault.revoke", rng.choice((judge, seller, anybody)), (slasher,)),
            Move(
                "bench.take_slot",
                rng.choice((judge, *people.judges[6:9])),
                (COMMON, rng.choice((judge, people.stranger, ZERO_ADDRESS))),
            ),
            Move("bench.leave_slot", rng.choice((owner, owner, judge)), (slot_id,)),
            Move("bench.release_slot", rng.choice((owner, owner, judge)), (slot_id,), until and until + 20_000),
            Move("escrow.claim", rng.choice((people.sellers[2], people.sellers[2], anybody)), (people.purse,)),
            Move("escrow.burn", anybody, ()),
            Move("bench.collect", anybody, (slot_id,)),
            Move("beacon.submit", anybody, (market.beacon.epoch_at(now + 400), None)),
        ]
        pending = [(who, n, ready) for (who, n), (left, ready) in market.vault.unbondings.items() if left]
        for who, index, ready in pending[:2]:
            moves += [Move("vault.withdraw", who, (index, rng.choice((who, who, people.sellers[2]))), ready)] * 4
        paid = [number for number, bond in market.bench.bonds.items() if bond.earned]
        moves += [Move("bench.collect", anybody, (number,)) for number in paid[:2]]
        left = [slot for slot in market.bench.slots.values() if slot.active_until]
        for slot in left[:2]:
            moves += [Move("bench.release_slot", slot.owner, (slot.slot_id,), slot.active_until + 20_000)] * 2
        return rng.choice([move for move in moves if move.caller != ZERO_ADDRESS])

    def bring_seed(self, epoch: int) -> Move:
        """The seed of an epoch, in rare cases from the fallback."""
        time = self.market.beacon.time_of(epoch)
        if self.rng.random() < 0.08:
            patience = self.market.parameters.fallback_patience
            return Move(
                "beacon.store_fallback", self.people.stranger, (epoch, sha256(b"fallback %d" % epoch)), time + patience
            )
        return Move("beacon.submit", self.people.stranger, (epoch, self.chain.seed_of(epoch)), time)

    # a job's verbs

    def cancel(self, job: Job) -> Move:
        return Move("escrow.cancel", job.buyer, (job,))

    def accept(self, job: Job, now: int) -> Move:
        people, rng = self.people, self.rng
        seller = job.terms.seller if job.terms.seller != ZERO_ADDRESS else rng.choice(people.sellers)
        caller = people.hand if seller == people.sellers[1] and rng.random() < 0.5 else seller
        price = job.terms.price_at(job.open_until, now + 1)
        least = max(
            money.bps_up(price, 2_500), 4 * money.judge_fee(price, job.segments, self.market.parameters.fee_min)
        )
        collateral = rng.choice((least, least, least - 1, 2 * least, 4 * job.terms.max_price, 24 * job.terms.max_price))
        return Move("escrow.accept", caller, (job, seller, collateral), late=job.deadline)

    def abort(self, job: Job) -> Move:
        return Move("escrow.abort", self._seller_or_hand(job), (job,), late=job.deadline)

    def submit(self, job: Job) -> Move:
        root = self.work(job.job_id, job.segments).root
        cid = ZERO_DIGEST if self.rng.random() < 0.02 else RESULT
        root = ZERO_DIGEST if self.rng.random() < 0.02 else root
        return Move("escrow.submit", self._seller_or_hand(job), (job, cid, root), late=job.deadline)

    def hand_back(self, job: Job) -> Move:
        done = self.rng.randint(1, max(1, job.segments - 1)) if self.rng.random() < 0.95 else job.segments
        work = self.work(job.job_id, job.segments)
        leaves = work.leaves[:done]
        trace, output, cid = work.opening(done - 1)
        proof = tuple(merkle_proof(leaves, done - 1))
        if self.rng.random() < 0.05:
            proof = (*proof, ZERO_DIGEST)
        part = DonePart(RESULT, merkle_root(leaves), done, sha256(trace, output), Digest(cid), proof)
        return Move("escrow.hand_back", self._seller_or_hand(job), (job, part), late=job.deadline)

    def refund(self, job: Job) -> Move:
        return Move("escrow.refund", self.people.stranger, (job,), job.deadline + 1)

    def open_audit(self, job: Job) -> Move:
        return Move("escrow.open_audit", self.people.stranger, (job,))

    def settle(self, job: Job) -> Move:
        if self.rng.random() < 0.3:
            return Move("escrow.settle", job.buyer, (job,))
        return Move("escrow.settle", self.people.stranger, (job,), job.deadline + 1)

    def confirm(self, job: Job) -> Move:
        case = self.market.court.case_of(job.job_id)
        judge = self._operator(case.judge)
        if case.comparison != Comparison.EXACT:
            return Move("court.vouch", judge, (job,), late=case.deadline)
        opening, proof = self.opened(job, case.segment)
        return Move("court.confirm", judge, (job, opening, proof), late=case.deadline)

    def deny(self, job: Job) -> Move:
        case, work = self.market.court.case_of(job.job_id), self.work(job.job_id, job.segments)
        index = min(case.segment, job.segments - 1)
        fitting = {
            Comparison.EXACT: (work.other_leaf(index), work.other_leaf(index), work.other_leaf(index, 1), UNAVAILABLE),
            Comparison.TOLERANCE: (MISMATCH, MISMATCH, UNAVAILABLE),
            Comparison.DELIVERY: (UNAVAILABLE, UNAVAILABLE, MATCH),
        }[case.comparison]
        verdict = self.rng.choice(fitting) if self.rng.random() < 0.95 else MATCH
        return Move("court.deny", self._operator(case.judge), (job.job_id, verdict), late=case.deadline)

    def replace_judge(self, job: Job) -> Move:
        case = self.market.court.case_of(job.job_id)
        return Move("court.replace_judge", self.people.stranger, (job,), case.deadline + 1)

    def volunteer(self, job: Job) -> Move:
        bench, (taken, _) = self.market.bench, self.market.court.judges_of(job.job_id)
        fresh = [slot.slot_id for slot in bench.slots.values() if slot.slot_id not in taken and not slot.active_until]
        slot_id = SlotId(self.rng.choice(fresh if self.rng.random() < 0.8 else list(bench.slots)))
        case = self.market.court.case_of(job.job_id)
        return Move("court.volunteer", self._operator(slot_id), (job, slot_id), late=case.deadline)

    def challenge(self, job: Job) -> Move:
        case = self.market.court.case_of(job.job_id)
        judged = min(case.segment, job.segments - 1)
        segment = self.rng.choice((UNDELIVERED, judged, judged, self.rng.randrange(job.segments + 1)))
        return Move("court.challenge", self._anybody(), (job, segment), late=job.deadline)

    def join_challenge(self, job: Job) -> Move:
        case = self.market.court.case_of(job.job_id)
        epoch = self.market.ballots.ballot_of(job.job_id, case.round).epoch
        return Move("court.join_challenge", self._anybody(), (job,), late=self.market.beacon.time_of(epoch) - 1)

    def expose_canary(self, job: Job) -> Move:
        court = self.market.court
        case = court.case_of(job.job_id)
        segment = case.segment if self.market.court.case_of(job.job_id).answers_draw else court.word_for(case).segment
        opening, proof = self.opened(job, min(segment, job.segments - 1))
        return Move("court.expose_canary", job.buyer, (job, opening, proof))

    def appeal(self, job: Job) -> Move:
        case = self.market.court.case_of(job.job_id)
        appellant = self.rng.choice((job.seller, job.buyer, self._anybody()))
        return Move("court.appeal", appellant, (job,), late=case.deadline)

    def tally(self, job: Job) -> Move:
        ballot = self._ballot(job)
        reveals = self.market.parameters.reveal_seconds
        over = ballot.deadline + (reveals if ballot.status == BallotStatus.SEALING and ballot.sealed_seats else 0)
        in_time = ballot.status == BallotStatus.REVEALING and ballot.sealed_seats == ballot.revealed_seats
        return Move("court.tally", self.people.stranger, (job.job_id,), 0 if in_time else over + 1)

    def execute(self, job: Job) -> Move:
        return Move("court.execute", self.people.stranger, (job,), self.market.court.case_of(job.job_id).deadline + 1)
