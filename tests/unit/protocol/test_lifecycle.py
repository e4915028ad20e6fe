# SPDX-License-Identifier: Apache-2.0
"""The twin by itself: stories, refusals that change nothing, what is due. Random traces compare it with contracts."""

import pytest

from swarm.protocol import money
from swarm.protocol.commitment import leaf, merkle_proof, merkle_root, segment_digest, sha256
from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.draw import is_drawn
from swarm.protocol.lifecycle import Market, Refused, Step, due
from swarm.protocol.parameters import TOKEN, DeploymentParameters
from swarm.protocol.types import Address, BallotStatus, Digest, JobStatus, Opening, Ruling, Terms

BUYER, SELLER, ANYBODY = Address("0xb1"), Address("0xc1"), Address("0xd1")
JUDGES = tuple(Address(hex(0xE0 + i)) for i in range(6))
GENESIS = 1_000_000
SEGMENTS = 4
SALT = Digest(b"\x07" * 32)
EVIDENCE = Digest(b"\xe1" * 32)
TERMS = Terms(
    spec_cid=Digest(b"\x5c" * 32),
    max_price=60 * TOKEN,
    segments=SEGMENTS,
    segment_seconds=60,
    run_seconds=3_600,
    open_seconds=1_800,
    hardware_class=1,
)


class Story:
    """One job from acceptance on, its seller's work, and a clock."""

    def __init__(self, *, drawn: bool) -> None:
        parameters = DeploymentParameters.devnet(beacon_key=(0, 0, 0, 0), genesis=GENESIS)
        self.market, self.now = Market(parameters), GENESIS + 1_000
        self._people()
        self.job_id = self.market.escrow.post(BUYER, TERMS, now=self.now)
        self.market.escrow.accept(SELLER, self.job, SELLER, 100 * TOKEN, now=self.now)
        self.openings = [Opening(*(sha256(bytes([kind, i])) for kind in range(3))) for i in range(SEGMENTS)]
        self.leaves = [self.leaf_of(i, opening) for i, opening in enumerate(self.openings)]
        self.root = merkle_root(self.leaves)
        self.market.escrow.submit(SELLER, self.job, EVIDENCE, self.root, now=self.now)
        self.bring_seed(self.job.epoch, drawn)

    def _people(self) -> None:
        market, at = self.market, self.market.at
        for person in (BUYER, SELLER, *JUDGES):
            market.token.faucet(person, person, 2_000 * TOKEN, now=self.now)
            if person == BUYER:
                continue
            market.vault.deposit(person, person, 1_000 * TOKEN, now=self.now)
            market.vault.authorise(person, at["JobEscrow" if person == SELLER else "JudgeBench"], now=self.now)
        for judge in JUDGES:
            market.bench.take_slot(judge, TERMS.hardware_class, judge, now=self.now)

    @property
    def job(self):
        return self.market.escrow.jobs[self.job_id]

    @property
    def case(self):
        return self.market.court.case_of(self.job_id)

    @property
    def ballot(self):
        return self.market.ballots.ballot_of(self.job_id, self.case.round)

    def leaf_of(self, segment: int, opening: Opening) -> Digest:
        digest = segment_digest(opening.trace_root, opening.output_hash)
        return leaf(self.job_id, segment, digest, opening.output_cid)

    def bring_seed(self, epoch: int, drawn: bool | None = None) -> None:
        """A seed that draws the job, or does not, where that is asked."""
        rate = self.job.audit_bps
        seeds = (sha256(b"seed %d" % i) for i in range(10_000))
        seed = next(s for s in seeds if drawn is None or is_drawn(s, self.job_id, self.root, rate) == drawn)
        self.now = max(self.now, self.market.beacon.time_of(epoch))
        self.market.beacon.submit(ANYBODY, epoch, seed, now=self.now)

    def operator(self, slot_id: int) -> Address:
        return self.market.bench.slot_of(slot_id).operator

    def due(self) -> set[Step]:
        epoch = self.job.epoch if self.job.status == JobStatus.SUBMITTED else self.ballot.epoch
        seed_known = self.market.beacon.seed_for(epoch)[0] != bytes(32)
        drawn = bool(self.market.escrow.is_drawn(self.job))
        reveals = self.market.parameters.reveal_seconds
        return due(self.job, self.case, self.ballot, self.now, seed_known, drawn, reveals)

    def wealth(self) -> int:
        return sum(self.market.token.balances.values())

    def vote(self, openings: list[Opening]) -> None:
        """Three members seal and reveal what they found."""
        ballots, at = self.market.ballots, (self.job_id, self.case.round)
        segment = self.ballot.segment
        for seat, opening in enumerate(openings):
            member = self.operator(self.ballot.committee[seat])
            sealed = seal_of(*at, member, self.leaf_of(segment, opening), EVIDENCE, SALT)
            ballots.seal(member, *at, seat, sealed, now=self.now)
        for seat, opening in enumerate(openings):
            member = self.operator(self.ballot.committee[seat])
            proof = merkle_proof(self.leaves, segment) if opening == self.openings[segment] else ()
            ballots.reveal(member, self.job, self.case.round, seat, opening, EVIDENCE, SALT, proof, now=self.now)


def denied(story: Story) -> Opening:
    """The drawn judge denies with another leaf, and the committee is drawn; returns the opening of that leaf."""
    story.market.escrow.open_audit(ANYBODY, story.job, now=story.now)
    other = Opening(sha256(b"other"), sha256(b"hash"), sha256(b"cid"))
    judge = story.operator(story.case.judge)
    story.market.court.deny(judge, story.job_id, story.leaf_of(story.case.segment, other), now=story.now)
    story.bring_seed(story.ballot.epoch)
    assert story.due() == {Step.DRAW_COMMITTEE}
    story.market.ballots.draw_committee(ANYBODY, story.job, story.case.round, now=story.now)
    assert story.ballot.status == BallotStatus.SEALING
    return other


def ruled(story: Story, openings: list[Opening]) -> None:
    story.vote(openings)
    assert story.due() == {Step.TALLY}
    story.market.court.tally(ANYBODY, story.job_id, now=story.now)
    assert not story.due()
    story.now = story.case.deadline + 1
    assert story.due() == {Step.EXECUTE}
    story.market.court.execute(ANYBODY, story.job, now=story.now)


def test_a_job_that_is_not_drawn_settles_after_its_window():
    story = Story(drawn=False)
    assert not story.due()
    story.now = story.job.deadline + 1
    assert story.due() == {Step.SETTLE}
    story.market.escrow.settle(ANYBODY, story.job, now=story.now)
    fee = money.bps_up(60 * TOKEN, money.FEE_BPS)
    assert story.market.token.balance_of(SELLER) == 1_060 * TOKEN - fee
    assert story.job.status == JobStatus.SETTLED and not story.due()


def test_a_judge_confirms_with_the_sellers_own_opening_only():
    story = Story(drawn=True)
    assert story.due() == {Step.OPEN_AUDIT}
    story.market.escrow.open_audit(ANYBODY, story.job, now=story.now)
    judge, segment = story.operator(story.case.judge), story.case.segment
    proof = merkle_proof(story.leaves, segment)
    with pytest.raises(Refused, match="OpeningNotCommitted"):
        story.market.court.confirm(judge, story.job, story.openings[segment - 1], proof, now=story.now)
    slot_id = story.case.judge
    story.market.court.confirm(judge, story.job, story.openings[segment], proof, now=story.now)
    story.market.bench.collect(ANYBODY, slot_id, now=story.now)
    fee = story.market.escrow.fee_of(story.job)
    assert story.market.token.balance_of(judge) == 1_000 * TOKEN + fee
    assert story.job.audited and story.case.ruling == Ruling.CONFIRMED


def test_a_committee_that_agrees_with_the_denier_takes_the_collateral():
    story = Story(drawn=True)
    before = story.wealth()
    other = denied(story)
    ruled(story, [other] * 3)
    assert story.job.status == JobStatus.SLASHED
    assert story.market.vault.account_of(SELLER).stake == 900 * TOKEN
    # The pool is empty: the buyer has paid the first judge. It has 20 % of what the committee left of the collateral.
    fee = story.market.escrow.fee_of(story.job)
    assert story.market.escrow.pool == 0
    harmed = money.bps_down(100 * TOKEN - 3 * fee, 2_000)
    assert story.market.token.balance_of(BUYER) == 2_000 * TOKEN - fee + harmed
    assert story.wealth() == before


def test_a_committee_that_disagrees_slashes_nobody():
    story = Story(drawn=True)
    denied(story)
    different = [Opening(sha256(bytes([9, i])), sha256(b"h"), sha256(b"c")) for i in range(3)]
    ruled(story, different)
    assert story.job.status == JobStatus.VOID
    assert story.market.vault.account_of(SELLER).stake == 1_000 * TOKEN


def test_silence_of_a_judge_costs_a_fee_and_brings_the_next():
    story = Story(drawn=True)
    story.market.escrow.open_audit(ANYBODY, story.job, now=story.now)
    late, fee = story.case.judge, story.market.escrow.fee_of(story.job)
    story.now = story.case.deadline + 1
    assert story.due() == {Step.REPLACE_JUDGE}
    story.market.court.replace_judge(ANYBODY, story.job, now=story.now)
    assert story.case.judge not in (0, late)
    assert story.market.bench.bond_of(late).left == story.market.parameters.slot_bond - fee
    assert story.market.bench.slot_of(late).strikes == 1


def test_a_refused_call_changes_nothing():
    story = Story(drawn=True)
    before = story.market.snapshot()
    stale = story.job
    story.market.escrow.open_audit(ANYBODY, story.job, now=story.now)
    opened = story.market.snapshot()
    assert opened != before
    with pytest.raises(Refused, match="StaleJob"):
        story.market.escrow.settle(BUYER, stale, now=story.now)
    with pytest.raises(Refused, match="ERC20InsufficientBalance"):
        story.market.escrow.post(ANYBODY, TERMS, now=story.now)
    assert story.market.snapshot() == opened
