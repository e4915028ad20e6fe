# SPDX-License-Identifier: Apache-2.0
"""drawCommittee, seal, reveal: three judges who cannot see each other's findings."""

import pytest
from world import EVIDENCE

from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.types import CaseStatus

SALT = b"\x07" * 32


@pytest.fixture
def sitting(world):
    """A committee that has been drawn: commitment, segment, members."""
    commitment = world.committee()
    return commitment, world.case(commitment.job_id)["segment"], world.members(commitment.job_id)


def sealed_case(world, sitting):
    commitment, segment, members = sitting
    for member in members:
        world.seal(commitment, member, commitment.opening(segment))
    return commitment, segment, members


def test_draw_committee_refuses_a_case_that_was_not_denied(world):
    commitment = world.audited()
    world.refuses(world.court.drawCommittee, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")


def test_draw_committee_refuses_while_the_fresh_seed_is_unknown(world):
    commitment = world.denied()
    epoch = world.case(commitment.job_id)["epoch"]
    values = world.refuses(
        world.court.drawCommittee, commitment.job_id, sender=world.stranger, error="SeedNotKnown"
    )
    assert values == (epoch,)


def test_a_committee_has_three_owners_none_of_whom_has_judged_before(world, sitting):
    commitment, _, members = sitting
    case = world.case(commitment.job_id)
    assert len({*members, world.judge_of(commitment.job_id)}) == 4
    assert not {world.buyer, world.seller} & set(members)
    assert case["status"] == CaseStatus.SEALING
    assert case["deadline"] == world.rpc.now() + world.params.seal_min_seconds
    assert all(world.court.slotOf(slot)["cases"] == 1 for slot in case["committee"])


def test_a_committee_is_drawn_once(world, sitting):
    commitment, _, _ = sitting
    world.refuses(world.court.drawCommittee, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")


def test_seal_refuses_before_a_committee_sits(world):
    commitment = world.denied()
    world.refuses(world.court.seal, commitment.job_id, SALT, sender=world.judges[0], error="WrongCaseStatus")


def test_seal_refuses_anybody_outside_the_committee(world, sitting):
    commitment, _, _ = sitting
    outsider = world.judge_of(commitment.job_id)
    values = world.refuses(world.court.seal, commitment.job_id, SALT, sender=outsider, error="NotInCommittee")
    assert values == (outsider.address.lower(),)


def test_seal_refuses_nothing_twice_and_late(world, sitting):
    commitment, segment, members = sitting
    job_id = commitment.job_id
    world.refuses(world.court.seal, job_id, bytes(32), sender=members[0], error="EmptySeal")
    world.seal(commitment, members[0], commitment.opening(segment))
    world.refuses(world.court.seal, job_id, SALT, sender=members[0], error="AlreadySealed")
    world.past_case_deadline(job_id)
    world.refuses(world.court.seal, job_id, SALT, sender=members[1], error="DeadlinePassed")


def test_reveal_refuses_while_others_may_still_seal(world, sitting):
    """Threat 23: no finding is seen before all are sealed."""
    commitment, segment, members = sitting
    world.seal(commitment, members[0], commitment.opening(segment))
    arguments = (commitment.job_id, commitment.opening(segment), EVIDENCE, SALT, commitment.proof(segment))
    world.refuses(world.court.reveal, *arguments, sender=members[0], error="DeadlineRunning")


def test_revealing_begins_at_once_when_all_have_sealed(world, sitting):
    commitment, _, _ = sealed_case(world, sitting)
    case = world.case(commitment.job_id)
    assert case["status"] == CaseStatus.REVEALING
    assert case["deadline"] == world.rpc.now() + world.params.reveal_seconds


def test_reveal_refuses_what_was_not_sealed(world, sitting):
    """Threats 4, 23: a seal is bound to finding, salt, evidence and judge."""
    commitment, segment, members = sealed_case(world, sitting)
    job_id, opening, proof = commitment.job_id, commitment.opening(segment), commitment.proof(segment)
    other = commitment.other_opening(segment)
    for arguments in (
        (job_id, other, EVIDENCE, SALT, []),
        (job_id, opening, b"\x01" * 32, SALT, proof),
        (job_id, opening, EVIDENCE, b"\x08" * 32, proof),
    ):
        world.refuses(world.court.reveal, *arguments, sender=members[0], error="SealMismatch")


def test_another_judges_seal_cannot_be_replayed(world, sitting):
    commitment, segment, members = sitting
    job_id, opening = commitment.job_id, commitment.opening(segment)
    leaf = commitment.leaf_of(segment, opening)
    copied = seal_of(job_id, 1, members[0].address, leaf, EVIDENCE, SALT)
    for member in members:
        world.does(world.court.seal, job_id, copied, sender=member)
    arguments = (job_id, opening, EVIDENCE, SALT, commitment.proof(segment))
    world.does(world.court.reveal, *arguments, sender=members[0])
    world.refuses(world.court.reveal, *arguments, sender=members[1], error="SealMismatch")


def test_reveal_refuses_a_member_that_did_not_seal(world, sitting):
    commitment, segment, members = sitting
    world.seal(commitment, members[0], commitment.opening(segment))
    world.past_case_deadline(commitment.job_id)
    arguments = (commitment.job_id, commitment.opening(segment), EVIDENCE, SALT, commitment.proof(segment))
    world.refuses(world.court.reveal, *arguments, sender=members[1], error="NotSealed")


def test_reveal_refuses_twice_from_outside_and_late(world, sitting):
    commitment, segment, members = sealed_case(world, sitting)
    arguments = (commitment.job_id, commitment.opening(segment), EVIDENCE, SALT, commitment.proof(segment))
    world.does(world.court.reveal, *arguments, sender=members[0])
    world.refuses(world.court.reveal, *arguments, sender=members[0], error="AlreadyRevealed")
    world.refuses(world.court.reveal, *arguments, sender=world.stranger, error="NotInCommittee")
    world.past_case_deadline(commitment.job_id)
    world.refuses(world.court.reveal, *arguments, sender=members[1], error="DeadlinePassed")


def test_reveal_refuses_a_proof_that_does_not_lead_to_the_root(world, sitting):
    commitment, segment, members = sitting
    other = commitment.other_opening(segment)
    world.seal(commitment, members[0], other)
    world.past_case_deadline(commitment.job_id)
    arguments = (commitment.job_id, other, EVIDENCE, SALT, commitment.proof(segment))
    world.refuses(world.court.reveal, *arguments, sender=members[0], error="WrongOpening")
    world.reveal(commitment, members[0], other)


def test_a_revealed_finding_is_kept(world, sitting):
    commitment, segment, members = sealed_case(world, sitting)
    done = world.reveal(commitment, members[1], commitment.opening(segment))
    slot = world.case(commitment.job_id)["committee"][1]
    seat = world.court.seatOf(commitment.job_id, slot)
    assert bytes(seat["leaf"]) == commitment.leaves[segment] and seat["matches"]
    assert done.event("Revealed")["judge"] == slot


def test_tally_refuses_while_a_sealed_finding_is_missing(world, sitting):
    commitment, segment, members = sealed_case(world, sitting)
    world.reveal(commitment, members[0], commitment.opening(segment))
    world.reveal(commitment, members[1], commitment.opening(segment))
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="DeadlineRunning")
    world.past_case_deadline(commitment.job_id)
    world.does(world.court.tally, commitment.job_id, sender=world.stranger)


def test_tally_refuses_before_the_sealing_is_over(world, sitting):
    commitment, _, _ = sitting
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="DeadlineRunning")


def test_tally_refuses_a_case_without_committee_and_a_ruled_one(world):
    commitment = world.denied()
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")
    commitment = world.audited()
    world.confirm(commitment)
    world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")
