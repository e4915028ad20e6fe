# SPDX-License-Identifier: Apache-2.0
"""One person of the load benchmark as a process of its own: the shipped worker or judge, with an honest trivial runner.

    python -m benchmarks.load_person seller|judge HOME

HOME holds `key` and `network.json`. At its end the process writes `facts.json`: what it asked of the chain, its memory.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from eth_account import Account

from swarm import daemon, log
from swarm.chain.network import Chain, Network
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.runtime.port import JobRun, RunEnd, RunOutcome
from swarm.seller.plan import Policy
from swarm.seller.worker import Worker
from swarm.storage.embedded import EmbeddedStore
from verifier.replay import Replayer
from verifier.service import Judge


class TrivialRunner:
    """Honest and fast: the output is the digest of the job's spec, whoever runs it. No program, no sandbox."""

    name = "trivial"
    isolates_strangers = True  # nothing of a stranger runs

    def check(self) -> None:
        pass

    def accepts(self, engine: str) -> bool:
        return True

    def reap(self, owner: str) -> None:
        pass

    def run(
        self, run: JobRun, *, on_progress: Callable[[dict], None] | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        start, cpu = time.monotonic(), time.process_time()
        digest = hashlib.sha256(run.inputs["job.json"].read_bytes())
        (run.outputs / "digest").write_text(digest.hexdigest())
        return RunOutcome(RunEnd.OK, 0, time.monotonic() - start, time.process_time() - cpu, "", digest.digest())


def main() -> None:
    role, home = sys.argv[1], Path(sys.argv[2])
    log.set_up(as_json=True)
    network = Network.load(home / "network.json")
    chain, account = Chain(network).check(), Account.from_key((home / "key").read_text())
    store = EmbeddedStore(home / "store", gateways=network.gateways, push_to=network.push_to)
    sandbox = Sandbox(TrivialRunner(), owner=f"load-{role}")
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
