# SPDX-License-Identifier: Apache-2.0
"""A network as people name it: its chain, contracts, drand relays and content gateways, one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.chain.ballots import Ballots
from swarm.chain.beacon import Beacon
from swarm.chain.bench import Bench
from swarm.chain.client import ChainClient
from swarm.chain.court import Court
from swarm.chain.drand import Drand
from swarm.chain.endpoints import parse_urls
from swarm.chain.escrow import Escrow
from swarm.chain.outbox import Fees
from swarm.chain.reputation import Reputation
from swarm.chain.token import Token
from swarm.chain.vault import Vault
from swarm.errors import NotFound, UsageError
from swarm.protocol.types import Address, Amount, SlotId

DEVNET_CHAIN_ID = 31337


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses and endpoints. `deployment_block` is where the contracts' events begin."""

    chain_id: int
    token: Address
    vault: Address
    beacon: Address
    bench: Address
    ballots: Address
    court: Address
    reputation: Address
    escrow: Address
    # One endpoint or several. May carry a key of one's own, so a deployment's record leaves it out.
    rpc_url: str | tuple[str, ...] = ""
    deployment_block: int = 0
    drand_urls: tuple[str, ...] = ()
    drand_chain_hash: str = ""
    gateways: tuple[str, ...] = ()
    push_to: str | None = None
    engine: str | None = None  # what runs jobs whose spec does not say: an image digest, or process on a devnet
    parameters: dict = field(default_factory=dict)

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The endpoints in their order of preference."""
        return parse_urls(self.rpc_url)

    @property
    def is_devnet(self) -> bool:
        """A chain of one's own: anvil's chain id, and every endpoint on this machine."""
        own = tuple(f"http://{host}:" for host in ("127.0.0.1", "localhost", "[::1]"))
        is_local = bool(self.rpc_urls) and all(url.startswith(own) for url in self.rpc_urls)
        return self.chain_id == DEVNET_CHAIN_ID and is_local

    @classmethod
    def load(cls, path: Path) -> Network:
        """Raises NotFound or UsageError when there is no network file or it is not one."""
        try:
            raw = json.loads(path.read_text())
            known = {entry.name for entry in fields(cls)}
            kept = {key: value for key, value in raw.items() if key in known}
            return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in kept.items()})
        except FileNotFoundError as error:
            raise NotFound(f"no network file at {path}", hint="swarm devnet up, or give --network FILE") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is not a network file: {error}") from error

    def save(self, path: Path) -> None:
        """Written beside and renamed, so that a reader never sees half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n")
        fresh.replace(path)


class Chain:
    """One network's contracts, typed. Constructing it asks nothing of the endpoints; `check` does."""

    def __init__(self, network: Network, *, client: ChainClient | None = None, fees: Fees | None = None) -> None:
        if not network.rpc_urls:
            raise UsageError("the network file names no RPC address", hint="give --rpc-url, or SWARM_RPC_URL")
        self.network = network
        self.client = client or ChainClient(network.rpc_urls, chain_id=network.chain_id, fees=fees)
        self.token = Token(self.client, network.token)
        self.vault = Vault(self.client, network.vault)
        self.beacon = Beacon(self.client, network.beacon)
        self.bench = Bench(self.client, network.bench)
        self.ballots = Ballots(self.client, network.ballots)
        self.court = Court(self.client, network.court)
        self.reputation = Reputation(self.client, network.reputation)
        self.escrow = Escrow(self.client, network.escrow, network.deployment_block)
        self.drand = Drand(network.drand_urls, network.drand_chain_hash)
        ours = (self.vault, self.beacon, self.bench, self.ballots, self.court, self.reputation, self.escrow)
        self.client.watch([contract.address for contract in ours])

    def check(self) -> Chain:
        """Raises TransientError when the endpoint is down, UsageError when it serves another chain."""
        actual = self.client.check()
        if actual != self.network.chain_id:
            raise UsageError(
                f"{self.client.endpoints.name} serves chain {actual}, this network is {self.network.chain_id}",
                hint="check the RPC address",
            )
        return self

    def deployment(self) -> str:
        """A name that no other deployment has, not on a chain of the same number either. Raises TransientError."""
        block = self.client.block_hash(self.network.deployment_block)
        return f"{self.network.chain_id} {self.network.escrow.lower()} {block.hex()}"

    def deposit(self, account: LocalAccount, amount: Amount, slasher: Address) -> None:
        """Deposits stake, if `amount` is positive, and lets `slasher` (escrow or bench) lock it."""
        if amount > 0:
            approval = self.token.approval(account, self.network.vault, amount)
            self.vault.deposit(account, amount, after=approval)
        if not self.vault.is_authorised(Address(account.address), slasher):
            self.vault.authorise(account, slasher)

    def take_slot(self, account: LocalAccount, hardware_class: int, operator: Address) -> SlotId:
        """Deposits what is missing of the bond, authorises the bench and takes a judge's seat."""
        free = self.vault.stake_of(Address(account.address)).free
        self.deposit(account, Amount(self.bench.slot_bond() - free), self.network.bench)
        slot_id, _ = self.bench.take_slot(account, hardware_class, operator)
        return slot_id
