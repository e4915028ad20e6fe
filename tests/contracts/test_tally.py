# SPDX-License-Identifier: Apache-2.0
"""The committee's rulings, and where every token goes: slashed, acquitted, void."""

from world import EVIDENCE, Terms

from swarm.protocol.types import CaseStatus, JobStatus

PRICE = Terms().price


def ruled(world, votes: list, *, leaf=None, terms=None, collateral=None):
    """A committee of three votes: "seller's", "other", "third" or None for absent. Returns what the endings need."""
    before = world.books.wealth()
    commitment = world.committee(terms, leaf=leaf, collateral=collateral)
    job_id, segment = commitment.job_id, world.case(commitment.job_id)["segment"]
    openings = {
        "seller's": commitment.opening(segment),
        "other": commitment.other_opening(segment),
        "third": commitment.other_opening(segment, 1),
    }
    members = world.members(job_id)
    present = [(member, openings[vote]) for member, vote in zip(members, votes, strict=True) if vote]
    for member, opening in present:
        world.seal(commitment, member, opening)
    if len(present) < 3:
        world.past_case_deadline(job_id)
    for member, opening in present:
        world.reveal(commitment, member, opening)
    denier = world.name(world.judge_of(job_id))
    done = world.does(world.court.tally, job_id, sender=world.stranger)
    return commitment, [world.name(member) for member in members], denier, world.books.gains(before), done


def slashing(
    world, job_id: int, *, committee_right: int, denier_right: bool, collateral: int, penalties: int = 0
) -> dict[str, int]:
    """The split by hand: shares of the collateral after the committee's fees; the denier's fee from levy and pool."""
    fee, levy = world.fee(), world.levy(job_id)
    rest = collateral - committee_right * fee
    count = committee_right + denier_right
    share = rest * 3 // 10 // count
    to_buyer = min(rest // 5, PRICE)
    due = fee if denier_right else 0
    from_pool = min(due, levy + penalties)
    return {
        "share": share,
        "buyer": to_buyer - levy - (due - from_pool),
        "pool": levy + penalties - from_pool,
        "burned": rest - to_buyer - share * count,
    }


def without_zeros(gains: dict[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in gains.items() if amount}


def test_a_cheat_is_slashed_and_the_buyer_refunded(world):
    """Invariant 13: two distinct judges of one class against the seller; threat 27: no accuser gets more than half."""
    commitment, members, denier, gains, done = ruled(world, ["other"] * 3)
    fee, collateral = world.fee(), 4 * world.fee()
    split = slashing(world, commitment.job_id, committee_right=3, denier_right=True, collateral=collateral)
    expected = {member: fee + split["share"] for member in members} | {denier: fee + split["share"]}
    expected |= {"seller": -collateral, "buyer": split["buyer"], "pool": split["pool"], "burned": split["burned"]}
    assert gains == without_zeros(expected)
    assert world.status(commitment.job_id) is JobStatus.SLASHED
    event = done.event("JobSlashed")
    assert (event["slashed"], event["burned"]) == (collateral, split["burned"])
    assert event["refunded"] == PRICE + 5 * fee // 4 + split["buyer"]
    assert 2 * split["burned"] >= collateral - 3 * fee
    assert max(expected[denier], *(expected[m] for m in members)) <= collateral / 2
    assert world.vault.lockedBy(world.seller, world.escrow) == 0


def test_the_buyers_share_of_a_large_collateral_is_capped_at_the_price(world):
    """Threats 26, 36: slashing must not be a business of the buyer's."""
    collateral = 24 * PRICE
    commitment, members, denier, gains, _ = ruled(world, ["other"] * 3, collateral=collateral)
    split = slashing(world, commitment.job_id, committee_right=3, denier_right=True, collateral=collateral)
    fee = world.fee()
    assert gains["buyer"] == PRICE - fee == split["buyer"]
    assert gains["burned"] == split["burned"]
    assert gains[denier] == gains[members[0]] == fee + split["share"]


def test_two_against_one_slash_and_the_minority_pays_five_fees(world):
    commitment, members, denier, gains, _ = ruled(world, ["other", "seller's", "other"])
    fee, collateral = world.fee(), 4 * world.fee()
    split = slashing(
        world, commitment.job_id, committee_right=2, denier_right=True, collateral=collateral, penalties=5 * fee
    )
    expected = {members[0]: fee + split["share"], members[2]: fee + split["share"], denier: fee + split["share"]}
    expected |= {members[1]: -5 * fee, "seller": -collateral, "buyer": split["buyer"]}
    expected |= {"pool": split["pool"], "burned": split["burned"]}
    assert gains == without_zeros(expected)


def test_two_convict_without_the_third_who_pays_one_fee(world):
    commitment, members, denier, gains, _ = ruled(world, ["other", None, "other"])
    fee, collateral = world.fee(), 4 * world.fee()
    split = slashing(
        world, commitment.job_id, committee_right=2, denier_right=True, collateral=collateral, penalties=fee
    )
    assert gains[members[1]] == -fee
    assert gains.get("pool", 0) == split["pool"]
    assert gains[members[0]] == gains[denier] == fee + split["share"]


def test_a_denier_with_another_leaf_than_the_committees_gets_nothing_and_loses_nothing(world):
    commitment, members, denier, gains, _ = ruled(world, ["other"] * 3, leaf=b"\x99" * 32)
    fee, collateral = world.fee(), 4 * world.fee()
    split = slashing(world, commitment.job_id, committee_right=3, denier_right=False, collateral=collateral)
    expected = {member: fee + split["share"] for member in members}
    expected |= {"seller": -collateral, "buyer": split["buyer"], "pool": split["pool"], "burned": split["burned"]}
    assert denier not in gains
    assert gains == expected


def test_an_honest_seller_is_acquitted_and_the_denier_pays_for_the_delay(world):
    commitment, members, denier, gains, done = ruled(world, ["seller's"] * 3)
    fee, levy = world.fee(), world.levy(commitment.job_id)
    rest = 2 * fee
    expected = {member: fee for member in members} | {denier: -5 * fee, "seller": rest // 5}
    expected |= {"buyer": -PRICE - levy, "pool": levy + rest - rest // 5}
    assert gains == expected
    assert done.event("Ruled")["penalties"] == 5 * fee
    job = world.job(commitment.job_id)
    assert job["audited"] and job["status"] == JobStatus.SUBMITTED


def test_an_acquitted_job_is_settled(world):
    commitment, *_ = ruled(world, ["seller's"] * 3)
    before = world.books.wealth()
    world.past_deadline(commitment.job_id)
    world.does(world.escrow.settle, commitment.job_id, sender=world.seller)
    fee = PRICE // 100
    assert world.books.gains(before) == {"seller": PRICE - fee, "pool": fee // 2, "burned": fee // 2}


def test_two_acquit_against_one_and_the_minority_pays(world):
    commitment, members, denier, gains, _ = ruled(world, ["seller's", "other", "seller's"])
    fee, levy = world.fee(), world.levy(commitment.job_id)
    rest = 10 * fee - 2 * fee
    expected = {members[0]: fee, members[2]: fee, members[1]: -5 * fee, denier: -5 * fee, "seller": rest // 5}
    assert gains == expected | {"buyer": -PRICE - levy, "pool": levy + rest - rest // 5}


def test_a_member_with_the_sellers_leaf_but_without_a_proof_acquits_with_those_who_proved_it(world):
    """A class is a leaf: forgetting the proof convicts nobody."""
    commitment = world.committee()
    job_id, segment = commitment.job_id, world.case(commitment.job_id)["segment"]
    members = world.members(job_id)
    for member in members:
        world.seal(commitment, member, commitment.opening(segment))
    arguments = (job_id, commitment.opening(segment), EVIDENCE, b"\x07" * 32)
    world.does(world.court.reveal, *arguments, commitment.proof(segment), sender=members[0])
    world.does(world.court.reveal, *arguments, [], sender=members[1])
    world.does(world.court.reveal, *arguments, [], sender=members[2])
    done = world.does(world.court.tally, job_id, sender=world.stranger)
    assert done.event("JobRuled")["ruling"] == 2


def test_judges_who_disagree_slash_nobody(world):
    """Principle 6, threat 51: a job that is not deterministic ends Void; the payment is split."""
    commitment, members, denier, gains, done = ruled(world, ["other", "third", "seller's"])
    levy = world.levy(commitment.job_id)
    each = levy // 4
    expected = {name: each for name in (*members, denier)} | {"seller": PRICE // 2, "buyer": -PRICE // 2 - levy}
    assert gains == without_zeros(expected | {"pool": levy - 4 * each})
    assert world.status(commitment.job_id) is JobStatus.VOID
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    assert done.event("JobVoided")["toSeller"] == PRICE // 2


def test_on_void_only_the_absent_pay(world):
    """Invariants 14 and 16."""
    commitment, members, denier, gains, _ = ruled(world, ["other", None, "seller's"])
    fee, levy = world.fee(), world.levy(commitment.job_id)
    each = min(fee, (levy + fee) // 3)
    expected = {members[0]: each, members[2]: each, denier: each, members[1]: -fee}
    expected |= {"seller": PRICE // 2, "buyer": -PRICE // 2 - levy, "pool": levy + fee - 3 * each}
    assert gains == without_zeros(expected)


def test_a_committee_that_never_answers_is_void_after_its_deadlines(world):
    """Invariant 8: silence blocks nobody."""
    commitment = world.committee()
    job_id = commitment.job_id
    slots = world.case(job_id)["committee"]
    world.past_case_deadline(job_id)
    world.does(world.court.tally, job_id, sender=world.stranger)
    assert world.status(job_id) is JobStatus.VOID
    assert all(world.court.slotOf(slot)["strikes"] == 1 and world.court.slotOf(slot)["cases"] == 0 for slot in slots)


def test_members_who_seal_and_never_reveal_count_as_absent(world):
    """Threat 30; the case goes on even though nobody ever revealed."""
    commitment = world.committee()
    job_id, segment = commitment.job_id, world.case(commitment.job_id)["segment"]
    members = world.members(job_id)
    world.seal(commitment, members[0], commitment.opening(segment))
    before = world.books.wealth()
    world.past_case_deadline(job_id)
    world.refuses(world.court.tally, job_id, sender=world.stranger, error="DeadlineRunning")
    world.travel(world.params.reveal_seconds)
    world.does(world.court.tally, job_id, sender=world.stranger)
    gains = world.books.gains(before)
    assert world.status(job_id) is JobStatus.VOID
    assert all(gains[world.name(member)] == -world.fee() for member in members)


def test_without_a_fresh_seed_the_case_ends_void_and_nobody_is_penalised(world):
    commitment = world.denied()
    before = world.books.wealth()
    world.past_case_deadline(commitment.job_id)
    world.does(world.court.drawCommittee, commitment.job_id, sender=world.stranger)
    gains = world.books.gains(before)
    assert world.status(commitment.job_id) is JobStatus.VOID
    assert world.case(commitment.job_id)["status"] == CaseStatus.RULED
    assert all(amount >= 0 for amount in gains.values())


def test_a_committee_that_cannot_be_completed_ends_void_and_its_members_are_free(world):
    """Every seat but the denier's and two more is busy: the draw is tried again until its time is over."""
    commitment = world.denied()
    denier = world.case(commitment.job_id)["judge"]
    world.bring_seed(world.case(commitment.job_id)["epoch"])
    fill_all_but(world, {denier, *[slot for slot in range(1, 7) if slot != denier][:2]})
    world.does(world.court.drawCommittee, commitment.job_id, sender=world.stranger)
    drawn = [slot for slot in world.case(commitment.job_id)["committee"] if slot]
    assert len(drawn) < 3 and world.case(commitment.job_id)["status"] == CaseStatus.DENIED
    world.does(world.court.drawCommittee, commitment.job_id, sender=world.stranger)
    world.past_case_deadline(commitment.job_id)
    cases = {slot: world.court.slotOf(slot)["cases"] for slot in drawn}

    world.does(world.court.drawCommittee, commitment.job_id, sender=world.stranger)

    assert world.status(commitment.job_id) is JobStatus.VOID
    assert all(world.court.slotOf(slot)["cases"] == cases[slot] - 1 for slot in drawn)


def fill_all_but(world, free: set[int]) -> None:
    """Gives the other slots as many live cases as they can bear."""
    for _ in range(40):
        busy = [slot for slot in range(1, 7) if slot not in free and world.court.slotOf(slot)["cases"] == 4]
        if len(busy) == 6 - len(free):
            return
        commitment = world.audited()
        if world.case(commitment.job_id)["judge"] in free:
            world.confirm(commitment)
    raise AssertionError("the bench could not be filled")
