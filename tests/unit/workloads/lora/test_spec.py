# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.errors import NotFound, SpecError
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import canonical_json, load_spec, parse_resolved, parse_spec

CID = "ipfs://bafkrei" + "a" * 52


def refusal(mapping: object) -> str:
    with pytest.raises(SpecError) as caught:
        parse_spec(mapping)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("lora_rank", 8, "training.lora_rank: unknown key, did you mean training.lora_r?"),
        ("lr", 1e-4, "training.lr: unknown key, did you mean training.learning_rate?"),
        ("num_train_epochs", 3, "training.num_train_epochs: unknown key, did you mean training.num_epochs?"),
        ("per_device_train_batch_size", 3, "unknown key, did you mean training.micro_batch_size?"),
        ("cutoff_len", 3, "unknown key, did you mean training.sequence_len?"),
        ("save_steps", 3, "unknown key, did you mean checkpoint.every_steps?"),
        (
            "load_in_8bit",
            True,
            "training.load_in_8bit: not supported, a base model is computed with as it is, or in 4 bit",
        ),
        ("load_in_4bit", True, "training.load_in_4bit: found true, expected false, or adapter: qlora"),
        ("bnb_4bit_quant_type", "fp4", "not supported, qlora is always nf4 with double quantisation"),
        ("flash_attention", True, "not supported, the hardware class decides how attention is computed"),
        ("eval_steps", 50, "not supported, the validation loss is measured once, at the end"),
        ("num_epochs", 3, "training.num_epochs: found it and max_steps, expected one of them"),
        ("num_epochs", 0, "training.num_epochs: found 0, expected greater than 0"),
        ("warmup_ratio", 2, "training.warmup_ratio: found 2, expected less than or equal to 1"),
        ("optimizer", "adamw_8bit", "training.optimizer: found 'adamw_8bit', expected adamw_torch: judges repeat"),
        ("sample_packing", True, "training.sample_packing: found True, expected false: packing would let"),
        ("train_on_inputs", True, "expected false: set datasets[0].roles_to_train"),
        ("bf16", "yes", "training.bf16: found 'yes', expected auto or false"),
        ("bf16", True, "training.bf16: found True, expected auto or false: hardware_class cpu-fp32 computes fp32"),
        ("flux_capacitor", 3, "training.flux_capacitor: unknown key"),
        ("lora_r", "many", "training.lora_r: found 'many', expected a valid integer"),
        ("lora_r", 513, "training.lora_r: found 513, expected less than or equal to 512"),
        ("lora_r", True, "training.lora_r: found True, expected a number"),
        ("max_steps", 0, "training.max_steps: found 0, expected greater than or equal to 1"),
        ("sequence_len", 32769, "training.sequence_len: found 32769, expected less than or equal to 32768"),
        ("learning_rate", float("nan"), "training.learning_rate: found nan, expected a finite number"),
        ("precision", "fp16", "training.precision: found 'fp16', expected 'fp32', 'tf32' or 'bf16'"),
        ("adapter", "qlora", "training.adapter: found 'qlora', expected 'lora', or hardware_class nf4-bf16 (a GPU)"),
        ("adapter", "dora", "training.adapter: found 'dora', expected 'lora'"),
        ("seed", -1, "training.seed: found -1, expected greater than or equal to 0"),
        ("warmup_steps", 41, "training.warmup_steps: found 41, expected at most max_steps (40)"),
        ("lora_target_modules", ["q_proj", "q_proj"], "every module once"),
        ("lora_target_modules", ["../q_proj"], "expected a module name such as q_proj"),
        ("lora_dropout", 0.05, "expected 0, because judges repeat every step"),
    ],
)
def test_refuses_a_training_value_and_names_it(written: dict, key: str, value: object, line: str) -> None:
    written["training"][key] = value
    assert line in refusal(written)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("lora_r", 8, "lora_r: unknown key, did you mean training.lora_r?"),
        ("base_modle", "file:x", "base_modle: unknown key, did you mean base_model?"),
        ("type", "swoop", "type: found 'swoop', expected one of: container"),
        ("type", ["lora"], "type: found \"['lora']\", expected one of: container"),
        ("version", 2, "version: found 2, expected 1"),
        ("base_model", "hf://models/x", "base_model: found 'hf://models/x', expected file:FOLDER, ipfs://CID"),
        ("base_model", "hf://models/../x", "base_model: found 'hf://models/../x', expected file:FOLDER"),
        ("base_model", "hf://models/a/b@../c", "expected file:FOLDER, ipfs://CID"),
        ("base_model", "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "expected file:FOLDER, ipfs://CID"),
        ("datasets", [{"path": "hf://datasets/a/b"}], "datasets[0].path: found 'hf://datasets/a/b', expected"),
        ("datasets", [{"path": CID, "type": "sharegpt"}], "datasets[0].type: found 'sharegpt', expected 'chat"),
        ("datasets", [{"path": CID, "roles_to_train": ["tool"]}], "datasets[0].roles_to_train[0]: found 'tool'"),
        ("datasets", [{"path": CID}, {"path": CID}], "datasets: "),
        ("resources", {"gpu": "16GB"}, "resources: not supported, hardware_class says which machines"),
        ("notify", {}, "notify: not supported, nothing of ours runs between you and the seller"),
        ("budget", {"max_total": 1, "max_price_per_hour": 1}, "budget.max_price_per_hour: not supported, a price is"),
        ("sellers", {"prefer": ["price"]}, "sellers.prefer: not supported, sellers come to the job"),
        ("sellers", {"where": "region = DE"}, "sellers.where: found 'region = DE', expected 'reputation >= N'"),
        ("sellers", {"only": "me"}, "sellers.only: found 'me', expected an address 0x"),
        ("retry", {"on_events": ["error"]}, "retry.on_events: not supported, whatever stops a seller"),
        ("retry", {"max_attempts": 17}, "retry.max_attempts: found 17"),
        ("outputs", {"merged": True}, "outputs.merged: found True, expected False"),
        ("outputs", {"push_to_hub": "me/x"}, "outputs.push_to_hub: not supported, upload the pulled adapter yourself"),
        ("checkpoint", {"keep": 3, "every_steps": 2}, "checkpoint.keep: not supported, every state is published"),
        ("checkpoint", {"every_steps": 2}, "checkpoint.every_steps: found it and training.steps_per_segment"),
        ("timeout", "soon", "timeout: found 'soon', expected a time such as 90m, 2h or 1h30m"),
        ("timeout", "0s", "timeout: found '0s', expected a time such as 90m, 2h or 1h30m"),
        ("val_set_size", "file:heldout.jsonl", "val_set_size: found 'file:heldout.jsonl', expected a share"),
        ("val_set_size", 0.95, "val_set_size: found 0.95, expected less than or equal to 0.9"),
        ("labels", {"a b": "x"}, "labels"),
        ("name", "../etc", "name: found '../etc'"),
        ("engine", "swarm/train:latest", "engine: found 'swarm/train:latest', expected process, or an image digest"),
        ("datasets", [], "datasets: found []"),
        ("hardware_class", "gpu-any", "hardware_class: found 'gpu-any', expected one of: cpu-fp32"),
        ("budget", {"max_total": -1}, "budget.max_total: found -1, expected greater than 0"),
        ("budget", {}, "budget.max_total: missing"),
        ("segment_seconds", 0, "segment_seconds: found 0"),
    ],
)
def test_refuses_a_value_and_names_it(written: dict, key: str, value: object, line: str) -> None:
    assert line in refusal(written | {key: value})


def test_refuses_a_run_of_no_length(written: dict) -> None:
    del written["training"]["max_steps"]
    assert refusal(written) == "training.max_steps: missing, expected it or num_epochs"


def test_refuses_a_file_and_a_share_for_the_validation(written: dict) -> None:
    change = {"val_set_size": 0.1, "test_datasets": [{"path": "file:x"}]}
    assert refusal(written | change) == "val_set_size: found a share and test_datasets, expected one of them"


def test_refuses_a_timeout_beside_its_synonym(written: dict) -> None:
    assert refusal(written | {"timeout": "2h", "run_seconds": 60}).startswith("timeout: found it and run_seconds")


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), (60, 60)])
def test_reads_times_as_people_write_them(written: dict, text: object, seconds: int) -> None:
    assert parse_spec(written | {"timeout": text}).timeout == seconds


def test_what_a_person_may_write_otherwise_does_not_travel(written: dict) -> None:
    """Two ways to say one thing must not make two jobs of it."""
    training = {"optimizer": "adamw_torch", "bf16": "auto", "sample_packing": False, "train_on_inputs": False}
    extra = {"timeout": "2h", "sellers": {"where": "reputation >= 97"}, "retry": {"max_attempts": 2}, "outputs": {}}
    said = written | extra | {"training": written["training"] | training}
    assert canonical_json(parse_spec(said)) == canonical_json(parse_spec(written))


def test_refuses_a_stranger_s_spec_whose_length_is_to_be_counted(resolved: LoraSpec) -> None:
    content = json.loads(canonical_json(resolved))
    content["training"] |= {"max_steps": None, "num_epochs": 3}
    with pytest.raises(SpecError):
        parse_resolved(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def test_refuses_a_missing_seed(written: dict) -> None:
    del written["training"]["seed"]
    assert refusal(written) == "training.seed: missing, expected a value"


def test_refuses_a_missing_type(written: dict) -> None:
    del written["type"]
    assert refusal(written).startswith("type: found nothing, expected one of: ")


def test_refuses_what_is_not_a_mapping() -> None:
    assert refusal(["lora"]) == "spec: found list, expected a mapping of keys"


def test_refuses_more_segments_than_the_chain_can_hold(written: dict) -> None:
    written["training"] |= {"max_steps": 1025, "steps_per_segment": 1}
    assert "training.steps_per_segment: found 1, which makes 1025 segments, expected at least 2" in refusal(written)


def test_a_hostile_key_stays_one_printable_line(written: dict) -> None:
    assert refusal(written | {"a\n\x1b[31mb" * 1000: 1}) == "spec: unknown key"


def test_counts_a_shorter_last_segment(written: dict) -> None:
    written["training"] |= {"max_steps": 41, "steps_per_segment": 2}
    assert parse_spec(written).segments == 21


def test_reads_numbers_written_as_text(written: dict) -> None:
    written["training"] |= {"learning_rate": "2e-4", "lora_r": "16"}
    training = parse_spec(written).training
    assert (training.learning_rate, training.lora_r) == (2e-4, 16)


def test_reads_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "lora.yaml"
    path.write_text(
        "version: 1\ntype: lora\nname: NO\nbase_model: file:model\ndatasets: [{path: 'file:chats.jsonl'}]\n"
        "training: {max_steps: 4, steps_per_segment: 2, seed: 010, learning_rate: 2e-4}\nbudget: {max_total: 0.35}\n"
    )
    spec = load_spec(path)
    assert (spec.name, spec.training.learning_rate, spec.training.seed) == ("NO", 2e-4, 10)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"version: 1\nversion: 1\n", "duplicate key"),
        (b"a: [1\nb: 2\n", "line 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b"!!python/object/apply:os.system ['true']", "constructor"),
        (b"[" * 100_000, "deeply nested"),
        (b"#" * ((1 << 20) + 1), "larger than 1048576 bytes"),
    ],
)
def test_refuses_a_file_that_is_no_spec(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "lora.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=line) as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_spec(tmp_path / "lora.yaml")


@pytest.mark.timeout(60)
def test_nested_references_do_not_explode(tmp_path: Path) -> None:
    path = tmp_path / "lora.yaml"
    levels = [f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 9)}]" for level in range(1, 12)]
    path.write_text("\n".join(["type: lora", "x0: &x0 [1]", *levels, "name: *x11"]))
    with pytest.raises(SpecError):
        load_spec(path)


def test_the_bytes_that_travel_are_frozen(resolved: LoraSpec) -> None:
    cid = resolved.base_model
    assert canonical_json(resolved).decode() == (
        f'{{"base_model":"{cid}","budget":{{"max_total":"0.35"}},'
        '"datasets":[{"field":"text","field_messages":"messages",'
        '"message_property_mappings":{"content":"content","role":"role"},'
        f'"path":"{cid}","roles_to_train":["assistant"],"type":"chat_template"}}],"engine":"process",'
        f'"hardware_class":"cpu-fp32","initial_state":"{cid}","labels":{{}},"name":"support-bot","run_seconds":7200,'
        '"segment_seconds":600,"test_datasets":[],'
        '"training":{"adam_beta1":0.9,"adam_beta2":0.999,"adam_epsilon":1e-08,"adapter":"lora",'
        '"gradient_accumulation_steps":1,"gradient_checkpointing":false,"learning_rate":0.0002,"lora_alpha":16,"lora_dropout":0.0,"lora_r":8,'
        '"lora_target_modules":["q_proj","v_proj"],"lr_scheduler":"cosine","max_grad_norm":1.0,"max_steps":40,'
        '"micro_batch_size":4,"precision":"fp32","seed":7,"sequence_len":512,"steps_per_segment":2,"threads":2,'
        '"warmup_steps":0,"weight_decay":0.0},"type":"lora","val_set_size":0.0,"verification":"exact","version":1}'
    )


def test_order_of_keys_and_spelling_of_numbers_do_not_matter(written: dict) -> None:
    shuffled = dict(reversed(written.items())) | {"budget": {"max_total": "0.350"}}
    shuffled["training"] = {"learning_rate": "0.00020"} | dict(reversed(written["training"].items()))
    assert canonical_json(parse_spec(shuffled)) == canonical_json(parse_spec(written))


def test_what_travelled_reads_back_the_same(resolved: LoraSpec) -> None:
    assert parse_resolved(canonical_json(resolved)) == resolved


def test_refuses_a_stranger_s_spec_with_a_local_file(written: dict) -> None:
    with pytest.raises(SpecError, match="not ipfs://CID"):
        parse_resolved(canonical_json(parse_spec(written)))


def test_refuses_a_stranger_s_spec_that_leaves_a_key_to_its_default(resolved: LoraSpec) -> None:
    content = json.loads(canonical_json(resolved))
    del content["training"]["adam_beta2"]
    with pytest.raises(SpecError, match="canonical"):
        parse_resolved(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[" * 500_000, b'{"a":' * 200_000, b" " * ((1 << 20) + 1), b"9" * 5000, b"null", b"[]"],
)
def test_refuses_bytes_that_are_no_spec(data: bytes) -> None:
    with pytest.raises(SpecError):
        parse_resolved(data)
