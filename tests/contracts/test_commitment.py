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
    commitment = world.audited(Terms(max_price=20 * 10**18, segments=segments))
    assert len(commitment.proof(0)) == twin.merkle_depth(segments)
    world.confirm(commitment)
    assert world.case(commitment.job_id).status is CaseStatus.CLOSED


@pytest.mark.parametrize("segments", [1, 5, 8])
def test_a_proof_of_the_wrong_length_is_refused(world, segments):
    commitment = world.audited(Terms(max_price=20 * 10**18, segments=segments))
    segment, judge = world.case(commitment.job_id).segment, world.judge_of(commitment.job_id)
    proof, depth = commitment.proof(segment), twin.merkle_depth(segments)
    for wrong in ([*proof, bytes(32)], proof[:-1] if proof else [bytes(32)] * 2):
        assert len(wrong) != depth
        arguments = (*world.with_job(commitment.job_id), commitment.opening(segment), wrong)
        world.refuses(world.court.confirm, *arguments, sender=judge, error="OpeningNotCommitted")


def refuses(world, commitment, opening: tuple, proof: list) -> None:
    arguments = (*world.with_job(commitment.job_id), opening, proof)
    judge = world.judge_of(commitment.job_id)
    world.refuses(world.court.confirm, *arguments, sender=judge, error="OpeningNotCommitted")


def test_another_segments_opening_is_refused(world):
    """Threat 71: the index is in the leaf and chooses the sides."""
    commitment = world.audited()
    segment = world.case(commitment.job_id).segment
    other = (segment + 1) % len(commitment.leaves)
    refuses(world, commitment, commitment.opening(other), commitment.proof(other))
    refuses(world, commitment, commitment.opening(segment), commitment.proof(other))
    refuses(world, commitment, commitment.opening(other), commitment.proof(segment))


def test_another_jobs_opening_is_refused(world):
    commitment = world.audited()
    segment = world.case(commitment.job_id).segment
    twin_job = Commitment(commitment.job_id + 1, len(commitment.leaves), commitment.nonce)
    refuses(world, commitment, commitment.opening(segment), twin_job.proof(segment))


def test_an_inner_node_does_not_pass_for_a_leaf(world):
    """Second preimage: a job of two segments whose root is an inner node of another tree; tags keep them apart."""
    commitment = world.audited(Terms(segments=8, max_price=20 * 10**18))
    segment = world.case(commitment.job_id).segment
    sibling = commitment.leaves[segment ^ 1]
    left, right = sorted([commitment.leaves[segment], sibling], key=commitment.leaves.index)
    forged = (left, right, bytes(32))
    refuses(world, commitment, forged, commitment.proof(segment))
    refuses(world, commitment, forged, commitment.proof(segment)[1:])


def test_the_padding_opens_nothing(world):
    """The zero words on the right have no preimage that anybody could show."""
    commitment = world.audited(Terms(segments=5))
    refuses(world, commitment, (bytes(32), bytes(32), bytes(32)), commitment.proof(4))


@pytest.mark.parametrize(("honest", "ruling"), [(True, JobStatus.SUBMITTED), (False, JobStatus.SLASHED)])
def test_with_one_segment_the_leaf_is_the_root_and_needs_no_proof(world, honest, ruling):
    commitment = world.committee(Terms(max_price=15 * 10**18, segments=1))
    opening = commitment.opening(0) if honest else commitment.other_opening(0)
    world.ruled(commitment, [opening] * 3)
    assert world.status(commitment.job_id) is ruling


def test_seals_bind_what_the_twin_seals(world):
    commitment = world.committee()
    segment, member = world.case(commitment.job_id).segment, world.members(commitment.job_id)[0]
    world.seal(commitment, member, commitment.opening(segment), salt=b"\x33" * 32)
    leaf = commitment.leaves[segment]
    sealed = twin.seal(commitment.job_id, 1, member.address, leaf, EVIDENCE, b"\x33" * 32)
    assert bytes(world.ballots.findingOf(commitment.job_id, 1, 0)) == sealed
