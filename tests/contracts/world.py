# SPDX-License-Identifier: Apache-2.0
"""A small market to tell stories in: contracts, actors by role, one verb per transition, books checked after each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace

import brownie
from books import Books
from brownie import FaucetToken, accounts, web3
from brownie.network.state import _find_contract, _remove_contract
from eth_utils import keccak, to_checksum_address
from ledger import Ledger, job_hash
from rlp import encode as rlp_encode
from rpc import GAS_LIMIT, Codec, Done, Refusal, Rpc
from stages import EVIDENCE, KEY, RESULT, SALT, SPEC, Stages

from swarm.protocol import types
from swarm.protocol.parameters import LINE, TOKEN, DeploymentParameters

__all__ = ["CLASS", "EVIDENCE", "KEY", "RESULT", "SALT", "SPEC", "START", "ZERO", "Terms", "World", "parameters"]

START = 2_000_000_000  # chain time of the first block: every run sees the same rounds and seeds
CLASS = 1
JUDGES = 6
ZERO = "0x" + "0" * 40


@dataclass(frozen=True)
class Terms(types.Terms):
    """What the buyer of these stories asks for, unless a story says otherwise."""

    spec_cid: bytes = SPEC
    max_price: int = 100 * TOKEN
    segments: int = 5
    segment_seconds: int = 60
    run_seconds: int = 3_600
    open_seconds: int = 1_800
    hardware_class: int = CLASS


def parameters() -> DeploymentParameters:
    """Production rules with the test key and two rounds an epoch, from a genesis before the first block."""
    key = KEY.public_words()
    production = DeploymentParameters.production()
    return replace(production, beacon_key=tuple(key), beacon_genesis=START - 1_000, rounds_per_epoch=2)


class World(Stages):
    """The deployed contracts and the people around them."""

    def __init__(self, token_type=FaucetToken, params: DeploymentParameters | None = None) -> None:
        self.rpc = Rpc()
        self.params = params or parameters()
        self.deployer, self.buyer, self.seller, self.stranger, *self.judges = accounts[: 4 + JUDGES]
        containers = [getattr(brownie, name) for name in LINE]
        self.codec = Codec(*(container.abi for container in (*containers, FaucetToken, token_type)))
        self.ledger = Ledger()
        self._deploy(token_type, containers)
        self.books = Books(self)

    def _deploy(self, token_type, containers: list) -> None:
        self.token = self.deploy(token_type)
        at = {"FaucetToken": self.token.address} | self.created_next(LINE)
        made = [
            self.deploy(container, *self.params.constructor_arguments(name, at))
            for name, container in zip(LINE, containers, strict=True)
        ]
        assert [contract.address for contract in made] == [at[name] for name in LINE]
        self.vault, self.beacon, self.bench, self.ballots, self.court, self.reputation, self.escrow = made

    def created_next(self, names: tuple[str, ...]) -> dict[str, str]:
        """Where the deployer's next contracts will be, if it creates them in this order."""
        nonce = web3.eth.get_transaction_count(self.deployer.address)
        return {name: created_address(self.deployer.address, nonce + i) for i, name in enumerate(names)}

    def deploy(self, container, *arguments: object):
        """A new contract. Raises AssertionError with the custom error when its constructor refuses."""
        data = container.deploy.encode_input(*arguments)
        receipt = self.rpc.send(self.deployer.address, None, data)
        assert receipt["status"] == "0x1", (container._name, self.why(None, data, self.deployer))
        address = to_checksum_address(receipt["contractAddress"])
        # Brownie remembers what stood here before the chain went back.
        if stale := _find_contract(address):
            _remove_contract(stale)
        return container.at(address)

    def open_market(self, wealth: int = 20_000 * TOKEN) -> World:
        """Everybody has tokens, the seller a stake, every judge one slot."""
        for account in (self.buyer, self.seller, self.stranger, *self.judges):
            self.enrich(account, wealth)
        self.stake(self.seller, wealth // 2, self.escrow)
        for judge in self.judges:
            self.seat(judge)
        self.books.check()
        return self

    def enrich(self, account, wealth: int) -> None:
        """Tokens, and leave for escrow and vault to take them."""
        self.send(self.token.faucet, account, wealth, sender=account)
        self.send(self.token.approve, self.escrow, 2**256 - 1, sender=account)
        self.send(self.token.approve, self.vault, 2**256 - 1, sender=account)

    def stake(self, account, amount: int, slasher) -> None:
        self.send(self.vault.deposit, account, amount, sender=account)
        self.send(self.vault.authorise, slasher, sender=account)

    def seat(self, judge, hardware_class: int = CLASS, operator=None) -> int:
        """Stakes a bond and takes a slot; returns its id."""
        self.stake(judge, self.params.slot_bond, self.bench)
        done = self.send(self.bench.takeSlot, hardware_class, operator or judge, sender=judge)
        return done.event("SlotTaken")["slotId"]

    def more_judges(self, count: int, wealth: int = 20_000 * TOKEN) -> list:
        """Further judges with a slot each, for stories with large committees; they leave with the story."""
        added = [self.newcomer(f"judge {len(self.judges) + i}", wealth) for i in range(count)]
        for judge in added:
            self.judges.append(judge)
            self.seat(judge)
        self.books.check()
        return added

    def newcomer(self, name: str, wealth: int = 0):
        """An account the chain did not know. Whoever has tokens in the end must be in `books.others`."""
        account = accounts.at(to_checksum_address(keccak(text=name)[12:]), force=True)
        self.rpc.call("anvil_impersonateAccount", account.address)
        self.rpc.call("anvil_setBalance", account.address, hex(10**20))
        if wealth:
            self.enrich(account, wealth)
        return account

    @contextmanager
    def kept(self):
        """Afterwards the chain and everybody on it are as they were."""
        snapshot = self.rpc.call("evm_snapshot")
        ledger, judges, others = self.ledger.copy(), list(self.judges), list(self.books.others)
        try:
            yield
        finally:
            self.rpc.call("evm_revert", snapshot)
            self.ledger, self.judges, self.books.others = ledger, judges, others

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
        """Makes a call that must succeed, and asserts that its events tell every job's new state."""
        data = call.encode_input(*arguments)
        receipt = self.rpc.send(str(sender), call._address, data)
        assert receipt["status"] == "0x1", (call._name, self.why(call._address, data, sender))
        done = self.codec.done(receipt)
        for job_id in self.ledger.see(done.events):
            (stored,) = self.rpc.read_raw([(self.escrow.address, "stateOf(uint64)", (job_id,))])
            assert stored == job_hash(self.ledger.jobs[job_id]), f"{call._name}: the events do not tell job {job_id}"
        return done

    def does(self, call, *arguments: object, sender) -> Done:
        """Makes the call and checks the books afterwards: every token accounted for, every contract solvent."""
        done = self.send(call, *arguments, sender=sender)
        self.books.check()
        return done


def created_address(deployer: str, nonce: int) -> str:
    return to_checksum_address(keccak(rlp_encode([bytes.fromhex(deployer[2:]), nonce]))[12:])
