# SPDX-License-Identifier: Apache-2.0
"""A sweep over a program through the shipped commands: real containers, a rung, a trial that leaves no metric."""

from __future__ import annotations

import json

import pytest

from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.ledger import Fate
from swarm.errors import SwarmError
from swarm.protocol.types import JobId, JobStatus
from swarm.runtime import engine
from swarm.runtime.base_image import find_base
from swarm.workloads.spec import load_spec
from tests.integration.conftest import missing
from tests.integration.market import Market

pytestmark = pytest.mark.timeout(400)

# Climbs to its rate step by step, from where the piece before left off.
PROGRAM = """
import json, os, pathlib, sys
given = dict(word.removeprefix("--").split("=") for word in sys.argv[1:])
assert given == {name: str(value) for name, value in json.load(open("/inputs/parameters.json")).items()}
rate, last = float(given["rate"]), int(os.environ["TRIAL_LAST_STEP"])
before = pathlib.Path("/inputs/trial/files/metrics.json")
at = json.loads(before.read_text()) if before.exists() else {"height": 0.0, "step": 0}
for step in range(at["step"], last):
    at = {"height": at["height"] + rate, "step": step + 1}
if rate > 0:
    pathlib.Path("/outputs/metrics.json").write_text(json.dumps(at))
"""


@pytest.fixture
def market(tmp_path, tiny_model):
    try:
        image = find_base(engine.connect(), None, print)
    except SwarmError as error:
        missing(f"no container engine: {error}")
    market = Market(tmp_path / "market", "docker", image, tiny_model)
    try:
        market.open()
        yield market
    finally:
        market.close()


def write_sweep(market, folder) -> str:
    program = {"image": market.engine, "entrypoint": ["python3", "-c", PROGRAM], "determinism": "exact"}
    content = {"version": 1, "type": "sweep", "name": "climb", "method": "grid", "run_cap": 3, "parallel": 3}
    content |= {"canary": 0, "metric": {"name": "height", "goal": "maximize"}, "seed": 1}
    content |= {"parameters": {"rate": {"values": [0.0, 0.5, 2.0]}}, "budget": {"max_total": 6, "max_per_run": 2}}
    content |= {"early_terminate": {"type": "asha", "min_iter": 1, "eta": 3, "max_iter": 3}}
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(content | {"program": program | {"segment_seconds": 60, "run_seconds": 600}}))
    return str(path)


def test_a_program_is_searched_in_containers_within_the_budget(market, tmp_path):
    market.seat_judges()
    market.run_judges()
    market.enter("bob", "sally")
    # Much collateral: few audits.
    market.facts("sally", "swarm", "stake", "deposit", "500")
    options = ["--sandbox", "docker", "--memory-gib", "1", "--collateral", "25", "--log-format", "json"]
    market.start("sally", "swarm", "worker", "start", *options)
    before = market.chain.token.balance_of(market.keystore("bob").address("main"))

    found = market.facts("bob", "swarm", "sweep", "run", write_sweep(market, tmp_path), "--yes")
    assert found["state"] == "finish: 3 run(s)" and found["metric"] == "height" and found["best"] == 6.0

    book = SweepBook.open(market.directory / "bob" / "sweeps", found["sweep"])
    assert [posting.fate for posting in book.postings()] == [Fate.SETTLED] * 4
    jobs = [market.chain.escrow.job(JobId(number)) for number in range(1, market.chain.escrow.job_count() + 1)]
    assert [job.status for job in jobs] == [JobStatus.SETTLED] * 4
    paid = before - market.chain.token.balance_of(market.keystore("bob").address("main"))
    assert paid == book.ledger().spent <= 6 * 10**18

    rows = market.facts("bob", "swarm", "sweep", "top", found["sweep"])
    assert [(row["rate"], row["height"], row["state"]) for row in rows] == [
        (2.0, 6.0, "done"),
        (0.5, 0.5, "pruned"),
        (0.0, None, "diverged"),
    ]
    kept = book.folder / "best" / rows[0]["run"] / "metrics.json"
    assert json.loads(kept.read_text()) == {"height": 6.0, "step": 3}
    code, yaml, _ = market.call("bob", "swarm", "sweep", "best", found["sweep"], "--yaml")
    (tmp_path / "best.yaml").write_text(yaml)
    assert code == 0 and load_spec(tmp_path / "best.yaml").args == ("--rate=2.0",)
