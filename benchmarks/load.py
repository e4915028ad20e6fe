# SPDX-License-Identifier: Apache-2.0
"""A market under load: many buyers, sellers and judges as processes on one machine, against one chain.

    python -m benchmarks.load [--jobs 1000] [--sellers 20] [--judges 5] [--buyers 20] [--per-minute 60]

Real: anvil (a block a second), contracts, drand signer, content stores over HTTP, the shipped worker and judge loops,
each in its own process. Not real: the program. A trivial honest runner writes the digest of the spec (load_person.py),
so that the figures are those of chain, store and loops. Audits are drawn at the rate of the least collateral.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from benchmarks.load_books import check_tokens, gas_by_call
from swarm.buyer.offer import offer
from swarm.buyer.prepare import prepare
from swarm.chain.devnet import Devnet, fund
from swarm.chain.network import Chain, Network
from swarm.errors import SwarmError, TransientError
from swarm.protocol.types import Amount, JobStatus
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.units import format_amount, parse_amount
from swarm.workloads.spec import parse_spec

IMAGE = "sha256:" + "0" * 64
_ROUND_SECONDS = 5


@dataclass
class Run:
    """One load run below `home`."""

    home: Path
    network: Network
    chain: Chain
    accounts: dict[str, LocalAccount] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    failed_posts: list[str] = field(default_factory=list)

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

    def post(self, buyer: str, numbers: Sequence[int]) -> None:
        """These jobs of one buyer, each with a spec of its own, posted in one transaction."""
        chain, account = Chain(self.network), self.accounts[buyer]
        network = self.network
        store = EmbeddedStore(self.home / buyer / "store", gateways=network.gateways, push_to=network.push_to)
        fee_min = int(network.parameters["fee_min"])
        offers = []
        try:
            for number in numbers:
                spec = parse_spec(_spec(number))
                prepared = prepare(spec, store, base=self.home, cache=self.home / buyer / "cache")
                offers.append(offer(prepared.spec, prepared.spec_cid, fee_min=fee_min))
            escrow = Amount(sum(each.escrow for each in offers))
            chain.token.ensure_allowance(account, network.escrow, escrow)
            chain.escrow.post_many(account, offers[0].terms, [each.terms.spec_cid for each in offers])
        except SwarmError as error:
            self.failed_posts.append(f"{buyer}: {error}")

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def facts(self, prefix: str) -> list[dict]:
        paths = sorted(self.home.glob(f"{prefix}*/facts.json"))
        return [json.loads(path.read_text()) for path in paths]

    def complaints(self) -> Counter[str]:
        """What the daemons said that was not plain work; numbers left out of the reasons."""
        lines = [line for path in self.home.glob("*/log") for line in path.read_text().splitlines()]
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        odd = (entry for entry in entries if entry["level"] != "info")
        return Counter(re.sub(r"\d+", "N", f"{entry['event']}: {entry.get('reason', '')}"[:150]) for entry in odd)


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


def post_all(run: Run, wanted: argparse.Namespace) -> None:
    """Posts at a steady rate, a handful each time, one buyer after the other."""
    batch = max(1, round(wanted.per_minute * _ROUND_SECONDS / 60))
    begin = time.monotonic()
    for turn, first in enumerate(range(0, wanted.jobs, batch)):
        time.sleep(max(0.0, begin + turn * _ROUND_SECONDS - time.monotonic()))
        run.post(f"buyer{turn % wanted.buyers}", range(first, min(first + batch, wanted.jobs)))


def watch(run: Run, jobs: int, *, patience_seconds: float) -> tuple[Counter[str], float]:
    """Until every job is final, or none became final for `patience_seconds`. Gives statuses, and when the last came."""
    begin = last = time.monotonic()
    done = -1
    while True:
        try:
            with run.chain.client.snapshot():
                statuses = Counter(job.status for job in run.chain.escrow.jobs())
        except TransientError:  # anvil answers for two blocks while it mines one; the next look tells
            time.sleep(1)
            continue
        final = sum(count for status, count in statuses.items() if status.is_final)
        if final != done:
            done, last = final, time.monotonic()
            told = {status.name.lower(): count for status, count in sorted(statuses.items())}
            print(f"  {last - begin:6.0f} s  {told}", file=sys.stderr, flush=True)
        if final == jobs or time.monotonic() - last > patience_seconds:
            return Counter({status.name.lower(): count for status, count in statuses.items()}), last - begin
        time.sleep(2)


def play(run: Run, wanted: argparse.Namespace) -> None:
    sellers = [f"seller{number}" for number in range(wanted.sellers)]
    judges = [f"judge{number}" for number in range(wanted.judges)]
    buyers = [f"buyer{number}" for number in range(wanted.buyers)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(run.enter, buyers))
        list(pool.map(lambda name: run.enter(name, "1000"), sellers))
        list(pool.map(lambda name: run.enter(name, seat=True), judges))
    for name in sellers + judges:
        run.start(name, "seller" if name in sellers else "judge")
    time.sleep(wanted.warm_up)
    first = run.chain.client.block_number()
    begin = time.monotonic()
    posting = threading.Thread(target=post_all, args=(run, wanted))
    posting.start()
    statuses, seconds = watch(run, wanted.jobs, patience_seconds=wanted.patience)
    posting.join()
    run.stop()
    print_report(run, wanted, statuses, seconds, time.monotonic() - begin, first)


def print_report(run: Run, wanted, statuses: Counter, seconds: float, all_seconds: float, first: int) -> None:
    settled = statuses[JobStatus.SETTLED.name.lower()]
    print(f"\n{wanted.jobs} jobs of {wanted.buyers} buyers, {wanted.sellers} sellers, {wanted.judges} judges")
    print(f"ended as            {dict(statuses)}; {wanted.jobs - settled} not settled")
    print(f"jobs per minute     {60 * settled / seconds:.1f} ({seconds:.0f} s; posted at {wanted.per_minute} a minute)")
    print(f"posting failed      {run.failed_posts or 'never'}")
    print("warnings, errors")
    for words, times in run.complaints().most_common(12):
        print(f"{times:>8} x {words}")
    for role in ("seller", "judge"):
        facts = run.facts(role)
        if not facts:
            continue
        peak, cpu = [each["peak_mb"] for each in facts], sum(each["cpu_seconds"] for each in facts)
        calls = sum(sum(each["calls"].values()) for each in facts) / len(facts)
        print(
            f"{role:<8} x {len(facts):<3}      peak {sum(peak) / len(peak):.0f} MB on average, {max(peak)} MB at most;",
            end=" ",
        )
        print(f"{cpu / all_seconds:.2f} cores together; {60 * calls / all_seconds:.0f} calls a minute each")
    gas = gas_by_call(run.chain, first, run.chain.client.block_number())
    total = sum(sum(each) for each in gas.values())
    print(f"gas                 {total / max(settled, 1):,.0f} a settled job")
    for name, used in sorted(gas.items(), key=lambda pair: -sum(pair[1])):
        print(f"  {name:<28}{len(used):>6} x {sum(used) / len(used):>9,.0f}")
    people = [account.address for account in run.accounts.values()]
    places = {name: f"{format_amount(amount)}" for name, amount in check_tokens(run.chain, people).items()}
    print(f"tokens              every one accounted for: {places}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("jobs", 1_000), ("sellers", 20), ("judges", 5), ("buyers", 20), ("per-minute", 60)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--patience", type=float, default=240, help="seconds without a job that ends")
    parser.add_argument("--warm-up", type=float, default=20, help="seconds for the processes to start")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="computeswarm-load-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        devnet = Devnet(home / "devnet")
        gateway = GatewayServer(FlatFs(home / "devnet" / "blocks"), upload_quota_bytes=20 << 30)
        run = None
        try:
            network = devnet.start()
            gateway.start()
            network = replace(network, gateways=(gateway.url,), push_to=gateway.url)
            run = Run(home, network, Chain(network).check())
            play(run, wanted)
        finally:
            if run:
                run.stop()
            gateway.stop()
            devnet.stop()


if __name__ == "__main__":
    main()
