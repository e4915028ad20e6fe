# SPDX-License-Identifier: Apache-2.0
"""The LoRA job program and its data: validation, plain text, cut examples, one line; memory for time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.clock import wait_for
from swarm.protocol.types import JobStatus
from swarm.workloads.exact import compare
from swarm.workloads.lora.metrics import read_metrics
from swarm.workloads.lora.segments import is_held_out
from tests.integration.lora_bench import CID, Bench, events, refused
from tests.integration.market import Market


@pytest.mark.parametrize("change", [{"val_set_size": 0.5}, {"test_datasets": [{"path": CID}]}])
def test_the_last_segment_carries_a_validation_loss_that_repeats(bench: Bench, change: dict) -> None:
    bench.heldout.write_text("".join(bench.data.read_text().splitlines(keepends=True)[:3]))
    spec = bench.spec(change=change)
    whole = bench.train("whole", spec, range(4), bench.state(spec))
    again = bench.train("again", spec, range(3, 4), whole / "segments/0002")
    assert compare(again / "segments/0003", whole / "segments/0003").matched
    assert [path.parent.name for path in whole.rglob("metrics.json")] == ["0003"]
    metrics = read_metrics(whole / "segments/0003")
    assert metrics is not None
    apart = sum(is_held_out(index, share=0.5, seed=7) for index in range(11))
    counts = (11 - apart, apart) if "val_set_size" in change else (11, 3)
    assert (metrics.train_examples, metrics.eval_examples) == counts
    assert 0 < metrics.eval_loss < 10 and metrics.eval_tokens > 20


def test_what_is_kept_apart_is_not_trained_on(bench: Bench) -> None:
    """Changing the answers of the validation examples changes no weight."""
    spec = bench.spec(change={"val_set_size": 0.3})
    state = bench.state(spec)
    first = bench.train("first", spec, range(4), state)
    rows = [json.loads(line) for line in bench.data.read_text().splitlines()]
    for index, row in enumerate(rows):
        if is_held_out(index, share=0.3, seed=7):
            row["messages"][1]["content"] = "Nobody knows."
    bench.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = bench.train("second", spec, range(4), state)
    adapters = [(run / "segments/0003/adapter_model.safetensors").read_bytes() for run in (first, second)]
    assert adapters[0] == adapters[1]
    assert read_metrics(first / "segments/0003") != read_metrics(second / "segments/0003")


def test_refuses_a_validation_that_measures_nothing(bench: Bench) -> None:
    bench.heldout.write_text(bench.data.read_text())
    spec = bench.spec(sequence_len=16, change={"test_datasets": [{"path": CID}]})
    finished = bench.attempt("run", spec, range(1), bench.state(spec))
    refused(*finished, 10, "no validation example has an answer within sequence_len")


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("completion", {"text": "The levy pays the judge."}),
        ("prompt_completion", {"prompt": "Who pays the judge?", "completion": " The levy."}),
        ("alpaca", {"instruction": "Say who pays.", "input": "judge", "output": "The levy."}),
    ],
)
def test_trains_on_plain_text_and_repeats(bench: Bench, kind: str, row: dict) -> None:
    bench.data.write_text((json.dumps(row) + "\n") * 3)
    spec = bench.spec(change={"datasets": [{"path": CID, "type": kind}]}, sequence_len=512)
    state = bench.state(spec)
    left, right = (bench.train(name, spec, range(2), state) for name in ("left", "right"))
    assert compare(left / "segments/0001", right / "segments/0001").matched
    assert not compare(left / "segments/0000", left / "segments/0001").matched


def test_gradient_checkpointing_leaves_the_same_bytes(bench: Bench) -> None:
    plain, saving = bench.spec(), bench.spec(gradient_checkpointing=True)
    state = bench.state(plain)
    left = bench.train("plain", plain, range(2), state)
    right = bench.train("saving", saving, range(2), state)
    assert compare(left / "segments/0001", right / "segments/0001").matched


def test_says_how_many_examples_were_cut(bench: Bench) -> None:
    spec = bench.spec(sequence_len=120)
    finished, _ = bench.attempt("run", spec, range(4), bench.state(spec))
    counts = [event["cut"] for event in events(finished) if event["event"] == "step"]
    assert finished.returncode == 0 and counts == sorted(counts) and counts[-1] > 0


def test_one_line_is_enough(bench: Bench) -> None:
    bench.data.write_text(bench.data.read_text().splitlines()[0])
    spec = bench.spec()
    bench.train("run", spec, range(4), bench.state(spec))


@pytest.mark.timeout(900)
def test_a_buyer_gets_a_validation_loss_that_anybody_can_repeat(
    process_market: Market, chats: Path, tmp_path: Path
) -> None:
    """From a spec written in axolotl's words to an adapter that answers: init, post, train, verify, pull, chat."""
    market = process_market
    market.seat_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    spec = tmp_path / "lora.yaml"
    market.facts("bob", "swarm", "init", "lora", "--data", str(chats), "--base", str(market.model), "-o", str(spec))
    sets = ["val_set_size=0.3", "training.lora_r=2", "training.num_epochs=1", "checkpoint.every_steps=1"]
    options = [part for text in sets for part in ("--set", text)]
    posted = market.facts("bob", "swarm", "job", "post", str(spec), "--engine", market.engine, "--yes", *options)
    job_id, last = posted["job"], posted["segments"] - 1
    market.start("sally", "swarm", "worker", "start", "--sandbox", "process", "--log-format", "json")
    chain = market.chain
    submitted = (JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT)
    wait_for(lambda: chain.escrow.job(job_id).status in submitted, timeout_seconds=600, what="the result")
    checked = market.facts(
        "bob", "swarm", "verify", str(job_id), "--segment", str(last), "--local", str(tmp_path / "e")
    )
    assert checked["verdict"] == "match"
    out = tmp_path / "out"
    pulled = market.facts("bob", "swarm", "adapter", "pull", str(job_id), "-o", str(out))
    assert 0 < pulled["validation_loss"] < 10
    assert f"| examples | {24 - posted['validation']} trained on, {posted['validation']} kept apart" in (
        out / "README.md"
    ).read_text("utf-8")
    code, said, error = market.call("bob", "swarm", "adapter", "chat", str(out), "--prompt", "what is 2 + 2?")
    assert code == 0 and said, error
