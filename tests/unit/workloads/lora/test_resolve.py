# SPDX-License-Identifier: Apache-2.0
"""From what a person wrote to what travels: what is counted, filled in, and refused before money is locked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.errors import IntegrityError, SpecError
from swarm.workloads.fields import Need
from swarm.workloads.lora.resolve import check_model, resolve
from swarm.workloads.lora.workload import LoraWorkload
from swarm.workloads.spec import canonical_json, parse_resolved, parse_spec
from swarm.workloads.workload import Pins, Resolved

CID = "ipfs://bafkrei" + "a" * 52


@pytest.fixture
def buyer(tmp_path: Path, model_dir: Path) -> Path:
    (model_dir / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 1024}))
    rows = (
        {"messages": [{"role": "user", "content": str(n)}, {"role": "assistant", "content": "yes"}]} for n in range(60)
    )
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def settle(buyer: Path, written: dict):
    def run(training: dict | None = None, **change: object) -> Resolved:
        said = {key: value for key, value in (written["training"] | (training or {})).items() if value is not None}

        def at(need: Need) -> Path:
            return buyer / need.uri.removeprefix("file:")

        return resolve(parse_spec(written | change | {"training": said}), Pins(add=lambda path: CID, at=at))

    return run


def test_counts_epochs_into_steps(settle) -> None:
    found = settle({"max_steps": None, "num_epochs": 2.5, "steps_per_segment": None, "micro_batch_size": 4})
    assert (found.spec.training.max_steps, found.spec.training.steps_per_segment) == (38, 2)
    assert found.facts == {"examples": 60, "messages": 120, "trained": 60, "characters": 290, "steps": 38}


def test_counts_only_what_is_trained_on(settle) -> None:
    found = settle({"max_steps": None, "num_epochs": 1, "micro_batch_size": 1}, val_set_size=0.1)
    assert (found.spec.training.max_steps, found.facts["validation"]) == (53, 7)


def test_what_is_resolved_travels(settle) -> None:
    extra = {"timeout": "2h", "start_within": "30m", "sellers": {"where": "reputation >= 97"}, "labels": {"a": "b"}}
    training = {"max_steps": None, "num_epochs": 1, "steps_per_segment": None, "warmup_ratio": 0.1, "bf16": "auto"}
    spec = settle(training, **extra, checkpoint={"every_steps": 5}).spec
    assert parse_resolved(canonical_json(spec)) == spec
    assert (spec.run_seconds, spec.training.steps_per_segment, spec.training.warmup_steps) == (7200, 5, 2)
    assert (spec.labels, spec.segments) == ({"a": "b"}, 3)


def test_a_target_of_every_linear_layer_is_named(settle) -> None:
    assert settle({"lora_target_linear": True}).spec.training.lora_target_modules == ("q_proj", "v_proj")


def test_pins_a_validation_file_of_its_own(settle, buyer: Path) -> None:
    (buyer / "heldout.jsonl").write_text((buyer / "chats.jsonl").read_text())
    found = settle(test_datasets=[{"path": "file:heldout.jsonl"}])
    assert found.facts["validation"] == 60
    assert [need.name for need in found.spec.needs] == ["model", "train.jsonl", "heldout.jsonl", "state"]
    assert found.spec.is_resolved


def test_content_with_its_length_said_is_not_read_again(settle) -> None:
    assert settle(datasets=[{"path": CID}]).facts == {"steps": 40}


@pytest.mark.parametrize(
    ("training", "change", "line"),
    [
        ({"sequence_len": 2048}, {}, "training.sequence_len: found 2048, expected at most 1024, the base model's"),
        ({"lora_target_modules": ["k_proj"]}, {}, "training.lora_target_modules: found 'k_proj'"),
        ({}, {"val_set_size": 0.0001}, "val_set_size: found 0.0001, which keeps none of 60 examples apart"),
        (
            {"max_steps": None, "num_epochs": 1000, "steps_per_segment": 1},
            {},
            "training.steps_per_segment: found 1, which makes 15000 segments, expected at least 15",
        ),
        ({"max_steps": None, "num_epochs": 10_000, "micro_batch_size": 1}, {"timeout": "1h"}, ""),
    ],
)
def test_refuses_before_money_is_locked(settle, training: dict, change: dict, line: str) -> None:
    if not line:
        assert settle(training | {"steps_per_segment": None}, **change).spec.segments == 20
        return
    with pytest.raises(SpecError) as caught:
        settle(training, **change)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_refuses_more_steps_than_a_job_can_have(settle, buyer: Path) -> None:
    (buyer / "chats.jsonl").write_text((buyer / "chats.jsonl").read_text() * 2)
    with pytest.raises(SpecError, match=r"training\.max_steps: found 1200000, expected less than or equal to 1000000"):
        settle({"max_steps": None, "num_epochs": 10_000, "micro_batch_size": 1})


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("pytorch_model.bin", b"\x80\x04", "base_model: the base model holds 'pytorch_model.bin', only plain"),
        ("modeling_x.py", b"raise SystemExit", "base_model: the base model holds 'modeling_x.py'"),
        ("lie.safetensors", b"\xff" * 16, "base_model: lie.safetensors: a header of"),
        ("config.json", b'{"auto_map": {}}', "base_model: the base model's config.json has auto_map"),
        ("config.json", b'{"quantization_config": {}}', "base_model: the base model's config.json has quant"),
        ("config.json", b'{"model_type": "gpt2"}', "base_model: found model_type 'gpt2', whose layers are transposed"),
        ("config.json", b"{", "base_model: the base model's config.json is not JSON"),
        ("tokenizer_config.json", b"{}", "base_model: found no chat template, expected an instruct model"),
    ],
)
def test_refuses_a_model_folder_before_money_is_locked(
    settle, buyer: Path, name: str, content: bytes, line: str
) -> None:
    (buyer / "model" / name).write_bytes(content)
    with pytest.raises(SpecError) as caught:
        settle()
    assert str(caught.value).startswith(line)


def test_plain_text_needs_no_chat_template(settle, buyer: Path, written: dict) -> None:
    (buyer / "model" / "tokenizer_config.json").write_text("{}")
    spec = parse_spec(written | {"datasets": [{"path": "file:rows.jsonl", "type": "completion"}]})
    assert check_model(buyer / "model", spec).context == 1024


def test_refuses_a_file_for_a_model(settle) -> None:
    with pytest.raises(SpecError, match=r"base_model: chats.jsonl is a file, expected a model folder"):
        settle(base_model="file:chats.jsonl")


def test_a_seller_looks_at_the_model_before_it_accepts(buyer: Path, resolved) -> None:
    """A job whose buyer went round the client must not cost an honest seller its collateral."""
    files = {"model": buyer / "model", "train.jsonl": buyer / "chats.jsonl"}
    LoraWorkload().check_inputs(resolved, files)
    (buyer / "model" / "pytorch_model.bin").touch()
    with pytest.raises(IntegrityError, match="only plain data files"):
        LoraWorkload().check_inputs(resolved, files)


@pytest.mark.parametrize(("kind", "precision"), [("cpu-fp32", "fp32"), ("tf32", "tf32"), ("bf16", "bf16")])
def test_the_hardware_class_decides_the_precision(settle, kind: str, precision: str) -> None:
    assert settle({"bf16": "auto"}, hardware_class=kind).spec.training.precision == precision


@pytest.mark.parametrize(("kind", "said"), [("cpu-fp32", True), ("bf16", False)])
def test_refuses_a_precision_its_class_does_not_compute(settle, kind: str, said: bool) -> None:
    with pytest.raises(SpecError, match=f"training.bf16: found {said}, expected auto or"):
        settle({"bf16": said}, hardware_class=kind)
