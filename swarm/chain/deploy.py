# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts in a line from committed bytecode, so that no compiler is needed at run time.

The court needs the escrow's address before the escrow exists: it is the deployer's next but one contract, so it
is computed from deployer and nonce, and the escrow's constructor checks it.
"""

from __future__ import annotations

from typing import Protocol

import rlp
from eth_utils import keccak, to_checksum_address

from swarm.chain import artifacts
from swarm.chain.client import ChainClient
from swarm.chain.network import Network
from swarm.errors import SwarmError
from swarm.protocol.parameters import DeploymentParameters
from swarm.protocol.types import Address


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
        tx_hash = call.transact({"from": self.address})
        receipt = web3.eth.wait_for_transaction_receipt(tx_hash, timeout=60, poll_latency=0.1)
        if receipt["status"] != 1:
            raise SwarmError(f"the devnet refused transaction 0x{bytes(tx_hash).hex()}")
        return dict(receipt)


def contract_address(deployer: Address, nonce: int) -> Address:
    """The address of the contract an account creates with `nonce` (CREATE)."""
    return Address(to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:]))


def deploy(client: ChainClient, deployer: Deployer, parameters: DeploymentParameters) -> Network:
    """Deploys token, vault, beacon, court and escrow and reads back that they name each other."""
    block = client.web3.eth.block_number
    token = deployer.create("FaucetToken")
    vault = deployer.create("StakeVault", *parameters.vault_arguments(token))
    beacon = deployer.create("Beacon", *parameters.beacon_arguments())
    nonce = client.web3.eth.get_transaction_count(to_checksum_address(deployer.address))
    escrow_address = contract_address(deployer.address, nonce + 1)
    court = deployer.create("AuditCourt", *parameters.court_arguments(vault, beacon, escrow_address))
    escrow = deployer.create("JobEscrow", *parameters.escrow_arguments(token, vault, beacon, court))
    if escrow != escrow_address:
        raise SwarmError(f"the escrow landed at {escrow}, not at {escrow_address}", hint="deploy again")
    return Network(
        chain_id=client.check(),
        rpc_url=client.rpc_url,
        token=token,
        vault=vault,
        beacon=beacon,
        court=court,
        escrow=escrow,
        deployment_block=block,
        parameters=parameters.to_json(),
    )
