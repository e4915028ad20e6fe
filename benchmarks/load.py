# SPDX-License-Identifier: Apache-2.0
"""A market under load: many buyers, sellers and judges as processes on one machine, against one chain.

    python -m benchmarks.load [--jobs 1000] [--sellers 20] [--judges 5] [--buyers 20] [--per-minute 60] [--out FILE]

Real: anvil (a block a second), contracts, drand signer, content stores over HTTP, the shipped worker and judge loops,
each in its own process. Not real: the program. A trivial honest one writes the digest of the spec (load_person.py),
so that the figures are those of chain, store and loops. Audits are drawn at the rate of the least collateral.

FILE is written anew every half minute: a run that is broken off has left its figures. Exit code 1 where a job was not
settled within the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.load_books import check_tokens
from benchmarks.load_market import Market
from benchmarks.load_report import Report, print_report
from swarm.chain.devnet import Devnet
from swarm.chain.network import Chain
from swarm.errors import TransientError
from swarm.protocol.types import JobStatus
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer

_LOOK_SECONDS, _TELL_SECONDS, _KEEP_SECONDS = 3, 10, 30


def play(market: Market, wanted: argparse.Namespace) -> Report:
    """The whole run. The report is complete where the time was enough, and true where it was not."""
    sellers = [f"seller{number}" for number in range(wanted.sellers)]
    judges = [f"judge{number}" for number in range(wanted.judges)]
    buyers = [f"buyer{number}" for number in range(wanted.buyers)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(market.enter, buyers))
        list(pool.map(lambda name: market.enter(name, "1000"), sellers))
        list(pool.map(lambda name: market.enter(name, seat=True), judges))
    for name in sellers + judges:
        market.start(name, "seller" if name in sellers else "judge")
    time.sleep(wanted.warm_up)
    market.gas.begin()
    report, over = Report(market, vars(wanted)), threading.Event()
    rate = {"per_minute": wanted.per_minute, "buyers": wanted.buyers, "over": over}
    posting = threading.Thread(target=market.post_all, args=(wanted.jobs,), kwargs=rate)
    posting.start()
    try:
        watch(market, report, wanted, posting)
    finally:
        over.set()
        posting.join()
        market.stop()
    report.end()
    with contextlib.suppress(TransientError):
        market.gas.read_on()
        report.look(market.look())
    if report.live == 0:
        report.tokens = check_tokens(market.chain, market.addresses)
    return report


def watch(market: Market, report: Report, wanted: argparse.Namespace, posting: threading.Thread) -> None:
    """Until every job is final, none became final for `patience` seconds, or the time is over."""
    begin = last = told = kept = time.monotonic()
    done = 0
    while (now := time.monotonic()) - begin < wanted.time_limit and now - last < wanted.patience:
        is_posting = posting.is_alive()
        try:
            statuses = market.look()
            market.gas.read_on()
        except TransientError:  # anvil answers for two blocks while it mines one; the next look tells
            time.sleep(1)
            continue
        report.look(statuses)
        if len(market.final) != done:
            done, last = len(market.final), time.monotonic()
        if now - told > _TELL_SECONDS:
            told = now
            tell(report, statuses)
        if wanted.out and now - kept > _KEEP_SECONDS:
            kept = now
            keep(wanted.out, report)
        if not is_posting and report.live == 0:
            return
        time.sleep(_LOOK_SECONDS)


def tell(report: Report, statuses: Counter[JobStatus]) -> None:
    named = {status.name.lower(): count for status, count in sorted(statuses.items())}
    dead = f"; ended by themselves: {report.market.dead()}" if report.market.dead() else ""
    print(f"  {report.seconds:6.0f} s  {report.rate:5.1f} a minute  {named}{dead}", file=sys.stderr, flush=True)


def keep(path: Path, report: Report) -> None:
    """Whole or not at all: a run may be killed at any moment."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    fresh.replace(path)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in [("jobs", 1_000), ("sellers", 20), ("judges", 5), ("buyers", 20), ("per-minute", 60)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--patience", type=float, default=240, help="seconds without a job that ends")
    parser.add_argument("--time-limit", type=float, default=3_600, help="seconds from the first post; then it reports")
    parser.add_argument("--warm-up", type=float, default=20, help="seconds for the processes to start")
    parser.add_argument("--out", type=Path, help="the report as JSON, kept up to date during the run")
    return parser.parse_args()


def main() -> None:
    wanted = parse()
    with tempfile.TemporaryDirectory(prefix="computeswarm-load-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        devnet = Devnet(home / "devnet")
        gateway = GatewayServer(FlatFs(home / "devnet" / "blocks"), upload_quota_bytes=20 << 30)
        market = None
        try:
            network = devnet.start()
            gateway.start()
            network = replace(network, gateways=(gateway.url,), push_to=gateway.url)
            market = Market(home, network, Chain(network).check())
            report = play(market, wanted)
            if wanted.out:
                keep(wanted.out, report)
            print_report(report)
        finally:
            if market:
                market.stop()
            gateway.stop()
            devnet.stop()
    sys.exit(0 if report.settled == wanted.jobs else 1)


if __name__ == "__main__":
    main()
