# SPDX-License-Identifier: Apache-2.0
"""A whole sweep through the shipped commands: a canary, a rung of ASHA, a controller that is killed and resumed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys

import pytest
from safetensors.numpy import load_file

from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.ledger import Fate
from swarm.clock import wait_for
from swarm.protocol.types import JobId, JobStatus
from swarm.workloads.spec import load_spec
from tests.integration.market import Market

pytestmark = pytest.mark.timeout(600)

SWEEP = {
    "version": 1,
    "type": "sweep",
    "name": "rates",
    "method": "random",
    "run_cap": 6,
    "parallel": 5,
    "per_job": 5,
    "canary": 1,
    "parameters": {
        "training.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
        "training.lora_r": {"values": [2, 4]},
    },
    "early_terminate": {"type": "asha", "min_iter": 2, "eta": 3},
    "budget": {"max_total": 30, "max_per_run": 5},
}


def write_sweep(market: Market, chats, folder) -> str:
    training = {"max_steps": 6, "steps_per_segment": 6, "seed": 7, "sequence_len": 128, "micro_batch_size": 2}
    template = {
        "type": "lora",
        "base_model": f"file:{market.model}",
        "datasets": [{"path": f"file:{chats}"}],
        "training": training | {"threads": 1},
    }
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(SWEEP | {"template": template}))
    return str(path)


def killed_after_posting(market: Market, *arguments: str) -> None:
    """A controller that dies between the mined transaction and its own note of it."""
    code = (
        "import os, sys\n"
        "from swarm.buyer.sweep import controller\n"
        "sent = controller.send\n"
        "def send(*arguments):\n"
        "    if sent(*arguments):\n"
        "        os._exit(77)\n"
        "controller.send = send\n"
        "from swarm.cli.main import main\n"
        "sys.argv = ['swarm', *sys.argv[1:]]\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=market.environment("bob"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 77, done.stderr


def test_a_sweep_is_killed_resumed_and_finished_within_its_budget(process_market, chats, tmp_path):
    market = process_market
    market.seat_judges()
    market.run_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "100")
    market.start("sally", "swarm", "worker", "start", "--sandbox", market.sandbox, "--log-format", "json")
    before = market.chain.token.balance_of(market.keystore("bob").address("main"))

    killed_after_posting(market, "sweep", "run", write_sweep(market, chats, tmp_path), "--engine", "process", "--yes")
    (sweep,) = market.facts("bob", "swarm", "sweep", "list")
    assert sweep["state"] == "going on" and market.chain.escrow.job_count() == 1

    # ^C detaches: the jobs go on.
    log = (tmp_path / "resumed.log").open("w")
    command = [sys.executable, "-m", "swarm.cli.main", "sweep", "resume", sweep["sweep"]]
    follower = subprocess.Popen(command, env=market.environment("bob"), stderr=log, start_new_session=True)
    wait_for(lambda: market.chain.escrow.job_count() >= 2, timeout_seconds=120, what="the round after the canary")
    follower.send_signal(signal.SIGINT)
    assert follower.wait(60) == 130
    assert "swarm sweep resume" in (tmp_path / "resumed.log").read_text()

    code, out, error = market.call("bob", "swarm", "sweep", "resume", sweep["sweep"], "--json")
    assert code == 0, out + error
    assert json.loads(out)["state"].startswith("finish")

    book = SweepBook.open(market.directory / "bob" / "sweeps", sweep["sweep"])
    tasks = [(task.run, task.rung) for posting in book.postings() for task in posting.tasks]
    assert len(tasks) == len(set(tasks)), "a trial was run twice"
    assert len(book.runs()) == 6 and all(posting.fate is Fate.SETTLED for posting in book.postings())
    assert len(book.postings()[0].tasks) == 1, "the canary went alone"
    jobs = [market.chain.escrow.job(JobId(number)) for number in range(1, market.chain.escrow.job_count() + 1)]
    assert len(jobs) == len(book.postings()) and all(job.status is JobStatus.SETTLED for job in jobs)

    paid = before - market.chain.token.balance_of(market.keystore("bob").address("main"))
    assert paid == book.ledger().spent <= 30 * 10**18

    market.facts("bob", "swarm", "sweep", "export", sweep["sweep"], "--csv", str(tmp_path / "runs.csv"))
    table = list(csv.DictReader((tmp_path / "runs.csv").open()))
    assert len(table) == 6 and {row["state"] for row in table} == {"done", "pruned"}
    assert [row["steps"] for row in table].count("2") == len([row for row in table if row["state"] == "pruned"])
    rung = {row["run"]: float(row["eval_loss"]) for row in table}
    finished = [row["run"] for row in table if row["steps"] == "6"]
    assert table[0]["state"] == "done" and rung[table[0]["run"]] == min(rung[run] for run in finished)
    assert market.facts("bob", "swarm", "sweep", "best", sweep["sweep"])["run"] == table[0]["run"]
    weights = load_file(book.folder / "best" / table[0]["run"] / "adapter_model.safetensors")
    assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name)

    code, yaml, _ = market.call("bob", "swarm", "sweep", "best", sweep["sweep"], "--yaml")
    (tmp_path / "best.yaml").write_text(yaml)
    assert code == 0 and load_spec(tmp_path / "best.yaml").training.lora_r == int(table[0]["lora_r"])
    market.facts("bob", "swarm", "sweep", "report", sweep["sweep"], "-o", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert table[0]["run"] in page and "<svg" in page and "http" not in page
