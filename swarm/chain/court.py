# SPDX-License-Identifier: Apache-2.0
"""AuditCourt: slots, verdicts, committees."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount
from web3.logs import DISCARD

from swarm.chain.client import ChainClient
from swarm.protocol.types import (
    Address,
    Amount,
    Case,
    CaseStatus,
    Digest,
    Epoch,
    JobId,
    Opening,
    Seat,
    Slot,
    SlotId,
)


class Court:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("AuditCourt", address)
        self._functions = self._contract.functions

    # bench

    def take_slot(self, account: LocalAccount, hardware_class: int, operator: Address) -> tuple[SlotId, dict]:
        """Takes a seat; the vault must hold the bond and the court be authorised."""
        receipt = self._client.send(self._functions.takeSlot(hardware_class, operator), account)
        event = self._contract.events.SlotTaken().process_receipt(receipt, errors=DISCARD)[0]
        return SlotId(event["args"]["slotId"]), receipt

    def leave_slot(self, account: LocalAccount, slot_id: SlotId) -> dict:
        return self._client.send(self._functions.leaveSlot(slot_id), account)

    def release_slot(self, account: LocalAccount, slot_id: SlotId) -> dict:
        return self._client.send(self._functions.releaseSlot(slot_id), account)

    # verdicts

    def confirm(self, account: LocalAccount, job_id: JobId, opening: Opening, proof: Sequence[Digest]) -> dict:
        return self._client.send(self._functions.confirm(job_id, _opening(opening), list(proof)), account)

    def deny(self, account: LocalAccount, job_id: JobId, leaf: Digest, evidence_cid: Digest) -> dict:
        return self._client.send(self._functions.deny(job_id, leaf, evidence_cid), account)

    def replace_judge(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.replaceJudge(job_id), account)

    # committee

    def draw_committee(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.drawCommittee(job_id), account)

    def seal(self, account: LocalAccount, job_id: JobId, seal: Digest) -> dict:
        return self._client.send(self._functions.seal(job_id, seal), account)

    def reveal(
        self,
        account: LocalAccount,
        job_id: JobId,
        opening: Opening,
        evidence_cid: Digest,
        salt: bytes,
        proof: Sequence[Digest],
    ) -> dict:
        call = self._functions.reveal(job_id, _opening(opening), evidence_cid, salt, list(proof))
        return self._client.send(call, account)

    def tally(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.tally(job_id), account)

    # views

    def reveal_seconds(self) -> int:
        """How long a committee may reveal after its sealing is over."""
        return self._client.call(self._functions.parameters())[3]

    def slot_bond(self) -> Amount:
        return Amount(self._client.call(self._functions.slotBond()))

    def slots(self, *, after: int = 0) -> list[Slot]:
        """Every slot ever taken with a number above `after`, released ones included."""
        count = self._client.call(self._functions.slotCount())
        return [self.slot(SlotId(slot_id)) for slot_id in range(after + 1, count + 1)]

    def slot(self, slot_id: SlotId) -> Slot:
        owner, active_from, active_until, strikes, operator, hardware_class, cases, _ = self._client.call(
            self._functions.slotOf(slot_id)
        )
        return Slot(
            slot_id, Address(owner), active_from, active_until, strikes, Address(operator), hardware_class, cases
        )

    def owners_of(self, hardware_class: int) -> int:
        return self._client.call(self._functions.ownersOf(hardware_class))

    def can_judge(self, hardware_class: int, buyer: Address, seller: Address, fee: Amount) -> bool:
        return self._client.call(self._functions.canJudge(hardware_class, buyer, seller, fee))

    def case(self, job_id: JobId) -> Case:
        status, segment, replacements, round_, since, deadline, epoch, judge, fee, denied_leaf, committee = (
            self._client.call(self._functions.caseOf(job_id))
        )
        return Case(
            job_id=job_id,
            status=CaseStatus(status),
            segment=segment,
            replacements=replacements,
            round=round_,
            since=since,
            deadline=deadline,
            epoch=Epoch(epoch),
            judge=SlotId(judge),
            fee=Amount(fee),
            denied_leaf=Digest(denied_leaf),
            committee=tuple(SlotId(slot_id) for slot_id in committee if slot_id),
        )

    def seat(self, job_id: JobId, slot_id: SlotId) -> Seat:
        seal, leaf, matches = self._client.call(self._functions.seatOf(job_id, slot_id))
        return Seat(Digest(seal), Digest(leaf), matches)

    def events(self, name: str, job_id: JobId, *, from_block: int = 0) -> list:
        """The decoded events of one kind that name the job."""
        return self._client.logs(self._contract, name, argument_filters={"jobId": job_id}, from_block=from_block)


def _opening(opening: Opening) -> tuple[Digest, Digest, Digest]:
    return (opening.trace_root, opening.output_hash, opening.output_cid)
