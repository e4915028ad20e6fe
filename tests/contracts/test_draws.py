# SPDX-License-Identifier: Apache-2.0
"""Draws do not move with the registry (invariant 20, threats 20 and 21), nor with who asks or when."""

import pytest
from world import CLASS

from swarm.protocol import draw


def expected_slot(world, commitment, bench: list[int], round_: int, epoch: int, excluded: set[int]) -> int:
    """The walk, by the twin, over the bench as it was at the commitment."""
    seed = bytes(world.beacon.seedOf(epoch))
    for attempt in range(64):
        slot = bench[draw.slot_pick(seed, commitment.job_id, round_, attempt, len(bench))]
        if slot not in excluded:
            return slot
    raise AssertionError("nobody is eligible")


def opened(world, commitment) -> int:
    world.open_audit(commitment.job_id)
    return world.case(commitment.job_id).judge


def test_the_judge_and_the_committee_are_those_the_twin_draws(world):
    commitment = world.denied()
    epoch, bench = world.ballot(commitment.job_id).epoch, list(range(1, 7))
    world.draw_committee(commitment.job_id)
    judge = expected_slot(world, commitment, bench, 0, world.job(commitment.job_id).epoch, set())
    assert world.case(commitment.job_id).judge == judge
    seated = {judge}
    for slot in world.ballot(commitment.job_id).committee:
        assert slot == expected_slot(world, commitment, bench, 1, epoch, seated)
        seated.add(slot)


def test_who_joins_after_the_commitment_moves_no_draw(world):
    """Regression seen elsewhere: draws that move when judges join."""
    commitment = world.submitted()
    for account in (world.stranger, world.buyer):
        for _ in range(3):
            world.stake(account, world.params.slot_bond, world.bench)
            world.send(world.bench.takeSlot, CLASS, account, sender=account)
    epoch = world.job(commitment.job_id).epoch
    world.bring_seed(epoch)
    judge = opened(world, commitment)
    assert judge <= 6
    assert judge == expected_slot(world, commitment, list(range(1, 7)), 0, epoch, set())


def test_who_leaves_after_the_commitment_is_still_drawn(world):
    commitment = world.submitted()
    epoch = world.job(commitment.job_id).epoch
    world.bring_seed(epoch)
    judge = expected_slot(world, commitment, list(range(1, 7)), 0, epoch, set())
    world.send(world.bench.leaveSlot, judge, sender=world.judges[judge - 1])
    assert opened(world, commitment) == judge
    world.confirm(commitment)


def test_who_left_before_the_commitment_is_not_drawn(world):
    world.send(world.bench.leaveSlot, 1, sender=world.judges[0])
    world.send(world.bench.leaveSlot, 2, sender=world.judges[1])
    for _ in range(6):
        commitment = world.audited()
        assert world.case(commitment.job_id).judge not in (1, 2)
        world.confirm(commitment)


def test_a_seat_taken_anew_is_no_door_into_older_draws(world):
    """A newcomer in a released seat is too young for a commitment made before it came."""
    commitment = world.submitted()
    epoch = world.job(commitment.job_id).epoch
    world.bring_seed(epoch)
    judge = expected_slot(world, commitment, list(range(1, 7)), 0, epoch, set())
    owner = world.judges[judge - 1]
    world.send(world.bench.leaveSlot, judge, sender=owner)
    world.travel_until(world.bench.slotOf(judge)["activeUntil"] + world.params.slot_exit_delay)
    world.send(world.bench.releaseSlot, judge, sender=owner)
    world.stake(world.stranger, world.params.slot_bond, world.bench)
    world.send(world.bench.takeSlot, CLASS, world.stranger, sender=world.stranger)
    assert world.bench.slotOf(7)["index"] == judge - 1

    assert opened(world, commitment) == expected_slot(world, commitment, list(range(1, 7)), 0, epoch, {judge})


@pytest.mark.parametrize("party", ["buyer", "seller"])
def test_the_parties_are_not_drawn_neither_as_owner_nor_as_operator(world, party):
    account = getattr(world, party)
    world.stake(account, world.params.slot_bond, world.bench)
    world.send(world.bench.takeSlot, CLASS, world.stranger, sender=account)
    world.stake(world.stranger, world.params.slot_bond, world.bench)
    world.send(world.bench.takeSlot, CLASS, account, sender=world.stranger)
    for _ in range(8):
        commitment = world.audited()
        assert world.case(commitment.job_id).judge not in (7, 8)
        world.confirm(commitment)


def test_two_slots_of_one_operator_are_one_judge(world):
    """Two seats in a committee must be two machines."""
    for account in (world.stranger, world.deployer):
        world.send(world.token.faucet, account, world.params.slot_bond, sender=account)
        world.send(world.token.approve, world.vault, 2**256 - 1, sender=account)
        world.stake(account, world.params.slot_bond, world.bench)
        world.send(world.bench.takeSlot, CLASS, world.stranger, sender=account)
    for _ in range(5):
        commitment = world.committee()
        seated = {world.case(commitment.job_id).judge, *world.ballot(commitment.job_id).committee}
        assert not {7, 8} <= seated
        segment = world.case(commitment.job_id).segment
        world.ruled(commitment, [commitment.other_opening(segment)] * 3)


def test_a_full_slot_is_passed_over(world):
    """No slot bears more than four cases, nor more than its bond covers."""
    for _ in range(24):
        world.audited()
    bonds = [world.bond(slot) for slot in range(1, 7)]
    assert [bond.cases for bond in bonds] == [4] * 6
    assert all(bond.reserved == 4 * 5 * world.fee() <= bond.left for bond in bonds)
