# SPDX-License-Identifier: Apache-2.0
"""Leaves, proofs and second preimages, through the doors that everybody else must use."""

import pytest
from commitments import Commitment
from world import EVIDENCE, Terms

from swarm.protocol import commitment as twin
from swarm.protocol.types import CaseStatus, JobStatus


@pytest.mark.parametrize("segments", [1, 2, 3, 5, 8, 9, 64])
def test_a_commitment_of_any_size_is_opened(world, segments):
    """n = 1 has no proof; sizes that are no power of two are padded on the right."""
    commitment = world.audited(Terms(price=20 * 10**18, segments=segments))
    assert len(commitment.proof(0)) == twin.merkle_depth(segments)
    world.confirm(commitment)
    assert world.case(commitment.job_id)["status"] == CaseStatus.RULED


@pytest.mark.parametrize("segments", [1, 5, 8])
def test_a_proof_of_the_wrong_length_is_refused(world, segments):
    commitment = world.audited(Terms(price=20 * 10**18, segments=segments))
    segment, judge = world.case(commitment.job_id)["segment"], world.judge_of(commitment.job_id)
    proof, depth = commitment.proof(segment), twin.merkle_depth(segments)
    for wrong in ([*proof, bytes(32)], proof[:-1] if proof else [bytes(32)] * 2):
        arguments = (commitment.job_id, commitment.opening(segment), wrong)
        values = world.refuses(world.court.confirm, *arguments, sender=judge, error="WrongProofLength")
        assert values == (depth, len(wrong))


def test_another_segments_opening_is_refused(world):
    """Threat 71: the index is in the leaf and chooses the sides."""
    commitment = world.audited()
    segment, judge = world.case(commitment.job_id)["segment"], world.judge_of(commitment.job_id)
    other = (segment + 1) % commitment.segments
    for opening, proof in (
        (commitment.opening(other), commitment.proof(other)),
        (commitment.opening(segment), commitment.proof(other)),
        (commitment.opening(other), commitment.proof(segment)),
    ):
        world.refuses(
            world.court.confirm, commitment.job_id, opening, proof, sender=judge, error="WrongOpening"
        )


def test_another_jobs_opening_is_refused(world):
    commitment = world.audited()
    segment = world.case(commitment.job_id)["segment"]
    twin_job = Commitment(commitment.job_id + 1, commitment.segments, commitment.nonce)
    world.refuses(
        world.court.confirm,
        commitment.job_id,
        commitment.opening(segment),
        twin_job.proof(segment),
        sender=world.judge_of(commitment.job_id),
        error="WrongOpening",
    )


def test_an_inner_node_does_not_pass_for_a_leaf(world):
    """Second preimage: a job of two segments whose root is an inner node of another tree; tags keep them apart."""
    commitment = world.audited(Terms(segments=8, price=20 * 10**18))
    segment, judge = world.case(commitment.job_id)["segment"], world.judge_of(commitment.job_id)
    sibling = commitment.leaves[segment ^ 1]
    left, right = sorted([commitment.leaves[segment], sibling], key=commitment.leaves.index)
    forged = (left, right, bytes(32))
    world.refuses(
        world.court.confirm, commitment.job_id, forged, commitment.proof(segment), sender=judge, error="WrongOpening"
    )
    shorter = commitment.proof(segment)[1:]
    world.refuses(
        world.court.confirm, commitment.job_id, forged, shorter, sender=judge, error="WrongProofLength"
    )


def test_the_padding_opens_nothing(world):
    """The zero words on the right have no preimage that anybody could show."""
    commitment = world.audited(Terms(segments=5))
    zero = (bytes(32), bytes(32), bytes(32))
    world.refuses(
        world.court.confirm,
        commitment.job_id,
        zero,
        commitment.proof(4),
        sender=world.judge_of(commitment.job_id),
        error="WrongOpening",
    )


@pytest.mark.parametrize(("honest", "ruling"), [(True, JobStatus.SUBMITTED), (False, JobStatus.SLASHED)])
def test_with_one_segment_the_leaf_is_the_root_and_needs_no_proof(world, honest, ruling):
    commitment = world.committee(Terms(price=15 * 10**18, segments=1))
    opening = commitment.opening(0) if honest else commitment.other_opening(0)
    world.votes(commitment, [opening] * 3)
    world.does(world.court.tally, commitment.job_id, sender=world.stranger)
    assert world.status(commitment.job_id) is ruling


def test_seals_bind_what_the_twin_seals(world):
    commitment = world.committee()
    segment, member = world.case(commitment.job_id)["segment"], world.members(commitment.job_id)[0]
    world.seal(commitment, member, commitment.opening(segment), salt=b"\x33" * 32)
    slot = world.case(commitment.job_id)["committee"][0]
    leaf = commitment.leaves[segment]
    sealed = twin.seal(commitment.job_id, 1, member.address, leaf, EVIDENCE, b"\x33" * 32)
    assert bytes(world.court.seatOf(commitment.job_id, slot)["seal"]) == sealed
