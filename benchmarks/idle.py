# SPDX-License-Identifier: Apache-2.0
"""What a worker and a judge cost a machine while there is nothing to do: processor time and memory.

    python -m benchmarks.idle [--seconds 300]

The shipped commands as processes. They look at a devnet's chain every second and at a public one every 15 s
(`swarm/daemon.py`): the last column is the time of those looks at that period. What they ask of an endpoint is counted
by `benchmarks.polling`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.overhead import MODEL
from swarm import daemon
from swarm.clock import wait_for
from tests.integration.market import Market

_SETTLE_SECONDS = 20  # imports, the golden job and the first look are over


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and of the children it has waited for."""
    return sum(process.cpu_times()[:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="swarm-idle-") as folder:
        market = Market(Path(folder), "process", "process", MODEL)
        try:
            market.open()
            market.seat_judges()
            market.enter("sally")
            market.facts("sally", "swarm", "stake", "deposit", "50")
            worker = market.start("sally", "swarm", "worker", "start", "--sandbox", "process", "--log-format", "json")
            judge = market.start("judith", "verifier", "run", "--sandbox", "process", "--log-format", "json")
            wait_for(lambda: market.events("judith", "resting"), timeout_seconds=300, what="the judge's first look")
            time.sleep(_SETTLE_SECONDS)
            daemons = {"worker": psutil.Process(worker.pid), "judge": psutil.Process(judge.pid)}
            before = {name: cpu_seconds(process) for name, process in daemons.items()}
            time.sleep(seconds)
            print(f"{seconds} s, a look every {daemon.period_for(market.chain.network):g} s")
            print(f"{'daemon':<8}{'processor':>10}{'memory':>10}{'at a look every 15 s':>22}")
            for name, process in daemons.items():
                share = (cpu_seconds(process) - before[name]) / seconds
                rare = share * daemon.period_for(market.chain.network) / daemon._PERIOD_SECONDS
                mib = process.memory_info().rss / 2**20
                print(f"{name:<8}{share:>10.2%}{mib:>6.0f} MiB{rare:>22.2%}")
        finally:
            market.close()


if __name__ == "__main__":
    main()
