# SPDX-License-Identifier: Apache-2.0
"""One person of the load benchmark as a process of its own: the shipped worker or judge, with a trivial program.

    python -m benchmarks.load_person seller|judge HOME

HOME holds `key` and `network.json`. At its end the process writes `facts.json`: what it asked of the chain, its memory.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from pathlib import Path

from eth_account import Account

from swarm import daemon, log
from swarm.chain.network import Chain, Network
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import JobRun, Progress
from swarm.seller.plan import Policy
from swarm.seller.worker import Worker
from swarm.storage.embedded import EmbeddedStore
from verifier.replay import Replayer
from verifier.service import Judge


def digest(run: JobRun, emit: Progress) -> None:
    """Honest and fast: the output is the digest of the job's spec, whoever runs it. No program, no sandbox."""
    (run.outputs / "digest").write_text(hashlib.sha256(run.inputs["job.json"].read_bytes()).hexdigest())


def main() -> None:
    role, home = sys.argv[1], Path(sys.argv[2])
    log.set_up(as_json=True)
    network = Network.load(home / "network.json")
    chain, account = Chain(network).check(), Account.from_key((home / "key").read_text())
    store = EmbeddedStore(home / "store", gateways=network.gateways, push_to=network.push_to)
    sandbox = Sandbox(FakeRunner(digest), owner=f"load-{role}")
    journal = Journal(home / f"{role}.sqlite")
    if role == "seller":
        parts = {"store": store, "sandbox": sandbox, "home": home, "policy": Policy()}
        person = Worker(chain=chain, journal=journal, account=account, **parts)
    else:
        person = Judge(chain=chain, replayer=Replayer(store, sandbox, home), journal=journal, account=account)
    try:
        daemon.run(person.tick, period_seconds=daemon.period_for(network))
    finally:
        person.stop()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        facts = {
            "calls": chain.client.endpoints.calls,
            "requests": chain.client.endpoints.requests,
            "peak_mb": usage.ru_maxrss // 1024,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
        }
        (home / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
