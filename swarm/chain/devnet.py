# SPDX-License-Identifier: Apache-2.0
"""A chain of one's own: anvil as its own process, our contracts on it, and a drand signer with a test key."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from swarm.chain.client import ChainClient
from swarm.chain.deploy import DevnetDeployer, deploy
from swarm.chain.drand_signer import DEVNET_CHAIN_HASH, DrandSigner, TestKey
from swarm.chain.network import DEVNET_CHAIN_ID, Chain, Network
from swarm.clock import wait_for
from swarm.errors import TransientError, UsageError
from swarm.protocol.parameters import DeploymentParameters
from swarm.protocol.types import Address, Amount

GAS_GIFT_WEI = 10**19
BLOCK_SECONDS = 1
_KEPT_STATES = 500


def find_anvil() -> str:
    """The anvil binary: `SWARM_ANVIL`, on PATH, or under `tools/chain`. Raises UsageError when there is none."""
    named = os.environ.get("SWARM_ANVIL")
    local = sorted(_repository().glob("tools/chain/node_modules/@foundry-rs/anvil-*/bin/anvil"))
    found = named or shutil.which("anvil") or (str(local[0]) if local else None)
    if not found or not Path(found).exists():
        raise UsageError("anvil is not installed", hint="python3 scripts/demo.py --setup-only installs it")
    return found


def anvil_command(port: int, *options: str) -> list[str]:
    """How a node is started. Raises as `find_anvil`.

    It forgets the states of older blocks: anvil would write them to the home folder, gigabytes a day, for good.
    """
    return [find_anvil(), "--silent", "--port", str(port), "--prune-history", str(_KEPT_STATES), *options]


def _repository() -> Path:
    return Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Devnet:
    """Starts in `start`, ends only its own process in `stop`."""

    def __init__(self, directory: Path, *, port: int = 0, parameters: dict | None = None) -> None:
        self.directory = directory
        self._port = port or free_port()
        self._overrides = parameters or {}
        self._anvil: subprocess.Popen | None = None
        self._signer: DrandSigner | None = None

    def start(self) -> Network:
        """Starts anvil, deploys, starts the signer; returns the network without content gateways."""
        client = self._start_anvil()
        key = TestKey()
        genesis = client.now()
        parameters = DeploymentParameters.devnet(beacon_key=key.public_words(), genesis=genesis)
        parameters = replace(parameters, **self._overrides)
        # Mining at once while deploying, once a second afterwards: contract time then follows the clock on the wall.
        client.rpc("evm_setAutomine", True)
        network = deploy(client, DevnetDeployer(client), parameters)
        client.rpc("evm_setAutomine", False)
        client.rpc("evm_setIntervalMining", BLOCK_SECONDS)
        beacon = Chain(network, client=client).beacon
        self._signer = DrandSigner(
            key, genesis=genesis, period=parameters.beacon_period, message_point=beacon.message_point
        )
        self._signer.start()
        return replace(network, drand_urls=(self._signer.url,), drand_chain_hash=DEVNET_CHAIN_HASH)

    def is_alive(self) -> bool:
        return self._anvil is not None and self._anvil.poll() is None

    def stop(self) -> None:
        if self._signer:
            self._signer.stop()
        if self._anvil:
            self._anvil.terminate()
            try:
                self._anvil.wait(10)
            except subprocess.TimeoutExpired:
                self._anvil.kill()
                self._anvil.wait()

    def _start_anvil(self) -> ChainClient:
        self.directory.mkdir(parents=True, exist_ok=True)
        options = ("--host", "127.0.0.1", "--chain-id", str(DEVNET_CHAIN_ID), "--timestamp", str(int(time.time())))
        command = anvil_command(self._port, *options)
        with (self.directory / "anvil.log").open("ab") as log:
            # A session of its own: ^C in the terminal reaches us first, and we end anvil last.
            self._anvil = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        client = ChainClient(f"http://127.0.0.1:{self._port}")
        wait_for(lambda: self._answers(client), timeout_seconds=30, what="anvil to answer")
        return client

    def _answers(self, client: ChainClient) -> bool:
        if not self.is_alive():
            raise UsageError("anvil ended at once", hint=f"read {self.directory / 'anvil.log'}")
        try:
            return bool(client.check())
        except TransientError:
            return False


def fund(chain: Chain, address: Address, amount: Amount) -> None:
    """Gives an account faucet tokens and gas. Raises UsageError anywhere but on a devnet."""
    if not chain.network.is_devnet:
        raise UsageError("there is a faucet on a devnet only", hint=f"send tokens and gas to {address} yourself")
    client = chain.client
    client.rpc("anvil_setBalance", address, hex(GAS_GIFT_WEI))
    token = client.contract("FaucetToken", chain.network.token)
    DevnetDeployer(client).transact(token.functions.faucet(address, amount))
