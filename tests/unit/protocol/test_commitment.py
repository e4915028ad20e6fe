# SPDX-License-Identifier: Apache-2.0
"""The commitment: proofs that must fail, fail (attacks 4, 21, 71); proofs that must hold, hold."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import IntegrityError
from swarm.protocol import commitment
from swarm.protocol.types import Address, JobId, Opening

LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=33)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_refuses_an_empty_trace():
    with pytest.raises(IntegrityError, match="0 bytes"):
        commitment.trace_root(b"")


def test_refuses_a_trace_with_half_a_record():
    with pytest.raises(IntegrityError):
        commitment.trace_root(bytes(24))


def test_refuses_a_proof_for_another_place():
    leaves = [digest(str(at)) for at in range(4)]
    root, proof = commitment.merkle_root(leaves), commitment.merkle_proof(leaves, 2)
    assert commitment.merkle_verify(root, leaves[2], 2, 4, proof)
    assert not commitment.merkle_verify(root, leaves[2], 3, 4, proof)


def test_refuses_an_inner_node_as_a_leaf():
    """Attack 71: the depth is fixed by the number of segments, so a shorter proof is no proof."""
    leaves = [digest(str(at)) for at in range(4)]
    inner = commitment.sha256(b"\x01", leaves[0], leaves[1])
    sibling = commitment.sha256(b"\x01", leaves[2], leaves[3])
    assert not commitment.merkle_verify(commitment.merkle_root(leaves), inner, 0, 4, [sibling])


def test_refuses_a_place_outside_the_segments():
    leaves = [digest(str(at)) for at in range(3)]
    root = commitment.merkle_root(leaves)
    padding = commitment.merkle_proof([*leaves, bytes(32)], 3)
    assert not commitment.merkle_verify(root, bytes(32), 3, 3, padding)


@given(leaves=LEAVES, data=st.data())
def test_every_leaf_has_a_proof_and_no_other_leaf_passes_with_it(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, proof = commitment.merkle_root(leaves), commitment.merkle_proof(leaves, index)
    assert commitment.merkle_verify(root, leaves[index], index, len(leaves), proof)
    other = data.draw(st.binary(min_size=32, max_size=32).filter(lambda leaf: leaf != leaves[index]))
    assert not commitment.merkle_verify(root, other, index, len(leaves), proof)


def test_one_segment_is_its_own_root():
    assert commitment.merkle_root([digest("only")]) == digest("only")
    assert commitment.merkle_proof([digest("only")], 0) == []


def test_a_leaf_is_bound_to_its_job_and_place():
    opening = Opening(digest("trace"), digest("output"), digest("cid"))
    leaves = {commitment.opened_leaf(JobId(job), index, opening) for job in (1, 2) for index in (0, 1)}
    assert len(leaves) == 4


def test_a_seal_is_bound_to_its_judge():
    """Attack 23: a copied seal opens for nobody else."""
    seals = {
        commitment.seal(JobId(1), 1, Address("0x" + judge * 40), digest("leaf"), digest("evidence"), digest("salt"))
        for judge in "ab"
    }
    assert len(seals) == 2


def test_the_output_hash_sees_names_sizes_and_bytes():
    base = [("a", 1, digest("x")), ("b", 2, digest("y"))]
    assert commitment.output_hash(base) == commitment.output_hash(reversed(base))
    changed = [[("c", 1, digest("x")), base[1]], [("a", 2, digest("x")), base[1]], [("a", 1, digest("z")), base[1]]]
    assert commitment.output_hash(base) not in [commitment.output_hash(files) for files in changed]


def test_the_first_tree_of_three_is_what_the_contracts_hash():
    a, b, c = (digest(name) for name in "abc")
    left = hashlib.sha256(b"\x01" + a + b).digest()
    right = hashlib.sha256(b"\x01" + c + bytes(32)).digest()
    assert commitment.merkle_root([a, b, c]) == hashlib.sha256(b"\x01" + left + right).digest()
