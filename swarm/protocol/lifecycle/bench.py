# SPDX-License-Identifier: Apache-2.0
"""Judges' seats, the bond behind each, and who is drawn: the twin of `JudgeBench`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from swarm.protocol.draw import slot_pick
from swarm.protocol.lifecycle.state import (
    MAX_CASES,
    MAX_PROBES,
    MAX_STRIKES,
    MIN_OWNERS,
    WRONG_FEES,
    Part,
    less,
    require,
    verb,
)
from swarm.protocol.types import ZERO_ADDRESS, ZERO_DIGEST, Address, Amount, Bond, Digest, JobId, Slot, SlotId

MAX_EARNED = 2**88 - 1
NO_SLOT = Slot(SlotId(0), ZERO_ADDRESS, 0, 0, 0, ZERO_ADDRESS, 0)
NO_BOND = Bond(Amount(0), Amount(0), 0)


@dataclass(frozen=True, slots=True)
class Seats:
    """All slots of one hardware class by position; positions are only ever added, vacant ones are taken anew."""

    slots: tuple[SlotId, ...] = ()
    vacant: tuple[int, ...] = ()
    lengths: tuple[tuple[int, int], ...] = ()  # (time, number of positions from then on)
    owners: int = 0

    def length_at(self, time: int) -> int:
        """How many positions there were at `time`, its own changes included."""
        return next((length for since, length in reversed(self.lengths) if since <= time), 0)


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the bench in the order that a seed gives; only slots active at `since` are drawn."""

    job_id: JobId
    round: int
    since: int
    hardware_class: int
    fee: int
    buyer: Address
    seller: Address
    seed: Digest = ZERO_DIGEST
    probe: int = 0
    wanted: int = 0


class Bench(Part):
    """Invariant: for every slot, reserved = 5 F of each live assignment ≤ bond left ≤ the owner's stake locked here."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.slot_count = 0
        self.slots: dict[SlotId, Slot] = {}
        self.positions: dict[SlotId, int] = {}
        self.bonds: dict[SlotId, Bond] = {}
        self.seats: dict[int, Seats] = {}
        self.active_slots: dict[tuple[int, Address], int] = {}

    # seats

    @verb
    def take_slot(self, caller: Address, hardware_class: int, operator: Address, *, now: int) -> SlotId:
        """Takes a seat; locks the bond in the caller's stake."""
        require(operator != ZERO_ADDRESS, "ZeroOperator")
        self.slot_count += 1
        slot_id = SlotId(self.slot_count)
        self.slots[slot_id] = Slot(slot_id, caller, now, 0, 0, operator, hardware_class)
        self.positions[slot_id] = self._sit(hardware_class, slot_id, now)
        active = self.active_slots.get((hardware_class, caller), 0)
        self.active_slots[hardware_class, caller] = active + 1
        self._count_owner(hardware_class, 1 if active == 0 else 0)
        self.bonds[slot_id] = Bond(Amount(self.market.parameters.slot_bond), Amount(0), 0)
        self.market.vault.lock(caller, self.market.at["JudgeBench"], self.market.parameters.slot_bond)
        return slot_id

    @verb
    def leave_slot(self, caller: Address, slot_id: SlotId, *, now: int) -> None:
        """Leaves the seat: no draw for a later commitment takes it."""
        slot = self.slot_of(slot_id)
        require(caller == slot.owner, "OnlySlotOwner")
        require(slot.active_until == 0, "SlotNotActive")
        self._retire(slot_id, now)

    @verb
    def release_slot(self, caller: Address, slot_id: SlotId, *, now: int) -> None:
        """Returns the bond once the delay has passed and no case is live."""
        slot, bond = self.slot_of(slot_id), self.bond_of(slot_id)
        ready_at = (slot.active_until or now) + self.market.parameters.slot_exit_delay
        require(caller == slot.owner, "OnlySlotOwner")
        require(now >= ready_at, "ExitDelayRunning")
        require(bond.cases == 0, "SlotBusy")
        seats = self.seats[slot.hardware_class]
        self.seats[slot.hardware_class] = replace(seats, vacant=(*seats.vacant, self.positions.pop(slot_id)))
        del self.slots[slot_id], self.bonds[slot_id]
        self.market.vault.unlock(slot.owner, self.market.at["JudgeBench"], bond.left)
        self.market.escrow.pay_judge(slot.owner, bond.earned)

    @verb
    def collect(self, caller: Address, slot_id: SlotId, *, now: int) -> None:
        """Pays the owner what the slot has earned."""
        bond = self.bond_of(slot_id)
        require(bond.earned > 0, "NothingEarned")
        self.bonds[slot_id] = replace(bond, earned=Amount(0))
        self.market.escrow.pay_judge(self.slots[slot_id].owner, bond.earned)

    def _sit(self, hardware_class: int, slot_id: SlotId, now: int) -> int:
        seats = self.seats.get(hardware_class, Seats())
        if seats.vacant:
            *vacant, position = seats.vacant
            slots = (*seats.slots[:position], slot_id, *seats.slots[position + 1 :])
            self.seats[hardware_class] = replace(seats, slots=slots, vacant=tuple(vacant))
            return position
        position = len(seats.slots)
        before = tuple(entry for entry in seats.lengths if entry[0] != now)
        lengths = (*before, (now, position + 1))
        self.seats[hardware_class] = replace(seats, slots=(*seats.slots, slot_id), lengths=lengths)
        return position

    def _retire(self, slot_id: SlotId, now: int) -> None:
        slot = self.slots[slot_id]
        self.slots[slot_id] = replace(slot, active_until=now)
        active = self.active_slots[slot.hardware_class, slot.owner] - 1
        self.active_slots[slot.hardware_class, slot.owner] = active
        self._count_owner(slot.hardware_class, -1 if active == 0 else 0)

    def _count_owner(self, hardware_class: int, change: int) -> None:
        seats = self.seats[hardware_class]
        self.seats[hardware_class] = replace(seats, owners=seats.owners + change)

    # draws

    def draw(self, walk: Walk, taken: Sequence[SlotId]) -> tuple[list[SlotId], int]:
        """Draws and assigns up to `wanted` judges; returns them and the probe to go on from."""
        seats = self.seats.get(walk.hardware_class, Seats())
        count = seats.length_at(walk.since)
        probe, end = walk.probe, walk.probe + MAX_PROBES
        drawn: list[SlotId] = []
        while len(drawn) < walk.wanted and probe < end and count > 0:
            candidate = seats.slots[slot_pick(walk.seed, walk.job_id, walk.round, probe, count)]
            if self._is_eligible(candidate, walk) and not self._is_taken(candidate, [*taken, *drawn]):
                drawn.append(candidate)
                self._assign(candidate, walk.fee)
            probe += 1
        return drawn, probe

    def enlist(self, slot_id: SlotId, walk: Walk, taken: Sequence[SlotId]) -> None:
        """Assigns a slot whose operator offered itself."""
        is_of_class = self.slot_of(slot_id).hardware_class == walk.hardware_class
        is_eligible = is_of_class and self._is_eligible(slot_id, walk) and not self._is_taken(slot_id, taken)
        require(is_eligible, "SlotNotEligible")
        self._assign(slot_id, walk.fee)

    def _is_eligible(self, slot_id: SlotId, walk: Walk) -> bool:
        slot, bond = self.slot_of(slot_id), self.bond_of(slot_id)
        was_active = (
            slot.owner != ZERO_ADDRESS
            and slot.active_from <= walk.since
            and (slot.active_until == 0 or slot.active_until > walk.since)
        )
        can_carry = bond.cases < MAX_CASES and bond.left - bond.reserved >= WRONG_FEES * walk.fee
        parties = {walk.buyer, walk.seller}
        return was_active and can_carry and not parties & {slot.owner, slot.operator}

    def _is_taken(self, slot_id: SlotId, taken: Sequence[SlotId]) -> bool:
        slot = self.slot_of(slot_id)
        keys = {slot.owner, slot.operator}
        others = (self.slot_of(other) for other in taken if other != 0)
        return any(keys & {other.owner, other.operator} for other in others)

    # bonds

    def _assign(self, slot_id: SlotId, fee: int) -> None:
        bond = self.bonds[slot_id]
        reserved = Amount(bond.reserved + WRONG_FEES * fee)
        self.bonds[slot_id] = replace(bond, cases=bond.cases + 1, reserved=reserved)

    def dismiss(self, slot_id: SlotId, fee: int) -> None:
        """Ends an assignment without loss."""
        bond = self.bond_of(slot_id)
        cases, reserved = less(bond.cases, 1), Amount(less(bond.reserved, WRONG_FEES * fee))
        self.bonds[slot_id] = replace(bond, cases=cases, reserved=reserved)

    def penalise(self, slot_id: SlotId, fee: int, amount: int, *, is_late: bool, now: int) -> int:
        """Ends an assignment and takes `amount`. Late three times, or with half of its bond gone, a slot is
        suspended."""
        self.dismiss(slot_id, fee)
        if is_late:
            self.slots[slot_id] = replace(self.slots[slot_id], strikes=self.slots[slot_id].strikes + 1)
        slot, left = self.slots[slot_id], less(self.bonds[slot_id].left, amount)
        is_unfit = slot.strikes >= MAX_STRIKES or 2 * left < self.market.parameters.slot_bond
        if is_unfit and slot.active_until == 0:
            self._retire(slot_id, now)
        self._take(slot_id, amount)
        return amount

    def suspend(self, slot_id: SlotId, amount: int, *, now: int) -> int:
        """Takes up to `amount` of what no live case reserves, and suspends the slot."""
        slot, bond = self.slot_of(slot_id), self.bond_of(slot_id)
        taken = min(amount, bond.left - bond.reserved)
        if slot.owner != ZERO_ADDRESS and slot.active_until == 0:
            self._retire(slot_id, now)
        if taken > 0:
            self._take(slot_id, taken)
        return taken

    def _take(self, slot_id: SlotId, amount: int) -> None:
        bond, at = self.bonds[slot_id], self.market.at
        self.bonds[slot_id] = replace(bond, left=Amount(less(bond.left, amount)))
        self.market.vault.slash(self.slots[slot_id].owner, at["JudgeBench"], amount, at["JobEscrow"])

    # fees

    def reward(self, judges: Sequence[SlotId], first: int, each: int) -> None:
        """Credits judges with their fees; a full account stays full."""
        for number, slot_id in enumerate(judges):
            bond = self.bonds[slot_id]
            earned = min(bond.earned + (each if number else first), MAX_EARNED)
            self.bonds[slot_id] = replace(bond, earned=Amount(earned))

    # views

    def slot_of(self, slot_id: SlotId) -> Slot:
        return self.slots.get(slot_id, NO_SLOT)

    def bond_of(self, slot_id: SlotId) -> Bond:
        return self.bonds.get(slot_id, NO_BOND)

    def can_judge(self, hardware_class: int, buyer: Address, seller: Address, fee: int) -> bool:
        """Whether a job between these two could be given a judge and a committee at this fee."""
        if self.market.parameters.slot_bond < MAX_CASES * WRONG_FEES * fee:
            return False
        owners = self.seats.get(hardware_class, Seats()).owners
        if owners >= MIN_OWNERS + 2:
            return True
        parties = sum(self.active_slots.get((hardware_class, party), 0) > 0 for party in {buyer, seller})
        return owners - parties >= MIN_OWNERS
