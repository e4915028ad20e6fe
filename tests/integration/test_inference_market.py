# SPDX-License-Identifier: Apache-2.0
"""A batch of requests through the shipped commands: posted, answered, audited token by token, settled, pulled."""

import json

import pytest

from swarm.protocol.types import Comparison, JobStatus
from tests.integration.market import JUDGES

pytestmark = pytest.mark.timeout(300)


def test_requests_are_answered_audited_by_their_tokens_and_pulled(process_market, tmp_path):
    market = process_market
    requests = tmp_path / "requests.jsonl"
    # Of twenty segments each is so small a part of the price that every job is drawn for an audit.
    turns = ({"custom_id": f"q{n}", "messages": [{"role": "user", "content": f"What is {n}?"}]} for n in range(39))
    requests.write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    market.seat_judges()
    market.run_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    arguments = ["-m", str(market.model), "-i", str(requests), "--max-tokens", "8", "--temperature", "1"]
    arguments += ["--shard", "2", "--batch", "2", "--max-spend", "10", "--engine", market.engine, "--yes"]
    posted = market.facts("bob", "swarm", "infer", *arguments, "--save", str(tmp_path / "infer.yaml"))
    assert (posted["requests"], posted["segments"]) == (39, 20)
    market.start("sally", "swarm", "worker", "start", "--sandbox", market.sandbox, "--log-format", "json")

    code, output, error = market.call("bob", "swarm", "job", "watch", str(posted["job"]), "--timeout", "200")
    assert code == 0 and "settled" in output, output + error + market.log("sally").read_text()[-2000:]
    job = market.chain.escrow.job(posted["job"])
    assert job.audit_bps == 10_000
    assert job.status is JobStatus.SETTLED and job.audited, "".join(
        market.log(judge).read_text()[-3000:] for judge in JUDGES
    )
    assert job.terms.comparison is Comparison.TOLERANCE
    assert [line for judge in JUDGES for line in market.events(judge, "vouched")]

    out = tmp_path / "out"
    pulled = market.facts("bob", "swarm", "job", "pull", str(posted["job"]), "-o", str(out))
    assert pulled["files"] == "results.jsonl" and pulled["commitment"] == "matches the one on chain"
    found = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    assert [line["custom_id"] for line in found] == [f"q{n}" for n in range(39)]
    assert all(line["error"] is None for line in found)

    # The saved spec is one that can be posted again.
    again = market.facts("bob", "swarm", "job", "post", str(tmp_path / "infer.yaml"), "--dry-run")
    assert again["segments"] == 20
