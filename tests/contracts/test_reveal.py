# SPDX-License-Identifier: Apache-2.0
"""reveal and revealWord: what was sealed, once, in time, by whom, and what it must prove."""

from dataclasses import replace

import pytest
from commitments import Commitment
from world import EVIDENCE, SALT, Terms

from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE, BallotStatus, Comparison

LEAF = b"\x99" * 32
EMPTY = bytes(32)


@pytest.fixture
def sitting(world):
    """A committee that has been drawn: commitment, segment, members."""
    commitment = world.committee()
    return commitment, world.case(commitment.job_id).segment, world.members(commitment.job_id)


def all_sealed(world, sitting):
    commitment, segment, members = sitting
    for member in members:
        world.seal(commitment, member, commitment.opening(segment))
    return commitment, segment, members


def refuses_reveal(world, commitment, member, finding, error: str) -> tuple:
    call, arguments = world.revelation(commitment, member, finding)
    return world.refuses(call, *arguments, sender=member, error=error)


def test_reveal_refuses_while_others_may_still_seal(world, sitting):
    """Threat 23: no finding is seen before all are sealed."""
    commitment, segment, members = sitting
    world.seal(commitment, members[0], commitment.opening(segment))
    refuses_reveal(world, commitment, members[0], commitment.opening(segment), "DeadlineRunning")
    refuses_reveal(world, commitment, members[0], UNAVAILABLE, "DeadlineRunning")


def test_reveal_refuses_before_a_committee_sits(world):
    commitment = world.denied()
    segment = world.case(commitment.job_id).segment
    values = refuses_reveal(world, commitment, world.judges[0], commitment.opening(segment), "WrongBallotStatus")
    assert values == (BallotStatus.REVEALING, BallotStatus.DRAWING)


def test_revealing_begins_at_once_when_all_have_sealed(world, sitting):
    commitment, _, _ = all_sealed(world, sitting)
    ballot = world.ballot(commitment.job_id)
    assert ballot.status is BallotStatus.REVEALING
    assert ballot.deadline == world.rpc.now() + world.params.reveal_seconds


def test_reveal_refuses_what_was_not_sealed(world, sitting):
    """Threats 4, 23: a seal is bound to finding, salt, evidence and judge."""
    commitment, segment, members = all_sealed(world, sitting)
    member, opening = members[0], commitment.opening(segment)
    refuses_reveal(world, commitment, member, commitment.other_opening(segment), "SealMismatch")
    refuses_reveal(world, commitment, member, UNAVAILABLE, "SealMismatch")
    call, (*place, job, opening, _, proof) = world.revelation(commitment, member, opening)
    for envelope in ((b"\x01" * 32, SALT), (EVIDENCE, b"\x08" * 32)):
        world.refuses(call, *place, job, opening, envelope, proof, sender=member, error="SealMismatch")


def test_another_judges_seal_cannot_be_replayed(world, sitting):
    commitment, segment, members = sitting
    job_id, opening = commitment.job_id, commitment.opening(segment)
    leaf = commitment.leaf_of(segment, opening)
    copied = seal_of(job_id, 1, members[0].address, leaf, EVIDENCE, SALT)
    for seat, member in enumerate(members):
        world.does(world.ballots.seal, job_id, 1, seat, copied, sender=member)
    world.reveal(commitment, members[0], opening)
    refuses_reveal(world, commitment, members[1], opening, "SealMismatch")


def test_reveal_refuses_a_member_that_did_not_seal(world, sitting):
    commitment, segment, members = sitting
    world.seal(commitment, members[0], commitment.opening(segment))
    world.past_case_deadline(commitment.job_id)
    refuses_reveal(world, commitment, members[1], commitment.opening(segment), "NotSealed")


def test_reveal_refuses_twice_from_outside_and_late(world, sitting):
    commitment, segment, members = all_sealed(world, sitting)
    opening = commitment.opening(segment)
    world.reveal(commitment, members[0], opening)
    refuses_reveal(world, commitment, members[0], opening, "AlreadyRevealed")
    refuses_reveal(world, commitment, world.stranger, opening, "NotSealed")
    call, arguments = world.revelation(commitment, members[1], opening)
    world.refuses(call, *arguments, sender=world.stranger, error="SealMismatch")
    deadline = world.ballot(commitment.job_id).deadline
    world.past_case_deadline(commitment.job_id)
    assert refuses_reveal(world, commitment, members[1], opening, "DeadlinePassed") == (deadline, deadline + 1)


def test_reveal_refuses_a_proof_that_does_not_lead_to_the_root(world, sitting):
    commitment, segment, members = sitting
    other = commitment.other_opening(segment)
    world.seal(commitment, members[0], other)
    world.past_case_deadline(commitment.job_id)
    call, (*place, _, opening, envelope, _) = world.revelation(commitment, members[0], other)
    rest, proof = (*place, world.job(commitment.job_id).state(), opening, envelope), commitment.proof(segment)
    world.refuses(call, *rest, proof, sender=members[0], error="WrongOpening")
    values = world.refuses(call, *rest, proof[1:], sender=members[0], error="WrongProofLength")
    assert values == (len(proof), len(proof) - 1)
    world.reveal(commitment, members[0], other)


def test_reveal_refuses_to_acquit_by_a_commitment_that_is_not_the_sellers(world, sitting):
    """A root of the member's own, or its own leaf for a root, would prove anything."""
    commitment, segment, members = sitting
    job_id = commitment.job_id
    own = Commitment(job_id, world.job(job_id).segments, nonce=777)
    world.seal(commitment, members[0], own.opening(segment))
    world.past_case_deadline(job_id)
    call, (*place, _, opening, envelope, _) = world.revelation(commitment, members[0], own.opening(segment))
    for lie, proof in (
        (replace(world.job(job_id), segment_root=own.root), own.proof(segment)),
        (replace(world.job(job_id), segment_root=own.leaves[segment], segments=1), []),
    ):
        arguments = (*place, lie.state(), opening, envelope, proof)
        assert world.refuses(call, *arguments, sender=members[0], error="StaleJob") == (job_id,)


@pytest.mark.parametrize("comparison", [Comparison.TOLERANCE, Comparison.DELIVERY])
def test_reveal_by_preimage_is_refused_outside_the_exact_class(world, comparison):
    commitment = world.committee(Terms(comparison=comparison))
    segment, member = world.case(commitment.job_id).segment, world.members(commitment.job_id)[0]
    values = refuses_reveal(world, commitment, member, commitment.opening(segment), "WrongComparison")
    assert values == (comparison,)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (Comparison.EXACT, [MATCH, MISMATCH, LEAF, EMPTY]),
        (Comparison.TOLERANCE, [LEAF, EMPTY]),
        (Comparison.DELIVERY, [MISMATCH, LEAF, EMPTY]),
    ],
)
def test_reveal_word_refuses_words_that_do_not_fit_the_class(world, comparison, words):
    """In the exact class a match or a mismatch needs its preimage."""
    commitment = world.committee(Terms(comparison=comparison))
    member = world.members(commitment.job_id)[0]
    for word in words:
        assert refuses_reveal(world, commitment, member, word, "WrongVerdict") == (word,)


@pytest.mark.parametrize(
    ("comparison", "word"),
    [
        (Comparison.EXACT, UNAVAILABLE),
        (Comparison.TOLERANCE, MATCH),
        (Comparison.TOLERANCE, MISMATCH),
        (Comparison.DELIVERY, MATCH),
        (Comparison.DELIVERY, UNAVAILABLE),
    ],
)
def test_a_word_that_fits_the_class_is_kept(world, comparison, word):
    commitment = world.committee(Terms(comparison=comparison))
    world.votes(commitment, [word] * 3)
    assert bytes(world.ballots.findingOf(commitment.job_id, 1, 0)) == word
    assert bytes(world.ballots.verdictOf(commitment.job_id, 1)) == word


def test_reveal_word_refuses_twice(world, sitting):
    commitment, _, members = sitting
    world.votes(commitment, [UNAVAILABLE, UNAVAILABLE, None])
    refuses_reveal(world, commitment, members[0], UNAVAILABLE, "AlreadyRevealed")


def test_a_revealed_finding_takes_the_place_of_its_seal(world, sitting):
    commitment, segment, members = all_sealed(world, sitting)
    job_id = commitment.job_id
    done = world.reveal(commitment, members[1], commitment.opening(segment))
    leaf, ballot = commitment.leaves[segment], world.ballot(job_id)
    assert bytes(world.ballots.findingOf(job_id, 1, 1)) == leaf
    assert (ballot.sealed_seats, ballot.revealed_seats, ballot.proved_seats) == (0b111, 0b010, 0b010)
    expected = {"jobId": job_id, "round": 1, "judge": ballot.committee[1], "verdict": leaf, "evidenceCid": EVIDENCE}
    assert done.event("Revealed") == expected
