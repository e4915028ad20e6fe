# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts in a line from committed bytecode, so that no compiler is needed at run time.

Contracts name others that are created after them: every address of the line follows from deployer and nonce. The
escrow's constructor checks that the court names it; the rest is read back.
"""

from __future__ import annotations

import threading
from typing import Protocol

import rlp
from eth_utils import keccak, to_checksum_address

from swarm.chain import artifacts
from swarm.chain.client import ChainClient
from swarm.chain.network import Network
from swarm.errors import SwarmError
from swarm.protocol.parameters import LINE, DeploymentParameters
from swarm.protocol.types import Address

_FIELDS = {
    "token": "FaucetToken",
    "vault": "StakeVault",
    "beacon": "Beacon",
    "bench": "JudgeBench",
    "ballots": "Ballots",
    "court": "AuditCourt",
    "reputation": "Reputation",
    "escrow": "JobEscrow",
}


# anvil gives two calls that arrive together the same nonce.
_ONE_AT_A_TIME = threading.Lock()


class Deployer(Protocol):
    """Whoever pays: creates one contract and returns its address."""

    address: Address

    def create(self, contract: str, *arguments: object) -> Address: ...


class DevnetDeployer:
    """anvil's first unlocked account: no key of ours is involved."""

    def __init__(self, client: ChainClient) -> None:
        self._client = client
        self.address = Address(client.web3.eth.accounts[0])

    def create(self, contract: str, *arguments: object) -> Address:
        web3 = self._client.web3
        artifact = artifacts.artifact(contract)
        factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
        receipt = self.transact(factory.constructor(*arguments))
        return Address(receipt["contractAddress"])

    def transact(self, call) -> dict:
        """Sends a call from the unlocked account and waits for it."""
        web3 = self._client.web3
        with _ONE_AT_A_TIME:
            tx_hash = call.transact({"from": self.address})
        receipt = web3.eth.wait_for_transaction_receipt(tx_hash, timeout=60, poll_latency=0.1)
        if receipt["status"] != 1:
            raise SwarmError(f"the devnet refused transaction 0x{bytes(tx_hash).hex()}")
        return dict(receipt)


def contract_address(deployer: Address, nonce: int) -> Address:
    """The address of the contract an account creates with `nonce` (CREATE)."""
    return Address(to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:]))


def addresses(deployer: Address, nonce: int, token: Address) -> dict[str, Address]:
    """Where every contract of the line will stand when its first one is created with `nonce`."""
    line = {name: contract_address(deployer, nonce + place) for place, name in enumerate(LINE)}
    return {"FaucetToken": token} | line


def deploy(client: ChainClient, deployer: Deployer, parameters: DeploymentParameters) -> Network:
    """Deploys a faucet token and the line of contracts, and checks where each of them landed."""
    block = client.web3.eth.block_number
    token = deployer.create("FaucetToken")
    nonce = client.web3.eth.get_transaction_count(to_checksum_address(deployer.address))
    at = addresses(deployer.address, nonce, token)
    for name in LINE:
        landed = deployer.create(name, *parameters.constructor_arguments(name, at))
        if landed != at[name]:
            raise SwarmError(f"{name} landed at {landed}, not at {at[name]}", hint="deploy again")
    return Network(
        chain_id=client.check(),
        rpc_url=client.rpc_url,
        **network_addresses(at),
        deployment_block=block,
        parameters=parameters.to_json(),
    )


def network_addresses(at: dict[str, Address]) -> dict[str, Address]:
    """The contracts' addresses under the names a network file gives them."""
    return {field: at[contract] for field, contract in _FIELDS.items()}
