# SPDX-License-Identifier: Apache-2.0
"""The tolerance class over one real market: an honest seller with other kernels, a cheat, a canary of the buyer's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from swarm.chain.devnet import fund
from swarm.clock import wait_for
from swarm.protocol.types import CaseStatus, Comparison, JobId, JobStatus, Ruling
from swarm.units import parse_amount
from tests.integration.market import FAST_KEYSTORE, JUDGES
from tests.integration.test_disputes import chain_time_standing

pytestmark = pytest.mark.timeout(900)

# The shipped worker, whose jobs run on a processor without AVX2, or learn twice as fast as they should.
HONEST = "environment={'SWARM_INSTRUCTION_SET': 'none'}"
CHEAT = "inputs=run.inputs | {'job.json': faster(run)}"
WORKER = """
import json, sys
from dataclasses import replace
from swarm.runtime.process import ProcessRunner

def faster(run):
    job = json.loads(run.inputs["job.json"].read_text())
    job["spec"]["training"]["learning_rate"] *= 2
    path = run.outputs.parent / "faster.json"
    path.write_text(json.dumps(job))
    return path

shipped = ProcessRunner.run
ProcessRunner.run = lambda self, run, **options: shipped(self, replace(run, CHANGE), **options)
from swarm.cli.main import main
main()
"""


def start_worker(market, person: str, change: str, job: int) -> None:
    arguments = ["worker", "start", "--sandbox", "process", "--log-format", "json", "--job", str(job)]
    with market.log(person).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER.replace("CHANGE", change), *arguments],
            env=market.environment(person),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    market.processes.append(process)


def post(market, chats, folder) -> int:
    """A LoRA job of twenty one-step segments in class fp32: with the least collateral it is always audited."""
    training = {"max_steps": 20, "steps_per_segment": 1, "seed": 5, "micro_batch_size": 2, "sequence_len": 128}
    spec = {"type": "lora", "name": "bounded", "base_model": f"file:{market.model}", "hardware_class": "fp32"}
    spec |= {
        "datasets": [{"path": f"file:{chats}"}],
        "training": training | {"threads": 1},
        "budget": {"max_total": 10},
    }
    (folder / "lora.yaml").write_text(json.dumps(spec))
    found = market.facts("bob", "swarm", "job", "post", str(folder / "lora.yaml"), "--engine", "process", "--yes")
    return JobId(found["job"])


def watched(market, job_id: int, code: int):
    actual, output, error = market.call("bob", "swarm", "job", "watch", str(job_id), "--timeout", "300")
    assert actual == code, output + error
    return market.chain.escrow.job(job_id)


def balance(market, person: str) -> int:
    return market.chain.token.balance_of(market.keystore(person).address("main"))


def test_other_kernels_are_paid_another_rate_is_slashed_and_a_canary_is_shown(process_market, chats, tmp_path):
    market = process_market
    market.seat_judges("fp32")
    market.run_judges()
    market.enter("bob", "sally", "larry")
    for seller in ("sally", "larry"):
        market.facts(seller, "swarm", "stake", "deposit", "50")

    job_id = post(market, chats, tmp_path)
    start_worker(market, "sally", HONEST, job_id)
    job = watched(market, job_id, 0)
    assert (job.status, job.audited, job.terms.comparison) == (JobStatus.SETTLED, True, Comparison.TOLERANCE)
    assert [line for judge in JUDGES for line in market.events(judge, "vouched")]

    # A canary of bob's: sally's result under another seed, posted while larry's job is judged.
    cheated = post(market, chats, tmp_path)
    start_worker(market, "larry", CHEAT, cheated)
    second = market.keystore("bob").create("second", market.words, iterations=FAST_KEYSTORE)
    fund(market.chain, second, parse_amount("100"))
    account = market.keystore("bob").unlock("second", market.words)
    market.chain.deposit(account, parse_amount("50"), market.chain.network.escrow)
    released = market.facts("bob", "swarm", "job", "canary", str(job_id), "--as", "second", "--yes")
    canary = JobId(released["job"])
    assert market.chain.escrow.job(canary).seller == second
    code, _, error = market.call("bob", "swarm", "job", "expose", str(cheated))
    assert code == 3 and "no canary of this home" in error

    def is_denied() -> bool:
        return market.chain.court.case(canary).status is CaseStatus.VOTING

    wait_for(is_denied, timeout_seconds=200, what="the denial of the canary", period_seconds=0.1)
    before = balance(market, "bob")
    with chain_time_standing(market):
        shown = market.facts("bob", "swarm", "job", "expose", str(canary))
    assert "the judge had seen that it is false" in shown["outcome"]
    job = market.chain.escrow.job(canary)
    rulings = [Ruling(event["args"]["ruling"]) for event in market.chain.court.events("Executed", canary)]
    assert rulings == [Ruling.CANARY] and balance(market, "bob") > before
    assert not market.chain.vault.locked_by(second, market.chain.network.escrow)
    code, _, error = market.call("bob", "swarm", "job", "expose", str(canary))
    assert code == 2 and "is over" in error

    assert watched(market, cheated, 13).status is JobStatus.SLASHED
