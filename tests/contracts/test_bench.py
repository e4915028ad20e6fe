# SPDX-License-Identifier: Apache-2.0
"""takeSlot, leaveSlot, releaseSlot, strikes and suspensions."""

import pytest
from world import CLASS, ZERO

from swarm.protocol.parameters import DAY
from swarm.protocol.types import Bond


@pytest.fixture
def newcomer(world):
    """The stranger with a bond in the vault, not seated yet."""
    world.stake(world.stranger, world.params.slot_bond, world.bench)
    return world.stranger


def left_slot(world, slot_id: int = 1):
    """A judge that has left, and when its bond is free."""
    owner = world.judges[slot_id - 1]
    world.does(world.bench.leaveSlot, slot_id, sender=owner)
    return owner, world.bench.slotOf(slot_id)["activeUntil"] + world.params.slot_exit_delay


def test_take_slot_refuses_no_operator(world, newcomer):
    world.refuses(world.bench.takeSlot, CLASS, ZERO, sender=newcomer, error="ZeroOperator")


def test_take_slot_refuses_without_a_bond(world):
    values = world.refuses(world.bench.takeSlot, CLASS, world.buyer, sender=world.buyer, error="NotAuthorised")
    assert values[1] == world.bench.address.lower()
    world.send(world.vault.authorise, world.bench, sender=world.buyer)
    world.refuses(world.bench.takeSlot, CLASS, world.buyer, sender=world.buyer, error="InsufficientStake")


def test_a_slot_names_its_owner_operator_and_class(world, newcomer):
    done = world.does(world.bench.takeSlot, 3, world.deployer, sender=newcomer)
    slot = world.bench.slotOf(done.event("SlotTaken")["slotId"])
    assert (slot["owner"], slot["operator"], slot["hardwareClass"]) == (newcomer, world.deployer, 3)
    assert (slot["activeFrom"], slot["activeUntil"]) == (world.rpc.now(), 0)
    assert world.vault.lockedBy(newcomer, world.bench) == world.params.slot_bond
    assert world.bench.isActive(7)
    assert (world.bench.ownersOf(3), world.bench.ownersOf(CLASS)) == (1, len(world.judges))


def test_several_slots_of_one_owner_count_as_one_judge(world):
    owner = world.judges[0]
    world.send(world.vault.deposit, owner, world.params.slot_bond, sender=owner)
    world.does(world.bench.takeSlot, CLASS, owner, sender=owner)
    assert world.bench.ownersOf(CLASS) == len(world.judges)
    world.does(world.bench.leaveSlot, 1, sender=owner)
    assert world.bench.ownersOf(CLASS) == len(world.judges)
    world.does(world.bench.leaveSlot, 7, sender=owner)
    assert world.bench.ownersOf(CLASS) == len(world.judges) - 1


def test_leave_slot_refuses_anybody_but_its_owner(world):
    values = world.refuses(world.bench.leaveSlot, 1, sender=world.stranger, error="OnlySlotOwner")
    assert values == (world.judges[0].address.lower(),)


def test_leave_slot_refuses_a_slot_that_has_left(world):
    owner, _ = left_slot(world)
    assert world.refuses(world.bench.leaveSlot, 1, sender=owner, error="SlotNotActive") == (1,)


def test_release_slot_refuses_anybody_but_its_owner(world):
    _, ready_at = left_slot(world)
    world.travel_until(ready_at)
    world.refuses(world.bench.releaseSlot, 1, sender=world.stranger, error="OnlySlotOwner")


def test_release_slot_refuses_while_the_slot_is_active(world):
    now = world.rpc.now()
    values = world.refuses(world.bench.releaseSlot, 1, sender=world.judges[0], error="ExitDelayRunning")
    assert values == (now + world.params.slot_exit_delay, now)


def test_release_slot_refuses_before_the_exit_delay_is_over(world):
    """Threat 34: an exit race at the boundary."""
    owner, ready_at = left_slot(world)
    world.travel_until(ready_at - 1)
    values = world.refuses(world.bench.releaseSlot, 1, sender=owner, error="ExitDelayRunning")
    assert values == (ready_at, ready_at - 1)


def test_release_slot_refuses_while_a_case_is_live(world):
    commitment = world.audited()
    slot_id = world.case(commitment.job_id).judge
    owner, ready_at = left_slot(world, slot_id)
    world.travel_until(ready_at)
    assert world.refuses(world.bench.releaseSlot, slot_id, sender=owner, error="SlotBusy") == (1,)


def test_a_released_slot_returns_its_bond_and_its_seat_is_taken_anew(world, newcomer):
    owner, ready_at = left_slot(world)
    seat = world.bench.slotOf(1)["index"]
    world.travel_until(ready_at)
    world.does(world.bench.releaseSlot, 1, sender=owner)
    assert world.vault.lockedBy(owner, world.bench) == 0
    assert int(world.bench.slotOf(1)["owner"], 16) == 0

    done = world.does(world.bench.takeSlot, CLASS, newcomer, sender=newcomer)

    slot_id = done.event("SlotTaken")["slotId"]
    assert slot_id == 7 and world.bench.slotOf(slot_id)["index"] == seat


def test_a_slot_with_less_than_half_of_its_bond_is_suspended(world):
    """It must not count as a judge that the next seller is promised."""
    suspended = set()
    while not suspended:
        commitment = world.committee()
        segment = world.case(commitment.job_id).segment
        slot_id = world.case(commitment.job_id).judge
        world.ruled(commitment, [commitment.opening(segment)] * 3)
        bond = world.bond(slot_id)
        assert bond.reserved == 0
        if 2 * bond.left < world.params.slot_bond:
            suspended.add(slot_id)
        assert world.slot(slot_id).is_active is (slot_id not in suspended)
    assert world.bench.ownersOf(CLASS) == len(world.judges) - 1


def test_a_slot_that_is_late_three_times_is_suspended(world):
    """Threat 28."""
    strikes = dict.fromkeys(range(1, 7), 0)
    while max(strikes.values()) < 3:
        commitment = world.audited()
        slot_id = world.case(commitment.job_id).judge
        assert strikes[slot_id] < 3
        world.replace_judge(commitment.job_id)
        strikes[slot_id] += 1
        assert world.slot(slot_id).strikes == strikes[slot_id]
        assert world.slot(slot_id).is_active is (strikes[slot_id] < 3)
        world.confirm(commitment)
    assert world.bench.ownersOf(CLASS) == 5


def test_only_the_court_and_its_ballots_assign_and_penalise(world):
    walk = (1, 0, bytes(32), 0, CLASS, 1, world.buyer, world.seller, 0, 1)
    bench, courts = world.bench, (world.court.address.lower(), world.ballots.address.lower())
    for sender in (world.judges[0], world.escrow):
        for call, arguments in (
            (bench.draw, (walk, [])),
            (bench.enlist, (1, walk, [])),
            (bench.dismiss, ([1], 0)),
            (bench.penalise, (1, 1, 0, 1, True)),
            (bench.suspend, (1, 1, 1)),
        ):
            assert world.refuses(call, *arguments, sender=sender, error="OnlyTheCourts") == courts


def test_collect_refuses_a_slot_that_has_earned_nothing(world):
    """Nobody is paid twice for one fee."""
    assert world.refuses(world.bench.collect, 1, sender=world.judges[0], error="NothingEarned") == (1,)
    commitment = world.audited()
    slot_id, judge = world.case(commitment.job_id).judge, world.judge_of(commitment.job_id)
    world.confirm(commitment)
    world.collect(judge)
    world.refuses(world.bench.collect, slot_id, sender=judge, error="NothingEarned")


def test_anybody_has_a_judges_fees_paid_to_it_in_one_sum(world):
    earned, fee = {}, world.fee()
    for _ in range(3):
        commitment = world.audited()
        slot_id = world.case(commitment.job_id).judge
        world.confirm(commitment)
        earned[slot_id] = earned.get(slot_id, 0) + fee
    for slot_id, amount in earned.items():
        owner = world.slot(slot_id).owner
        before = world.token.balanceOf(owner)
        assert world.bond(slot_id).earned == amount
        done = world.does(world.bench.collect, slot_id, sender=world.stranger)
        assert done.event("FeesCollected") == {"slotId": slot_id, "owner": owner, "amount": amount}
        assert world.token.balanceOf(owner) == before + amount and world.bond(slot_id).earned == 0


def test_releasing_a_slot_pays_what_it_has_earned(world):
    commitment = world.audited()
    slot_id, judge = world.case(commitment.job_id).judge, world.judge_of(commitment.job_id)
    world.confirm(commitment)
    before = world.token.balanceOf(judge)
    world.does(world.bench.leaveSlot, slot_id, sender=judge)
    world.travel(world.params.slot_exit_delay)
    world.does(world.bench.releaseSlot, slot_id, sender=judge)
    assert world.token.balanceOf(judge) == before + world.fee()
    assert world.bond(slot_id) == Bond(0, 0, 0, 0)


def test_only_the_treasury_credits_judges_and_only_the_bench_has_them_paid(world):
    values = world.refuses(world.bench.reward, 1, [1], 5, 5, sender=world.court, error="OnlyTheTreasury")
    assert values == (world.escrow.address.lower(),)
    arguments = (world.judges[0], 5)
    values = world.refuses(world.escrow.payJudge, *arguments, sender=world.judges[0], error="OnlyBench")
    assert values == (world.bench.address.lower(),)


def test_a_full_account_of_fees_holds_up_no_ruling(world):
    """Nobody will be owed 2**88 − 1 units of a token a deployer would choose; a ruling must pass all the same."""
    most = 2**88 - 1
    world.rpc.call("anvil_impersonateAccount", world.escrow.address)
    world.rpc.call("anvil_setBalance", world.escrow.address, hex(10**20))
    world.send(world.bench.reward, 1, [1], most, 0, sender=world.escrow)
    world.send(world.bench.reward, 1, [1], 7, 0, sender=world.escrow)
    assert world.bond(1).earned == most


def test_even_the_court_ends_no_assignment_that_does_not_exist(world):
    """A bug in the court must not free what another case reserved, nor take what none did."""
    for call, arguments in ((world.bench.dismiss, ([1], 1)), (world.bench.penalise, (1, 1, 1, 1, True))):
        assert world.why(call._address, call.encode_input(*arguments), world.court) is not None


def test_the_exit_delay_is_longer_than_a_case_can_last(world):
    assert world.court.horizon() < world.params.slot_exit_delay == 7 * DAY
