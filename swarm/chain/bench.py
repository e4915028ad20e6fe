# SPDX-License-Identifier: Apache-2.0
"""JudgeBench: judges' slots and bonds."""

from __future__ import annotations

from eth_account.signers.local import LocalAccount
from web3.logs import DISCARD

from swarm.chain.client import ChainClient
from swarm.protocol.types import Address, Amount, Bond, JobId, Slot, SlotId


class Bench:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("JudgeBench", address)
        self._functions = self._contract.functions

    def take_slot(self, account: LocalAccount, hardware_class: int, operator: Address) -> tuple[SlotId, dict]:
        """Takes a seat; the vault must hold the bond and the bench be authorised."""
        receipt = self._client.send(self._functions.takeSlot(hardware_class, operator), account)
        event = self._contract.events.SlotTaken().process_receipt(receipt, errors=DISCARD)[0]
        return SlotId(event["args"]["slotId"]), receipt

    def leave_slot(self, account: LocalAccount, slot_id: SlotId) -> dict:
        return self._client.send(self._functions.leaveSlot(slot_id), account)

    def release_slot(self, account: LocalAccount, slot_id: SlotId) -> dict:
        return self._client.send(self._functions.releaseSlot(slot_id), account)

    def collect(self, account: LocalAccount, slot_id: SlotId) -> dict:
        """Pays the slot's owner the fees it has earned."""
        return self._client.send(self._functions.collect(slot_id), account)

    def events(self, name: str, job_id: JobId, *, from_block: int = 0) -> list:
        """The decoded events of one kind that name the job."""
        return self._client.logs(self._contract, name, argument_filters={"jobId": job_id}, from_block=from_block)

    # views

    def slot_bond(self) -> Amount:
        return Amount(self._client.call(self._functions.slotBond()))

    def slots(self, *, after: int = 0) -> list[Slot]:
        """Every slot ever taken with a number above `after`, released ones included."""
        count = self._client.call(self._functions.slotCount())
        return [self.slot(SlotId(slot_id)) for slot_id in range(after + 1, count + 1)]

    def slot(self, slot_id: SlotId) -> Slot:
        owner, active_from, active_until, strikes, operator, hardware_class, _ = self._client.call(
            self._functions.slotOf(slot_id)
        )
        return Slot(slot_id, Address(owner), active_from, active_until, strikes, Address(operator), hardware_class)

    def bond(self, slot_id: SlotId) -> Bond:
        left, reserved, cases, earned = self._client.call(self._functions.bondOf(slot_id))
        return Bond(Amount(left), Amount(reserved), cases, Amount(earned))

    def owners_of(self, hardware_class: int) -> int:
        return self._client.call(self._functions.ownersOf(hardware_class))

    def can_judge(self, hardware_class: int, buyer: Address, seller: Address, fee: Amount) -> bool:
        return self._client.call(self._functions.canJudge(hardware_class, buyer, seller, fee))
