# SPDX-License-Identifier: Apache-2.0
"""A worker in a bad world: killed at a bad moment, a second one with its key, a chain that stops answering."""

import os
import signal
from pathlib import Path

import pytest

from swarm.clock import wait_for
from swarm.journal import Journal
from swarm.protocol.types import JobStatus

pytestmark = pytest.mark.timeout(600)


def worker(market, *options):
    return market.start("sally", "swarm", "worker", "start", "--sandbox", "process", "--log-format", "json", *options)


def anvil_of(market) -> int:
    """The process id of the market's own anvil: the devnet command's child."""
    devnet = market.processes[0].pid
    children = Path(f"/proc/{devnet}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    return next(pid for pid in pids if "anvil" in Path(f"/proc/{pid}/cmdline").read_text())


@pytest.fixture
def ready(process_market, chats):
    """Judges hold seats (their services need not run), Sally has stake, Bob's job waits."""
    market = process_market
    market.seat_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    return market, market.post("bob", chats)


def journal_step(market, job_id) -> str:
    path = market.directory / "sally" / "worker.sqlite"
    if not path.exists():
        return ""
    journal = Journal(path)
    try:
        return (journal.get("work", str(job_id)) or {}).get("step", "")
    finally:
        journal.close()


def test_killed_between_published_and_submitted_it_finds_its_work_and_submits(ready):
    market, job_id = ready
    first = worker(market)
    wait_for(lambda: market.events("sally", "job_started"), timeout_seconds=120, what="the run")
    # The chain goes silent during the run: the result is published but cannot be submitted.
    anvil = anvil_of(market)
    os.kill(anvil, signal.SIGSTOP)
    try:
        wait_for(lambda: journal_step(market, job_id) == "published", timeout_seconds=240, what="the publication")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    finally:
        os.kill(anvil, signal.SIGCONT)
    assert market.chain.escrow.job(job_id).status is JobStatus.RUNNING
    executed = len(market.events("sally", "job_executed"))
    worker(market)
    wait_for(
        lambda: market.chain.escrow.job(job_id).status is JobStatus.SUBMITTED,
        timeout_seconds=60,
        what="the submission",
    )
    assert [line["step"] for line in market.events("sally", "work_found")] == ["published"]
    assert len(market.events("sally", "job_executed")) == executed == 1, "the work was done twice"


def test_killed_during_the_run_it_runs_again_and_leaves_no_orphan(ready):
    market, job_id = ready
    first = worker(market)
    wait_for(lambda: market.events("sally", "progress"), timeout_seconds=120, what="progress")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    worker(market)
    wait_for(
        lambda: market.chain.escrow.job(job_id).status is JobStatus.SUBMITTED,
        timeout_seconds=240,
        what="the submission",
    )
    programs = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"swarm.jobs.lora" in _bytes(path)]
    mine = [path for path in programs if str(market.directory).encode() in _bytes(path.parent / "environ")]
    assert not mine


def test_a_second_worker_with_the_same_key_refuses(ready):
    market, _ = ready
    worker(market)
    wait_for(lambda: market.events("sally", "job_accepted"), timeout_seconds=120, what="the first worker")
    code, _, error = market.call("sally", "swarm", "worker", "start", "--sandbox", "process")
    assert code == 2 and "another worker already runs" in error


def test_a_chain_that_stops_answering_is_waited_for(ready):
    market, job_id = ready
    process = worker(market)
    wait_for(lambda: market.events("sally", "job_started"), timeout_seconds=120, what="the run")
    anvil = anvil_of(market)
    os.kill(anvil, signal.SIGSTOP)
    try:
        wait_for(lambda: market.events("sally", "waiting"), timeout_seconds=90, what="the worker to notice")
    finally:
        os.kill(anvil, signal.SIGCONT)
    wait_for(
        lambda: market.chain.escrow.job(job_id).status is JobStatus.SUBMITTED,
        timeout_seconds=240,
        what="the submission",
    )
    assert process.poll() is None


def test_a_store_that_stops_answering_is_waited_for_and_nothing_is_done_twice(ready):
    market, job_id = ready
    worker(market)
    wait_for(lambda: market.events("sally", "job_started"), timeout_seconds=120, what="the run")
    devnet = market.processes[0]
    os.kill(devnet.pid, signal.SIGSTOP)  # the content gateway lives in this process, the chain does not
    try:
        wait_for(lambda: market.events("sally", "waiting_to_publish"), timeout_seconds=300, what="the worker to notice")
    finally:
        os.kill(devnet.pid, signal.SIGCONT)
    wait_for(
        lambda: market.chain.escrow.job(job_id).status is JobStatus.SUBMITTED,
        timeout_seconds=240,
        what="the submission",
    )
    assert len(market.events("sally", "job_executed")) == 1


def test_too_little_stake_is_said_and_nothing_is_lost(process_market, chats):
    market = process_market
    market.seat_judges()
    market.enter("bob", "sally")
    job_id = market.post("bob", chats)
    worker(market)
    wait_for(lambda: market.events("sally", "job_refused"), timeout_seconds=120, what="the refusal")
    assert "free stake" in market.events("sally", "job_refused")[0]["reason"]
    assert market.chain.escrow.job(job_id).status is JobStatus.OPEN


def test_a_dead_store_is_named_at_start(process_market):
    market = process_market
    market.enter("sally")
    environment_file = market.network_file
    broken = environment_file.read_text().replace(market.chain.network.gateways[0], "http://127.0.0.1:9")
    other = market.directory / "broken.json"
    other.write_text(broken)
    code, _, error = market.call("sally", "swarm", "worker", "start", "--sandbox", "process", "--network", str(other))
    assert code == 8 and len(error.strip().splitlines()) <= 2


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
