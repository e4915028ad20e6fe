# SPDX-License-Identifier: Apache-2.0
"""handBack: a running job splits into what is done and what another seller goes on with."""

import pytest
from commitments import Commitment
from stories import Reckoning, another_seller, executed, hand_back, part_of
from world import Terms

from swarm.protocol import money
from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import JobStatus

TERMS = Terms(parts=3)
ODD = Terms(max_price=100 * TOKEN + 1, start_price=70 * TOKEN + 3, segments=7, parts=3)


@pytest.fixture
def running(world):
    """A job that may be handed back, and a commitment to its first three segments."""
    job_id = world.accepted(TERMS)
    return job_id, Commitment(job_id, 3)


def refuses(world, job_id: int, part: tuple, last: tuple, error: str, sender=None) -> tuple:
    arguments = (*world.with_terms(job_id), part, last)
    return world.refuses(world.escrow.handBack, *arguments, sender=sender or world.seller, error=error)


# refusals


def test_hand_back_refuses_a_job_that_does_not_run(world, running):
    _, commitment = running
    values = refuses(world, world.post(TERMS), *part_of(commitment), "WrongStatus")
    assert values == (JobStatus.RUNNING, JobStatus.OPEN)
    submitted = world.submitted(TERMS)
    values = refuses(world, submitted.job_id, *part_of(commitment), "WrongStatus")
    assert values == (JobStatus.RUNNING, JobStatus.SUBMITTED)


def test_hand_back_refuses_everybody_but_the_seller(world, running):
    job_id, commitment = running
    for sender in (world.buyer, world.stranger):
        assert refuses(world, job_id, *part_of(commitment), "OnlySeller", sender) == (world.seller.address.lower(),)


def test_hand_back_refuses_after_the_deadline(world, running):
    job_id, commitment = running
    world.past_deadline(job_id)
    refuses(world, job_id, *part_of(commitment), "TooLate")


def test_hand_back_refuses_an_old_state_and_other_terms(world, running):
    job_id, commitment = running
    job, state, terms = world.with_terms(job_id)
    call, part = world.escrow.handBack, part_of(commitment)
    richer = (*state[:7], state[7] + 1, *state[8:])
    world.refuses(call, job, richer, terms, *part, sender=world.seller, error="StaleJob")
    other = Terms(parts=4).values()
    world.refuses(call, job, state, other, *part, sender=world.seller, error="StaleTerms")


def test_hand_back_refuses_a_job_of_one_part(world):
    job_id = world.accepted(Terms(parts=1))
    assert refuses(world, job_id, *part_of(Commitment(job_id, 3)), "PartsOutOfRange") == (1, 2)


@pytest.mark.parametrize("done", [0, 5, 6])
def test_hand_back_refuses_none_and_all_of_the_segments(world, running, done):
    job_id, commitment = running
    (result, root, _), last = part_of(commitment)
    assert refuses(world, job_id, (result, root, done), last, "SegmentsOutOfRange") == (4, done)


def test_hand_back_refuses_an_output_that_the_last_leaf_does_not_commit_to(world, running):
    """The next seller would start from something nobody answers for."""
    job_id, commitment = running
    part, (digest, cid, proof) = part_of(commitment)
    wrong = b"\x99" * 32
    for last in (
        (digest, wrong, proof),
        (wrong, cid, proof),
        (digest, cid, proof[:-1]),
        (digest, cid, [*proof, wrong]),
    ):
        refuses(world, job_id, part, last, "WrongOutput")


def test_hand_back_refuses_an_earlier_segments_output(world, running):
    job_id, commitment = running
    part, _ = part_of(commitment)
    _, earlier = part_of(Commitment(job_id, 2))
    refuses(world, job_id, part, (*earlier[:2], commitment.proof(1)), "WrongOutput")


def test_hand_back_refuses_another_jobs_output(world, running):
    job_id, _ = running
    refuses(world, job_id, *part_of(Commitment(job_id + 1, 3)), "WrongOutput")


def test_hand_back_refuses_an_empty_result(world, running):
    job_id, commitment = running
    (_, root, done), last = part_of(commitment)
    refuses(world, job_id, (bytes(32), root, done), last, "EmptyCid")


def test_hand_back_refuses_when_the_parts_are_exhausted(world):
    terms = Terms(parts=2)
    _, rest = hand_back(world, world.accepted(terms), 3)
    world.accept(rest)
    assert refuses(world, rest, *part_of(Commitment(rest, 1)), "PartsOutOfRange") == (1, 2)


# the split


@pytest.mark.parametrize("terms", [TERMS, ODD])
@pytest.mark.parametrize("done", [1, 3, 4])
def test_the_job_splits_and_no_unit_is_lost(world, terms, done):
    job_id = world.accepted(terms)
    before, wealth = world.job(job_id), world.books.wealth()
    commitment, rest = hand_back(world, job_id, done)
    assert world.books.gains(wealth) == {}  # no penalty, no payment
    part, other = world.job(job_id), world.job(rest)
    left = terms.segments - done
    assert (part.segments, other.segments) == (done, left)
    assert part.price == before.price * done // terms.segments
    assert part.held + other.held == before.held
    assert other.terms.max_price == terms.max_price * left // terms.segments
    assert part.price + other.terms.max_price <= before.held
    assert other.held == world.escrow.escrowFor(other.terms.max_price, left, 2)
    assert (part.status, other.status) == (JobStatus.SUBMITTED, JobStatus.OPEN)
    assert (part.collateral, part.audit_bps) == (before.collateral, before.audit_bps)
    assert part.segment_root == commitment.root


def test_the_rest_goes_on_where_the_part_ended(world):
    job_id = world.accepted(ODD)
    commitment, rest = hand_back(world, job_id, 4)
    terms = world.job(rest).terms
    assert terms.input == commitment.opening(3)[2]
    assert (terms.first_segment, terms.segments, terms.parts) == (4, 3, 2)
    assert terms.start_price == ODD.start_price * 3 // 7
    assert (terms.spec_cid, terms.hardware_class, terms.comparison) == (
        ODD.spec_cid,
        ODD.hardware_class,
        ODD.comparison,
    )
    assert world.job(rest).buyer == world.buyer.address.lower() or world.job(rest).buyer == world.buyer.address
    assert world.job(rest).open_until == world.rpc.now() + ODD.open_seconds


def test_a_rest_can_be_handed_back_in_its_turn(world):
    _, rest = hand_back(world, world.accepted(ODD), 2)
    world.accept(rest)
    _, last = hand_back(world, rest, 2)
    terms = world.job(last).terms
    assert (terms.first_segment, terms.segments, terms.parts) == (4, 3, 1)


# how it ends


def settled(world, job_ids: list[int]) -> dict[str, int]:
    """What the settlement of these jobs brings pool and burning, and takes from the buyer, by the twin."""
    fees = [money.bps_up(world.job(job_id).price, 100) for job_id in job_ids]
    levies = sum(world.levy(job_id) for job_id in job_ids)
    prices = sum(world.job(job_id).price for job_id in job_ids)
    burned = sum(fee // 2 for fee in fees)
    return {"buyer": -prices - levies, "pool": sum(fees) - burned + levies, "burned": burned}


@pytest.mark.parametrize("terms", [TERMS, ODD])
def test_two_sellers_finish_a_job_and_each_is_paid_its_part(world, terms):
    before = world.books.wealth()
    job_id = world.accepted(terms)
    _, rest = hand_back(world, job_id, 3)
    another = another_seller(world)
    before["other 0"] = 20_000 * TOKEN
    world.accept(rest, seller=another)
    world.submit(rest, drawn=False)
    world.bring_seed(world.job(job_id).epoch)
    world.bring_seed(world.job(rest).epoch)
    expected = settled(world, [job_id, rest])
    prices = world.job(job_id).price, world.job(rest).price
    for job in (job_id, rest):
        world.settle(job)
    paid = [price - money.bps_up(price, 100) for price in prices]
    assert world.books.gains(before) == expected | {"seller": paid[0], "other 0": paid[1]}
    assert world.vault.lockedBy(world.seller, world.escrow) == world.vault.lockedBy(another, world.escrow) == 0


def test_the_part_that_is_done_is_audited_like_any_job(world):
    job_id = world.accepted(ODD)
    commitment, _ = hand_back(world, job_id, 3, drawn=True)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    assert world.case(job_id).segment < 3
    judge, before = world.name(world.judge_of(job_id)), world.books.wealth()
    job, levy = world.job(job_id), world.levy(job_id)
    world.confirm(commitment)
    fee = money.judge_fee(job.price, 3, world.params.fee_min)
    returned = job.held - job.price - levy - (fee - levy)
    assert levy < fee
    assert world.books.gains(before) == {judge: fee, "buyer": returned}


def test_a_cheat_who_hands_back_is_slashed_for_its_part_and_the_rest_is_untouched(world):
    job_id = world.accepted(TERMS)
    commitment, rest = hand_back(world, job_id, 3, drawn=True)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    before = world.books.wealth()
    job, levy = world.job(job_id), world.levy(job_id)
    world.deny(commitment)
    denier = world.name(world.judge_of(job_id))
    members = executed(world, commitment, ["other"] * 3)
    expected = Reckoning(world, job_id, pool=before["pool"]).slashed(members, first=denier)
    whole = world.escrow.escrowFor(TERMS.max_price, TERMS.segments, TERMS.parts) - job.price - levy
    expected["buyer"] += (job.held - job.price - levy) - whole  # the rest's share is with the rest
    assert world.books.gains(before) == expected
    assert world.status(job_id) is JobStatus.SLASHED
    assert world.status(rest) is JobStatus.OPEN


def test_the_buyer_may_take_the_rest_back(world):
    _, rest = hand_back(world, world.accepted(TERMS), 3)
    before, held = world.books.wealth(), world.job(rest).held
    world.does(world.escrow.cancel, *world.with_job(rest), sender=world.buyer)
    assert world.books.gains(before) == {"buyer": held}


def test_a_rest_nobody_accepts_is_refunded(world):
    _, rest = hand_back(world, world.accepted(TERMS), 3)
    before, held = world.books.wealth(), world.job(rest).held
    world.past_deadline(rest)
    world.does(world.escrow.refund, *world.with_job(rest), sender=world.stranger)
    assert world.books.gains(before) == {"buyer": held}
