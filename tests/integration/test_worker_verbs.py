# SPDX-License-Identifier: Apache-2.0
"""The seller's verbs on a real market: nothing that was done is done again, and somebody else goes on from it."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from swarm.clock import wait_for
from swarm.protocol.types import JobId, JobStatus
from swarm.seller import board
from tests.integration.market import Market

pytestmark = pytest.mark.timeout(300)
SEGMENTS = 90


def worker(market, person, *options):
    return market.start(person, "swarm", "worker", "start", "--sandbox", "process", "--log-format", "json", *options)


def verb(market, person, *words):
    return market.facts(person, "swarm", "worker", *words)


def done_at_least(market, person, count):
    def probe():
        job = board.read(market.directory / person).get("running") or {}
        return job.get("done", 0) >= count and job["done"]

    return wait_for(probe, timeout_seconds=120, what=f"{count} segments", period_seconds=0.05)


def post_in_parts(market, data):
    """A job of ninety one-step segments that a second seller may finish."""
    spec = market.directory / "lora.yaml"
    arguments = ["-m", str(market.model), "-d", str(data), "--steps", str(SEGMENTS), "--steps-per-segment", "1"]
    arguments += ["--rank", "2", "--batch", "2", "--max-spend", "10", "--save", str(spec), "--dry-run"]
    market.facts("bob", "swarm", "lora", *arguments)
    options = ("--parts", "2", "--engine", market.engine, "--yes")
    return JobId(market.facts("bob", "swarm", "job", "post", str(spec), *options)["job"])


def job_programs(market):
    """Job programs below a worker of this market: others may run on this machine too."""
    mine = {str(process.pid) for process in market.processes}
    table = [line.split(None, 2) for line in os.popen("ps -eo pid,sid,args").read().splitlines()]
    parents = dict(line.split() for line in os.popen("ps -eo pid,ppid").read().splitlines()[1:])

    def is_mine(pid):
        while pid not in (None, "0", "1"):
            if pid in mine:
                return True
            pid = parents.get(pid)
        return False

    return [words for pid, _, words in table if "swarm.jobs.lora" in words and is_mine(pid)]


@pytest.fixture(scope="module")
def ready(tmp_path_factory, tiny_model, chats):
    """One market for the tests of this file, in their order: making it takes longer than they do."""
    market = Market(tmp_path_factory.mktemp("verbs") / "market", "process", "process", tiny_model)
    try:
        market.open()
        market.seat_judges()
        market.enter("bob", "sally", "sam")
        for person in ("sally", "sam"):
            market.facts(person, "swarm", "stake", "deposit", "50")
        yield market, post_in_parts(market, chats)
    finally:
        market.close()


def one_line(market, person, *words):
    """What a refused verb says, and its exit code."""
    code, out, error = market.call(person, "swarm", "worker", *words)
    assert not out and len(error.strip().splitlines()) == 1, error
    return code, error


def page(port, name):
    """Status and text of a page of the monitor."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, "nobody listens yet"


def doctor(market, person):
    """Exit code and the status of every check."""
    code, out, error = market.call(person, "swarm", "doctor", "--json")
    return code, {check["id"]: check["status"] for check in json.loads(out)["checks"]}, out + error


def test_the_doctor_finds_a_healthy_market(ready):
    market, _ = ready
    _, found, said = doctor(market, "sally")
    for name in ("chain.rpc", "clock.skew", "store", "wallet.keystore", "wallet.gas", "stake.free", "home.owner"):
        assert found[name] == "pass", said


def test_verbs_refuse_in_one_line_where_no_worker_runs_or_no_job_is_at_work(ready):
    market, _ = ready
    for name in ("pause", "resume", "drain", "stop", "hand-back"):
        code, error = one_line(market, "sam", name)
        assert code == 3 and "no worker runs" in error
    assert one_line(market, "sam", "logs")[0] == 3
    assert verb(market, "sam", "status")["state"] == "stopped"
    assert verb(market, "sam", "why")[0]["reason"] == "no worker runs"
    worker(market, "sam", "--floor", "500")
    counted = lambda: verb(market, "sam", "status")["not_taken"] == "1 price"  # noqa: E731
    wait_for(counted, timeout_seconds=60, what="the refusal to be counted")
    assert verb(market, "sam", "why") == [{"jobs": 1, "reason": "price below the floor", "remedy": "lower --floor"}]
    code, error = one_line(market, "sam", "hand-back")
    assert code == 3 and "no job is at work" in error
    code, error = one_line(market, "sam", "pause", "--for", "soon")
    assert code == 2 and "not a duration" in error
    code, error = one_line(market, "sam", "start", "--hours", "late")
    assert code == 2 and "hours" in error
    assert "resting" in market.call("sam", "swarm", "worker", "logs", "-n", "50")[1]
    verb(market, "sam", "stop")


def test_pause_resume_kill_and_hand_back_lose_no_whole_segment(ready):
    """One job of 90 segments: paused, resumed, its worker killed, handed back, and ended by another seller."""
    market, job_id = ready
    first = worker(market, "sally")
    done_at_least(market, "sally", 3)
    assert job_programs(market)

    begin = time.monotonic()
    paused = verb(market, "sally", "pause", "--reason", "a game")
    assert paused["job"] == job_id and paused["seconds"] <= 5 and not job_programs(market), time.monotonic() - begin
    shown = verb(market, "sally", "status")
    assert shown["state"] == "paused (a game)"
    wait_for(lambda: "held" in (verb(market, "sally", "status")["job"] or ""), timeout_seconds=15, what="the held job")
    assert {row["reason"] for row in verb(market, "sally", "why")} == {"paused"}
    kept = market.events("sally", "run_paused")[0]["segments_done"]
    assert kept >= 3

    verb(market, "sally", "resume")
    done_at_least(market, "sally", kept + 2)
    assert market.events("sally", "job_started")[1]["segments_done"] == kept

    noted = board.read(market.directory / "sally")["running"]["done"]
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert verb(market, "sally", "status")["state"] == "stopped"
    worker(market, "sally")
    wait_for(lambda: len(market.events("sally", "job_started")) == 3, timeout_seconds=60, what="the restart")
    assert market.events("sally", "job_started")[2]["segments_done"] >= noted

    done_at_least(market, "sally", noted + 2)
    answer = verb(market, "sally", "hand-back", "--pause")
    first_part, rest = market.chain.escrow.job(job_id), market.chain.escrow.job(answer["rest"])
    assert first_part.status is JobStatus.SUBMITTED and first_part.segments >= noted + 2
    assert rest.status is JobStatus.OPEN and rest.terms.first_segment == first_part.segments
    assert rest.segments == SEGMENTS - first_part.segments

    verb(market, "sally", "resume")
    worker(market, "sam")
    wait_for(
        lambda: market.chain.escrow.job(rest.job_id).status is JobStatus.SUBMITTED,
        timeout_seconds=120,
        what="the other seller",
    )
    assert market.events("sam", "job_accepted") and len(market.events("sally", "job_accepted")) == 1
    reasons = {row["reason"]: row["jobs"] for row in verb(market, "sally", "why")}
    assert not reasons
    stopped = verb(market, "sally", "stop")
    assert stopped["seconds"] < 10
    verb(market, "sam", "drain", "--wait")
    assert verb(market, "sam", "status")["state"] == "stopped"
    # Both parts as one chain of segments: the second starts where the first one's last leaf ends.
    assert rest.terms.input != bytes(32)


def test_status_and_why_answer_with_everything_down(ready):
    market, _ = ready
    address = market.facts("sam", "swarm", "wallet", "show")["address"]
    market.chain.client.rpc("anvil_setBalance", address, hex(10**12))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    worker(market, "sam", "--metrics-port", str(port))
    wait_for(lambda: verb(market, "sam", "status")["state"] == "waiting for work", timeout_seconds=60, what="its start")
    wait_for(lambda: page(port, "readyz")[0] == 200, timeout_seconds=30, what="readiness")
    assert page(port, "healthz") == (200, "ok\n") and page(port, "keystore")[0] == 404
    shown = page(port, "metrics")[1]
    assert 'swarm_worker_jobs_total{outcome="' in shown or "swarm_worker_up 1.0" in shown
    assert "swarm_wallet_gas_jobs" in shown and "process_resident_memory_bytes" in shown
    said = lambda: {row["reason"] for row in verb(market, "sam", "why")}  # noqa: E731
    wait_for(lambda: said() == {"too little gas to submit"}, timeout_seconds=30, what="the reason")
    assert verb(market, "sam", "status")["gas_runway"] == "0 jobs"
    devnet = market.processes[0]
    devnet.terminate()
    devnet.wait(30)
    wait_for(lambda: "trouble" in verb(market, "sam", "status"), timeout_seconds=60, what="the worker to notice")
    assert "ago" in verb(market, "sam", "status")["known"]
    code, found, _ = doctor(market, "sam")
    assert code == 14 and found["chain.rpc"] == found["store"] == "fail" and found["python.version"] == "pass"
    verb(market, "sam", "stop")
    facts = board.read(market.directory / "sam")
    facts["chain"]["at"] = time.time() - 190
    (market.directory / "sam" / board.NAME).write_text(json.dumps(facts))
    shown = verb(market, "sam", "status")
    assert shown["state"] == "stopped" and shown["known"] == "stale 3 m"
    assert verb(market, "sam", "why")[0]["reason"] == "no worker runs"
