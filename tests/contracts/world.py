# SPDX-License-Identifier: Apache-2.0
"""A small market to tell stories in: contracts, actors by role, one verb per transition, books checked after each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from books import Books
from brownie import AuditCourt, Beacon, FaucetToken, JobEscrow, StakeVault, accounts, web3
from brownie.network.state import _find_contract, _remove_contract
from commitments import Commitment
from eth_utils import keccak, to_checksum_address
from rlp import encode as rlp_encode
from rpc import GAS_LIMIT, Codec, Done, Refusal, Rpc

from swarm.chain.drand_signer import TestKey
from swarm.protocol import draw, money
from swarm.protocol.commitment import seal as seal_of
from swarm.protocol.parameters import TOKEN, DeploymentParameters
from swarm.protocol.types import JobStatus

START = 2_000_000_000  # chain time of the first block: every run sees the same rounds and seeds
KEY = TestKey(0x5EED)
CLASS = 1
JUDGES = 6
SPEC = b"\x5c" * 32
RESULT = b"\x4e" * 32
EVIDENCE = b"\xe1" * 32
ZERO = "0x" + "0" * 40


@dataclass(frozen=True)
class Terms:
    """What the buyer of these stories asks for, unless a story says otherwise."""

    spec_cid: bytes = SPEC
    price: int = 100 * TOKEN
    segments: int = 5
    segment_seconds: int = 60
    run_seconds: int = 3_600
    open_seconds: int = 1_800
    hardware_class: int = CLASS

    def values(self) -> tuple:
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def parameters() -> DeploymentParameters:
    """Production rules with the test key and one round an epoch, from a genesis before the first block."""
    key = list(KEY.public_words())
    production = DeploymentParameters.production()
    return replace(production, beacon_key=key, beacon_genesis=START - 1_000, rounds_per_epoch=2)


class World:
    """The deployed contracts and the people around them."""

    def __init__(self, token_type=FaucetToken, params: DeploymentParameters | None = None) -> None:
        self.rpc = Rpc()
        self.params = params or parameters()
        self.deployer, self.buyer, self.seller, self.stranger, *self.judges = accounts[: 4 + JUDGES]
        abis = [c.abi for c in (StakeVault, Beacon, AuditCourt, JobEscrow, FaucetToken, token_type)]
        self.codec = Codec(*abis)
        self.token = self.deploy(token_type)
        self._deploy()
        self.books = Books(self)

    def deploy(self, container, *arguments: object):
        """A new contract. Raises AssertionError with the custom error when its constructor refuses."""
        data = container.deploy.encode_input(*arguments)
        receipt = self.rpc.send(self.deployer.address, None, data)
        assert receipt["status"] == "0x1", self.why(None, data, self.deployer)
        address = to_checksum_address(receipt["contractAddress"])
        # Brownie remembers what stood here before the chain went back.
        if stale := _find_contract(address):
            _remove_contract(stale)
        return container.at(address)

    def _deploy(self) -> None:
        params, token = self.params, self.token.address
        self.vault = self.deploy(StakeVault, *params.vault_arguments(token))
        self.beacon = self.deploy(Beacon, *params.beacon_arguments())
        vault, beacon = self.vault.address, self.beacon.address
        escrow = created_address(self.deployer.address, web3.eth.get_transaction_count(self.deployer.address) + 1)
        self.court = self.deploy(AuditCourt, *params.court_arguments(vault, beacon, escrow))
        self.escrow = self.deploy(JobEscrow, *params.escrow_arguments(token, vault, beacon, self.court.address))

    def open_market(self, wealth: int = 20_000 * TOKEN) -> World:
        """Everybody has tokens, the seller a stake, every judge one slot."""
        for account in (self.buyer, self.seller, self.stranger, *self.judges):
            self.send(self.token.faucet, account, wealth, sender=account)
            self.send(self.token.approve, self.escrow, 2**256 - 1, sender=account)
            self.send(self.token.approve, self.vault, 2**256 - 1, sender=account)
        self.stake(self.seller, wealth // 2, self.escrow)
        for judge in self.judges:
            self.stake(judge, self.params.slot_bond, self.court)
            self.send(self.court.takeSlot, CLASS, judge, sender=judge)
        self.books.check()
        return self

    def stake(self, account, amount: int, slasher) -> None:
        self.send(self.vault.deposit, account, amount, sender=account)
        self.send(self.vault.authorise, slasher, sender=account)

    # asking

    def refuses(self, call, *arguments: object, sender, error: str) -> tuple:
        """Asserts that the call would be refused with this custom error; returns the values it carried."""
        refusal = self.why(call._address, call.encode_input(*arguments), sender)
        assert refusal is not None, f"{call._name} was not refused, {error} was expected"
        assert refusal.name == error, refusal
        return refusal.values

    def refuses_to_deploy(self, container, *arguments: object, error: str) -> tuple:
        refusal = self.why(None, container.deploy.encode_input(*arguments), self.deployer)
        assert refusal is not None and refusal.name == error, refusal
        return refusal.values

    def why(self, to: str | None, data: str, sender) -> Refusal | None:
        request = {"from": str(sender), "data": data, "gas": hex(GAS_LIMIT)} | ({"to": to} if to else {})
        answer = self.rpc.raw("eth_call", request, "latest")
        return self.codec.refusal(answer["error"].get("data") or "0x00000000") if "error" in answer else None

    def send(self, call, *arguments: object, sender) -> Done:
        """Makes a call that must succeed."""
        data = call.encode_input(*arguments)
        receipt = self.rpc.send(str(sender), call._address, data)
        assert receipt["status"] == "0x1", (call._name, self.why(call._address, data, sender))
        return self.codec.done(receipt)

    def does(self, call, *arguments: object, sender) -> Done:
        """Makes the call and checks the books afterwards: every token accounted for, every contract solvent."""
        done = self.send(call, *arguments, sender=sender)
        self.books.check()
        return done

    def job(self, job_id: int) -> dict:
        return self.escrow.jobOf(job_id).dict()

    def status(self, job_id: int) -> JobStatus:
        return JobStatus(self.job(job_id)["status"])

    def case(self, job_id: int) -> dict:
        return self.court.caseOf(job_id).dict()

    def name(self, account) -> str:
        return self.books.names()[str(account)]

    def bond(self, slot_id: int) -> tuple[int, int]:
        """What is left of a slot's bond, and what of it live cases reserve."""
        left, reserved = self.court.bondOf(slot_id)
        return int(left), int(reserved)

    def levy(self, job_id: int) -> int:
        """ceil(1.25 · p · F), by the twin."""
        job = self.job(job_id)
        return money.levy(money.judge_fee(job["price"], job["segments"], self.params.fee_min), job["auditBps"])

    def fee(self, terms: Terms | None = None) -> int:
        terms = terms or Terms()
        return self.escrow.feeFor(terms.price, terms.segments)

    # the life of a job

    def post(self, terms: Terms | None = None, buyer=None) -> int:
        self.does(self.escrow.post, (terms or Terms()).values(), sender=buyer or self.buyer)
        return self.escrow.jobCount()

    def accepted(self, terms: Terms | None = None, collateral: int | None = None, seller=None) -> int:
        terms = terms or Terms()
        job_id = self.post(terms)
        least = self.escrow.minCollateralFor(terms.price, terms.segments)
        self.does(self.escrow.accept, job_id, collateral or least, sender=seller or self.seller)
        return job_id

    def submitted(self, terms: Terms | None = None, *, drawn: bool = True, collateral: int | None = None) -> Commitment:
        """A job handed in with a commitment that the coming seed draws, or does not draw."""
        terms = terms or Terms()
        # 24 prices bring the audit rate to its floor.
        collateral = collateral or (None if drawn else 24 * terms.price)
        job_id = self.accepted(terms, collateral)
        at = self.rpc.now() + 10
        epoch = self.beacon.epochAt(at + self.params.seed_delay)
        rate = self.job(job_id)["auditBps"]
        commitment = self._commitment(job_id, terms.segments, self.seed(epoch), rate, drawn)
        self.rpc.next_at(at)
        self.does(self.escrow.submit, job_id, RESULT, commitment.root, sender=self.seller)
        return commitment

    def _commitment(self, job_id: int, segments: int, seed: bytes, rate: int, drawn: bool) -> Commitment:
        for nonce in range(10_000):
            commitment = Commitment(job_id, segments, nonce)
            if draw.is_drawn(seed, job_id, commitment.root, rate) == drawn:
                return commitment
        raise AssertionError("no commitment is drawn that way")

    def bring_seed(self, epoch: int) -> bytes:
        """Waits for the epoch's round and brings its signature, unless somebody has."""
        self.travel_until(self.beacon.timeOf(epoch))
        if int.from_bytes(self.beacon.seedOf(epoch)) == 0:
            self.does(self.beacon.submit, epoch, self.signature(epoch), sender=self.stranger)
        return bytes(self.beacon.seedOf(epoch))

    def audited(self, terms: Terms | None = None, **options: object) -> Commitment:
        """A drawn job whose audit is open: the judge is re-executing."""
        commitment = self.submitted(terms, **options)
        self.bring_seed(self.job(commitment.job_id)["epoch"])
        self.does(self.escrow.openAudit, commitment.job_id, sender=self.stranger)
        return commitment

    def denied(self, terms: Terms | None = None, *, leaf: bytes | None = None, **options: object) -> Commitment:
        commitment = self.audited(terms, **options)
        job_id = commitment.job_id
        leaf = leaf or commitment.other_leaf(self.case(job_id)["segment"])
        self.does(self.court.deny, job_id, leaf, EVIDENCE, sender=self.judge_of(job_id))
        return commitment

    def committee(self, terms: Terms | None = None, **options: object) -> Commitment:
        """A denied job whose committee is drawn and re-executing."""
        commitment = self.denied(terms, **options)
        self.bring_seed(self.case(commitment.job_id)["epoch"])
        self.does(self.court.drawCommittee, commitment.job_id, sender=self.stranger)
        return commitment

    def confirm(self, commitment: Commitment):
        job_id, segment = commitment.job_id, self.case(commitment.job_id)["segment"]
        opening, proof = commitment.opening(segment), commitment.proof(segment)
        return self.does(self.court.confirm, job_id, opening, proof, sender=self.judge_of(job_id))

    def seal(self, commitment: Commitment, member, opening: tuple, salt: bytes = b"\x07" * 32) -> None:
        job_id = commitment.job_id
        leaf = commitment.leaf_of(self.case(job_id)["segment"], opening)
        sealed = seal_of(job_id, 1, member.address, leaf, EVIDENCE, salt)
        self.does(self.court.seal, job_id, sealed, sender=member)

    def reveal(self, commitment: Commitment, member, opening: tuple, salt: bytes = b"\x07" * 32):
        job_id = commitment.job_id
        segment = self.case(job_id)["segment"]
        proof = commitment.proof(segment) if opening == commitment.opening(segment) else []
        return self.does(self.court.reveal, job_id, opening, EVIDENCE, salt, proof, sender=member)

    def votes(self, commitment: Commitment, openings: list[tuple]) -> list:
        """All members seal, then all reveal, in the committee's order; returns the members."""
        members = self.members(commitment.job_id)
        for member, opening in zip(members, openings, strict=True):
            self.seal(commitment, member, opening)
        for member, opening in zip(members, openings, strict=True):
            self.reveal(commitment, member, opening)
        return members

    def judge_of(self, job_id: int):
        return self.operator_of(self.case(job_id)["judge"])

    def members(self, job_id: int) -> list:
        return [self.operator_of(slot) for slot in self.case(job_id)["committee"]]

    def operator_of(self, slot_id: int):
        return accounts.at(self.court.slotOf(slot_id)["operator"])

    # time and randomness

    def travel(self, seconds: int) -> None:
        self.rpc.travel_to(self.rpc.now() + seconds)

    def travel_until(self, timestamp: int) -> None:
        if self.rpc.now() < timestamp:
            self.rpc.travel_to(timestamp)

    def past_deadline(self, job_id: int) -> None:
        """The first second after the job's deadline."""
        self.travel_until(self.job(job_id)["deadline"] + 1)

    def past_case_deadline(self, job_id: int) -> None:
        self.travel_until(self.case(job_id)["deadline"] + 1)

    def signature(self, epoch: int) -> tuple[int, int]:
        return KEY.sign(tuple(self.beacon.messagePoint(self.beacon.roundOf(epoch))))

    def seed(self, epoch: int) -> bytes:
        """What the seed will be: the test key knows the future, nobody else does."""
        from swarm.protocol.commitment import sha256

        return sha256(*(word.to_bytes(32, "big") for word in self.signature(epoch)))


def created_address(deployer: str, nonce: int) -> str:
    return to_checksum_address(keccak(rlp_encode([bytes.fromhex(deployer[2:]), nonce]))[12:])
