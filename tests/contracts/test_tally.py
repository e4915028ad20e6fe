# SPDX-License-Identifier: Apache-2.0
"""The committee's rulings, executed, and where every token goes: slashed, acquitted, void."""

from world import Terms

from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus, Ruling

PRICE = Terms().max_price


class Story:
    """A committee of three votes ("seller's", "other", "third", None for absent), tallied and executed."""

    def __init__(self, world, votes: list, *, verdict: bytes | None = None, collateral: int | None = None) -> None:
        before = world.books.wealth()
        commitment = world.committee(verdict=verdict, collateral=collateral)
        segment = world.case(commitment.job_id).segment
        openings = {
            "seller's": commitment.opening(segment),
            "other": commitment.other_opening(segment),
            "third": commitment.other_opening(segment, 1),
            None: None,
        }
        self.job_id = commitment.job_id
        self.denier = world.name(world.judge_of(self.job_id))
        self.members = [world.name(member) for member in world.votes(commitment, [openings[vote] for vote in votes])]
        self.tallied = world.tally(self.job_id)
        self.unmoved = world.books.gains(before)
        self.done = world.execute(self.job_id)
        self.gains = world.books.gains(before)
        self.fee, self.levy = world.fee(), world.levy(self.job_id)


def slashing(story: Story, *, right: int, denier_right: bool, collateral: int, pot: int = 0) -> dict[str, int]:
    """The split by hand. The pot of penalties pays the committee first, then the collateral does, three fees at most.

    A fifth of what the pot has left is the buyer's, the rest the pool's; the denier is paid from levy and pool.
    """
    fee, levy = story.fee, story.levy
    from_pot = min(right * fee, pot)
    rest = collateral - min(right * fee - from_pot, 3 * fee)
    count = right + denier_right
    share = rest * 3 // 10 // count
    to_buyer = min(rest // 5, PRICE)
    harmed = (pot - from_pot) // 5
    pool = levy + pot - from_pot - harmed
    from_pool = min(fee if denier_right else 0, pool)
    own = (fee if denier_right else 0) - from_pool
    return {
        "share": share,
        "buyer": to_buyer + harmed - levy - own,
        "pool": pool - from_pool,
        "burned": rest - to_buyer - share * count,
    }


def without_zeros(gains: dict[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in gains.items() if amount}


def test_a_cheat_is_slashed_and_the_buyer_refunded(world):
    """Invariant 13: two distinct judges of one class against the seller; threat 27: no accuser gets more than half."""
    story = Story(world, ["other"] * 3)
    fee, collateral = story.fee, 4 * story.fee
    split = slashing(story, right=3, denier_right=True, collateral=collateral)
    expected = {name: fee + split["share"] for name in (*story.members, story.denier)}
    expected |= {"seller": -collateral, "buyer": split["buyer"], "pool": split["pool"], "burned": split["burned"]}
    assert story.gains == without_zeros(expected)
    assert world.status(story.job_id) is JobStatus.SLASHED
    event = story.done.event("JobSlashed")
    assert (event["slashed"], event["burned"]) == (collateral, split["burned"])
    assert event["refunded"] == PRICE + 5 * fee // 4 + split["buyer"]
    assert 2 * split["burned"] >= collateral - 3 * fee
    assert max(expected[name] for name in (*story.members, story.denier)) <= collateral / 2
    assert world.vault.lockedBy(world.seller, world.escrow) == 0


def test_a_tally_moves_no_money_and_an_execution_closes_the_case(world):
    story = Story(world, ["other"] * 3)
    held = -world.escrow.escrowFor(PRICE, Terms().segments, 1)
    assert story.unmoved == {"buyer": held}
    tallied = story.tallied.event("Tallied")
    assert (tallied["round"], tallied["ruling"]) == (1, Ruling.SLASHED)
    case = world.case(story.job_id)
    assert (case.status, case.ruling, case.ruled_round) == (CaseStatus.CLOSED, Ruling.SLASHED, 1)
    assert world.ballot(story.job_id).status is BallotStatus.COUNTED
    assert all(world.bond(slot).cases == 0 for slot in (case.judge, *world.ballot(story.job_id).committee))


def test_the_buyers_share_of_a_large_collateral_is_capped_at_the_price(world):
    """Threats 26, 36: slashing must not be a business of the buyer's."""
    collateral = 24 * PRICE
    story = Story(world, ["other"] * 3, collateral=collateral)
    split = slashing(story, right=3, denier_right=True, collateral=collateral)
    assert story.gains["buyer"] == PRICE - story.fee == split["buyer"]
    assert story.gains["burned"] == split["burned"]
    assert story.gains[story.denier] == story.gains[story.members[0]] == story.fee + split["share"]


def test_two_against_one_slash_and_the_minority_pays_five_fees(world):
    story = Story(world, ["other", "seller's", "other"])
    fee, collateral = story.fee, 4 * story.fee
    split = slashing(story, right=2, denier_right=True, collateral=collateral, pot=5 * fee)
    first, minority, third = story.members
    expected = {name: fee + split["share"] for name in (first, third, story.denier)}
    expected |= {minority: -5 * fee, "seller": -collateral, "buyer": split["buyer"]}
    expected |= {"pool": split["pool"], "burned": split["burned"]}
    assert story.gains == without_zeros(expected)


def test_two_convict_without_the_third_who_pays_one_fee(world):
    story = Story(world, ["other", None, "other"])
    fee, collateral = story.fee, 4 * story.fee
    split = slashing(story, right=2, denier_right=True, collateral=collateral, pot=fee)
    first, absent, third = story.members
    expected = {name: fee + split["share"] for name in (first, third, story.denier)}
    expected |= {absent: -fee, "seller": -collateral, "buyer": split["buyer"]}
    expected |= {"pool": split["pool"], "burned": split["burned"]}
    assert story.gains == without_zeros(expected)


def test_a_denier_with_another_leaf_than_the_committees_gets_nothing_and_loses_nothing(world):
    story = Story(world, ["other"] * 3, verdict=b"\x99" * 32)
    fee, collateral = story.fee, 4 * story.fee
    split = slashing(story, right=3, denier_right=False, collateral=collateral)
    expected = {name: fee + split["share"] for name in story.members}
    expected |= {"seller": -collateral, "buyer": split["buyer"], "pool": split["pool"], "burned": split["burned"]}
    assert story.denier not in story.gains
    assert story.gains == expected


def test_an_honest_seller_is_acquitted_and_the_denier_pays_for_the_delay(world):
    story = Story(world, ["seller's"] * 3)
    fee, levy = story.fee, story.levy
    rest = 2 * fee
    expected = {name: fee for name in story.members} | {story.denier: -5 * fee, "seller": rest // 5}
    expected |= {"buyer": -PRICE - levy, "pool": levy + rest - rest // 5}
    assert story.gains == expected
    assert story.done.event("Executed")["penalties"] == 5 * fee
    job = world.job(story.job_id)
    assert (job.status, job.audited, job.held) == (JobStatus.SUBMITTED, True, PRICE)


def test_an_acquitted_job_is_settled(world):
    story = Story(world, ["seller's"] * 3)
    before = world.books.wealth()
    world.settle(story.job_id)
    fee = PRICE // 100
    assert world.books.gains(before) == {"seller": PRICE - fee, "pool": fee // 2, "burned": fee // 2}


def test_two_acquit_against_one_and_the_minority_pays(world):
    story = Story(world, ["seller's", "other", "seller's"])
    fee, levy = story.fee, story.levy
    rest = 10 * fee - 2 * fee
    first, minority, third = story.members
    expected = {first: fee, third: fee, minority: -5 * fee, story.denier: -5 * fee, "seller": rest // 5}
    assert story.gains == expected | {"buyer": -PRICE - levy, "pool": levy + rest - rest // 5}


def test_a_member_with_the_sellers_leaf_but_without_a_proof_acquits_with_whoever_proved_it(world):
    """A class is a leaf: forgetting the proof convicts nobody."""
    commitment = world.committee()
    job_id, segment = commitment.job_id, world.case(commitment.job_id).segment
    opening = commitment.opening(segment)
    members = world.members(job_id)
    for member in members:
        world.seal(commitment, member, opening)
    for member in members[1:]:
        call, (*rest, _) = world.revelation(commitment, member, opening)
        world.does(call, *rest, [], sender=member)
    assert bytes(world.ballots.verdictOf(job_id, 1)) == commitment.leaves[segment]
    world.reveal(commitment, members[0], opening)
    assert int.from_bytes(world.ballots.verdictOf(job_id, 1)) == 1
    world.tally(job_id)
    done = world.execute(job_id)
    assert done.event("JobRuled")["ruling"] == Ruling.ACQUITTED
    assert len(done.event("FeesEarned")["judges"]) == 3


def test_judges_who_disagree_slash_nobody(world):
    """Principle 6, threat 51: a job that is not deterministic ends Void; the payment is split."""
    story = Story(world, ["other", "third", "seller's"])
    each = story.levy // 4
    expected = {name: each for name in (*story.members, story.denier)}
    expected |= {"seller": PRICE // 2, "buyer": -PRICE // 2 - story.levy, "pool": story.levy - 4 * each}
    assert story.gains == without_zeros(expected)
    assert world.status(story.job_id) is JobStatus.VOID
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    to_buyer = world.escrow.escrowFor(PRICE, Terms().segments, 1) - PRICE // 2 - story.levy
    assert story.done.event("JobVoided") == {"jobId": story.job_id, "toBuyer": to_buyer, "toSeller": PRICE // 2}


def test_on_void_only_the_absent_pay(world):
    """Invariants 14 and 16."""
    story = Story(world, ["other", None, "seller's"])
    fee, levy = story.fee, story.levy
    each = min(fee, (levy + fee) // 3)
    first, absent, third = story.members
    expected = {first: each, third: each, story.denier: each, absent: -fee}
    expected |= {"seller": PRICE // 2, "buyer": -PRICE // 2 - levy, "pool": levy + fee - 3 * each}
    assert story.gains == without_zeros(expected)


def test_a_committee_that_never_answers_is_void_after_its_deadlines(world):
    """Invariant 8: silence blocks nobody."""
    job_id = world.committee().job_id
    world.past_case_deadline(job_id)
    world.tally(job_id)
    world.execute(job_id)
    assert world.status(job_id) is JobStatus.VOID
    committee = world.ballot(job_id).committee
    assert all(world.slot(slot).strikes == 1 and world.bond(slot).cases == 0 for slot in committee)


def test_members_who_seal_and_never_reveal_count_as_absent(world):
    """Threat 30; the case goes on even though nobody ever revealed."""
    commitment = world.committee()
    job_id, segment = commitment.job_id, world.case(commitment.job_id).segment
    members = world.members(job_id)
    world.seal(commitment, members[0], commitment.opening(segment))
    before = world.books.wealth()
    world.past_case_deadline(job_id)
    world.refuses(world.court.tally, job_id, sender=world.stranger, error="DeadlineRunning")
    world.travel(world.params.reveal_seconds)
    world.tally(job_id)
    world.execute(job_id)
    gains = world.books.gains(before)
    assert world.status(job_id) is JobStatus.VOID
    assert all(gains[world.name(member)] == -world.fee() for member in members)


def test_without_a_fresh_seed_the_case_ends_void_and_nobody_is_penalised(world):
    job_id = world.denied().job_id
    before = world.books.wealth()
    week = 7 * 24 * 3_600
    world.travel_until(world.ballot(job_id).deadline + week)
    arguments = (job_id, 1, *world.with_terms(job_id)[1:])
    world.refuses(world.ballots.drawCommittee, *arguments, sender=world.stranger, error="SeedNotKnown")
    world.travel(1)
    world.draw_now(job_id)
    assert world.ballot(job_id).status is BallotStatus.FAILED
    tallied = world.tally(job_id).event("Tallied")
    assert (tallied["ruling"], tallied["deadline"]) == (Ruling.VOID, world.rpc.now() - 1)
    world.execute(job_id)
    gains = world.books.gains(before)
    assert world.status(job_id) is JobStatus.VOID
    assert world.case(job_id).status is CaseStatus.CLOSED
    assert all(amount >= 0 for amount in gains.values())


def test_a_committee_that_cannot_be_completed_ends_void_and_its_members_are_free(world):
    """Every seat but the denier's and two more is busy: the draw is tried again until its time is over."""
    job_id = world.denied().job_id
    denier = world.case(job_id).judge
    world.bring_seed(world.ballot(job_id).epoch)
    fill_all_but(world, {denier, *[slot for slot in range(1, 7) if slot != denier][:2]})
    done = world.draw_now(job_id)
    drawn = world.ballot(job_id).committee
    assert not done.events and world.ballot(job_id).status is BallotStatus.DRAWING
    assert 0 < len(drawn) < 3
    world.draw_now(job_id)
    world.past_case_deadline(job_id)
    cases = {slot: world.bond(slot).cases for slot in drawn}

    done = world.draw_now(job_id)

    assert done.event("CommitteeMissing") == {"jobId": job_id, "round": 1}
    assert all(world.bond(slot).cases == cases[slot] - 1 for slot in drawn)
    world.tally(job_id)
    world.execute(job_id)
    assert world.status(job_id) is JobStatus.VOID


def fill_all_but(world, free: set[int]) -> None:
    """Gives the other slots as many live cases as they can bear."""
    for _ in range(80):
        busy = [slot for slot in range(1, 7) if slot not in free and world.bond(slot).cases == 4]
        if len(busy) == 6 - len(free):
            return
        commitment = world.audited()
        if world.case(commitment.job_id).judge in free:
            world.confirm(commitment)
    raise AssertionError("the bench could not be filled")
