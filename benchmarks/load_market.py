# SPDX-License-Identifier: Apache-2.0
"""The market of a load run: people with money, daemons as processes, buyers who post at a steady rate."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from benchmarks.load_books import GasBook
from swarm.buyer.offer import offer
from swarm.buyer.prepare import prepare
from swarm.chain.devnet import fund
from swarm.chain.network import Chain, Network
from swarm.errors import SwarmError
from swarm.protocol.types import Address, Amount, JobId, JobStatus
from swarm.storage.embedded import EmbeddedStore
from swarm.units import parse_amount
from swarm.workloads.spec import parse_spec

IMAGE = "sha256:" + "0" * 64
_BATCH_SECONDS = 5


@dataclass
class Market:
    """One load run below `home`. What it keeps does not grow with the jobs that are over, but for their count."""

    home: Path
    network: Network
    chain: Chain
    accounts: dict[str, LocalAccount] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    failed_posts: list[str] = field(default_factory=list)
    ended: Counter[JobStatus] = field(default_factory=Counter)
    final: set[JobId] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.gas = GasBook(self.chain)

    # people

    def enter(self, name: str, stake: str | None = None, *, seat: bool = False) -> None:
        """An account with money, and what its role needs on chain."""
        account = self.accounts[name] = Account.create()
        chain = Chain(self.network)
        fund(chain, account.address, parse_amount("1000000"))
        if stake:
            chain.deposit(account, parse_amount(stake), self.network.escrow)
        if seat:
            chain.take_slot(account, 1, account.address)

    def start(self, name: str, role: str) -> None:
        home = self.home / name
        home.mkdir(parents=True)
        (home / "key").write_text(self.accounts[name].key.hex())
        self.network.save(home / "network.json")
        with (home / "log").open("wb") as log:
            command = [sys.executable, "-m", "benchmarks.load_person", role, str(home)]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def dead(self) -> list[str]:
        """Daemons that ended by themselves."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    @property
    def addresses(self) -> list[Address]:
        return [account.address for account in self.accounts.values()]

    # posting

    def post_all(self, jobs: int, *, per_minute: int, buyers: int, over: threading.Event) -> None:
        """Posts at a steady rate, a handful each time, one buyer after the other, until all are or it is `over`."""
        batch = max(1, round(per_minute * _BATCH_SECONDS / 60))
        people = [Buyer(self, f"buyer{number}") for number in range(buyers)]
        begin = time.monotonic()
        for turn, first in enumerate(range(0, jobs, batch)):
            if over.wait(max(0.0, begin + turn * batch * 60 / per_minute - time.monotonic())):
                return
            buyer = people[turn % buyers]
            try:
                buyer.post(range(first, min(first + batch, jobs)))
            except SwarmError as error:
                self.failed_posts.append(f"{buyer.name}: {error}")

    # looking

    def look(self) -> Counter[JobStatus]:
        """How many jobs are in which state now. Raises TransientError while the chain mixes two blocks."""
        with self.chain.client.snapshot():
            count = self.chain.escrow.job_count()
            wanted = (JobId(number) for number in range(1, count + 1))
            live = [self.chain.escrow.job(job_id) for job_id in wanted if job_id not in self.final]
        over = [job for job in live if job.status.is_final]
        self.ended.update(job.status for job in over)
        self.final.update(job.job_id for job in over)
        return self.ended + Counter(job.status for job in live if not job.status.is_final)

    def facts(self, role: str) -> list[dict]:
        """What the daemons of a role wrote at their end."""
        return [json.loads(path.read_text()) for path in sorted(self.home.glob(f"{role}*/facts.json"))]

    def complaints(self) -> Counter[str]:
        """What the daemons said that was not plain work; numbers left out of the reasons."""
        return Counter(
            re.sub(r"\d+", "N", f"{entry['event']}: {entry.get('reason', '')}"[:150])
            for entry in self._entries()
            if entry["level"] != "info"
        )

    def races_lost(self) -> Counter[str]:
        """Lost races by who lost them, and whether gas was paid for them."""
        lost = (entry for entry in self._entries() if entry["event"] == "race_lost")
        return Counter(_race(entry) for entry in lost)

    def _entries(self) -> Iterator[dict]:
        for path in self.home.glob("*/log"):
            with path.open() as lines:
                yield from (json.loads(line) for line in lines if line.startswith("{"))


class Buyer:
    """One account that posts; its connection and its store are made once."""

    def __init__(self, market: Market, name: str) -> None:
        network = market.network
        self.name, self._home, self._base = name, market.home / name, market.home
        self._chain, self._account = Chain(network), market.accounts[name]
        self._store = EmbeddedStore(self._home / "store", gateways=network.gateways, push_to=network.push_to)
        self._fee_min = int(network.parameters["fee_min"])

    def post(self, numbers: Sequence[int]) -> None:
        """These jobs, each with a spec of its own, in one transaction."""
        offers = []
        for number in numbers:
            prepared = prepare(parse_spec(_spec(number)), self._store, base=self._base, cache=self._home / "cache")
            offers.append(offer(prepared.spec, prepared.spec_cid, fee_min=self._fee_min))
        escrow = Amount(sum(each.escrow for each in offers))
        approval = self._chain.token.approval(self._account, self._chain.network.escrow, escrow)
        cids = [each.terms.spec_cid for each in offers]
        self._chain.escrow.post_many(self._account, offers[0].terms, cids, after=approval)


def _race(entry: dict) -> str:
    paid = "paid" if entry["gas_paid"] else "seen in time"
    return f"{entry.get('action', 'Accept')}, {paid}"


def _spec(number: int) -> dict:
    return {
        "version": 1,
        "type": "container",
        "name": f"load-{number}",
        "image": IMAGE,
        "entrypoint": ["true"],
        "env": {"NUMBER": str(number)},
        "determinism": "exact",
        "budget": {"max_total": 2},
    }
