# SPDX-License-Identifier: Apache-2.0
"""What daemons ask of an endpoint while they have nothing to do, on a real chain, as calls an hour.

    python -m benchmarks.polling [OPEN_JOBS]

A call in a batch counts as a call, because endpoints bill it so. An hour is looks at the production period, each of
which finds a new block, and one look that reads everything anew.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.load_market import Buyer, Market
from benchmarks.load_person import digest
from swarm import daemon
from swarm.chain.devnet import Devnet
from swarm.chain.network import Chain
from swarm.chain.snapshot import _KEPT_SECONDS
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.runtime.fake import FakeRunner
from swarm.seller.plan import Policy
from swarm.seller.worker import Worker
from swarm.storage.fake import FakeStore
from verifier.replay import Replayer
from verifier.service import Judge

LOOKS_AN_HOUR = 3600 / daemon._PERIOD_SECONDS


def look(person, chain: Chain) -> tuple[int, int]:
    """Calls and requests of one look, at a block that is new."""
    chain.client.rpc("evm_mine")
    endpoints = chain.client.endpoints
    calls, requests = endpoints.calls.total(), endpoints.requests
    person.tick()
    return endpoints.calls.total() - calls, endpoints.requests - requests


def measure(name: str, person, chain: Chain, event) -> None:
    first, idle = look(person, chain), look(person, chain)
    event()
    moved = look(person, chain)
    rereads = 3600 / _KEPT_SECONDS
    calls, requests = (LOOKS_AN_HOUR * idle[at] + rereads * first[at] for at in (0, 1))
    print(f"{name:<8}{first[0]:>7} / {first[1]:<5}{idle[0]:>4} / {idle[1]:<4}{moved[0]:>4} / {moved[1]:<6}", end="")
    print(f"{calls:>8.0f} / {requests:.0f}")


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory(prefix="computeswarm-polling-") as folder:
        home, devnet = Path(folder), Devnet(Path(folder) / "devnet")
        try:
            network = devnet.start()
            market = Market(home, network, Chain(network).check())
            market.chain.client.rpc("evm_setIntervalMining", 0)
            market.chain.client.rpc("evm_setAutomine", True)
            market.enter("buyer")
            market.enter("seller")  # one without gas looks at its balance each time
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: market.enter(f"judge{number}", seat=True), range(4)))
            buyer = Buyer(market, "buyer")
            buyer.post(range(jobs))
            print(f"{jobs} open jobs, 4 slots; calls / requests")
            print("daemon   first look   idle look  another's job   an idle hour")
            for name, chain in (("worker", Chain(network)), ("judge", Chain(network))):
                measure(name, _person(name, chain, home, market), chain, lambda: buyer.post([jobs + 1]))
        finally:
            devnet.stop()


def _person(name: str, chain: Chain, home: Path, market: Market):
    journal, sandbox = Journal(home / f"{name}.sqlite"), Sandbox(FakeRunner(digest), owner="polling")
    if name == "judge":
        account, replayer = market.accounts["judge0"], Replayer(FakeStore(), sandbox, home)
        return Judge(chain=chain, replayer=replayer, journal=journal, account=account)
    # Nothing is dear enough for it.
    parts = {"store": FakeStore(), "sandbox": sandbox, "home": home, "policy": Policy(price_floor=10**30)}
    return Worker(chain=chain, journal=journal, account=market.accounts["seller"], **parts)


if __name__ == "__main__":
    main()
