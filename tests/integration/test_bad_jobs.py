# SPDX-License-Identifier: Apache-2.0
"""Specs and data that are wrong: refused by the buyer's own command, or given up once by the worker, never again."""

import json
import shutil

import pytest

from swarm.clock import wait_for
from swarm.protocol.types import JobStatus
from tests.integration.market import Market

pytestmark = pytest.mark.timeout(600)


def test_a_job_that_cannot_be_run_is_given_up_once(process_market, chats):
    """Answers beyond sequence_len leave nothing to learn: one abort, one penalty, and the job is open for others."""
    market = process_market
    market.seat_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    job_id = market.post("bob", chats, "--sequence-len", "8")
    market.start("sally", "swarm", "worker", "start", "--sandbox", "process", "--log-format", "json")
    wait_for(lambda: market.events("sally", "job_aborted"), timeout_seconds=180, what="the abort")
    chain = market.chain
    start = chain.client.now()
    wait_for(lambda: chain.client.now() > start + 5, timeout_seconds=60, what="a few ticks")
    assert len(market.events("sally", "job_accepted")) == 1
    job = chain.escrow.job(job_id)
    assert job.status is JobStatus.OPEN
    seller = market.facts("sally", "swarm", "wallet", "show")["address"]
    assert chain.vault.stake_of(seller).locked == 0
    assert chain.vault.stake_of(seller).stake == 50 * 10**18 - -(-job.terms.max_price * 200 // 10_000)


LORA = {"max_steps": 4, "steps_per_segment": 1, "seed": 1, "lora_r": 2}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, tiny_model):
    """One market for all refusals: none of them may change anything."""
    market = Market(tmp_path_factory.mktemp("shop"), "process", "process", tiny_model)
    try:
        market.open()
        market.enter("bob")
        yield market
    finally:
        market.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trainig": {}}, "trainig"),
        ({"version": 2}, "version"),
        ({"budget": {"max_total": "much"}}, "budget.max_total"),
        ({"type": "sweep"}, "type"),
        ({"base_model": "http://example.org/model"}, "base_model"),
        ({"budget": {"max_total": 0.01}}, "budget.max_total"),
        ({"engine": "computeswarm/lora:latest"}, "engine"),
        ({"training": LORA | {"max_steps": 1_000_000}}, "steps_per_segment: found 1, which makes 1000000 segments"),
        ({"training": LORA | {"sequence_len": 1024}}, "sequence_len: found 1024, expected at most 512, the base model"),
        ({"training": LORA | {"adapter": "qlora"}}, "or hardware_class nf4-bf16 (a GPU) or nf4-fp32"),
        ({"training": LORA | {"num_train_epochs": 3}}, "did you mean training.num_epochs?"),
        ({"resources": {"gpu": "16GB"}}, "resources: not supported"),
        ({"labels": {"owner": "${USER}"}}, "labels.owner: found ${USER}, expected it to be given (--env USER=VALUE)"),
    ],
)
def test_a_wrong_spec_costs_nothing(shop, chats, change, words):
    market = shop
    spec = {
        "version": 1,
        "type": "lora",
        "name": "x",
        "base_model": f"file:{market.model}",
        "datasets": [{"path": f"file:{chats}"}],
        "training": LORA,
        "budget": {"max_total": 5},
    }
    path = market.directory / "spec.yaml"
    path.write_text(json.dumps(spec | change))
    code, out, error = market.call("bob", "swarm", "job", "post", str(path), "--yes")
    assert (code, out) == (4, "") and words in error.splitlines()[-1]
    assert market.chain.escrow.job_count() == 0
    assert not market.chain.token.balance_of(market.chain.network.escrow)


def test_a_wrong_dataset_line_is_named(shop, tmp_path):
    market = shop
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    bad = {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}
    for name, line in [("roles", json.dumps(bad)), ("json", "{'messages': []}")]:
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(good) + "\n" + line + "\n")
        options = ["-m", str(market.model), "-d", str(path), "--max-spend", "5", "--yes"]
        code, _, error = market.call("bob", "swarm", "lora", *options)
        assert code == 4 and "line 2" in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "pytorch_model.bin",
            b"\x80\x04.",
            "base_model: the base model holds 'pytorch_model.bin', only plain data files",
        ),
        ("modeling_evil.py", b"raise SystemExit(0)", "base_model: the base model holds 'modeling_evil.py'"),
        ("config.json", b'{"auto_map": {"AutoModel": "evil.Model"}}', "config.json has auto_map, which is not allowed"),
        ("model.safetensors", b"\xff" * 64, "base_model: model.safetensors: a header of"),
        ("extra.safetensors", (2).to_bytes(8, "little") + b"{}x", "describes 0 bytes of data, the file has 1"),
    ],
)
def test_a_model_that_lies_or_could_run_costs_nothing(shop, chats, tmp_path, name, content, words):
    """Refused on the buyer's machine, in one line with exit code 4; nothing of the folder is executed or loaded."""
    folder = tmp_path / "model"
    shutil.copytree(shop.model, folder)
    (folder / name).write_bytes(content)
    options = ["-m", str(folder), "-d", str(chats), "--max-spend", "5", "--yes"]
    code, out, error = shop.call("bob", "swarm", "lora", *options)
    assert (code, out) == (4, "") and words in error.splitlines()[-1]
    assert shop.chain.escrow.job_count() == 0


def test_a_dry_run_shows_what_would_be_posted(shop, chats):
    options = ["-m", str(shop.model), "-d", str(chats), "--max-spend", "5", "--epochs", "2.5", "--validation", "0.3"]
    found = shop.facts("bob", "swarm", "lora", *options, "--set", "training.lora_r=2", "--dry-run")
    assert found["transactions"] == "approve, post"
    assert found["spec_cid"].startswith("bafkrei")
    assert (found["examples"], found["steps"]) == (24, -(-(24 - found["validation"]) * 5 // 8))
    assert found["segments"] == found["steps"]  # a twentieth of them is less than one
    assert shop.chain.escrow.job_count() == 0


def test_a_cleaned_copy_makes_a_bad_file_good(shop, tmp_path):
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    path = tmp_path / "mixed.jsonl"
    path.write_text(json.dumps(good) + "\n{'messages': []}\n" + json.dumps(good) + "\n")
    options = ["-m", str(shop.model), "-d", str(path), "--max-spend", "5", "--dry-run"]
    code, _, error = shop.call("bob", "swarm", "lora", *options)
    assert code == 4 and "line 2 column 2: not JSON" in error.splitlines()[-1]
    assert shop.facts("bob", "swarm", "lora", *options, "--skip-invalid", "--dedupe")["examples"] == 1
