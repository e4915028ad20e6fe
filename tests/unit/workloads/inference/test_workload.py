# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarm.errors import IntegrityError, SpecError
from swarm.workloads.inference.results import Answer, Refused, Tokens, read_tokens, result_line, write_tokens
from swarm.workloads.inference.workload import InferenceWorkload
from swarm.workloads.spec import parse_spec
from swarm.workloads.workload import Pins, Zone
from tests.unit.workloads.inference.conftest import CID, ask

WORKLOAD = InferenceWorkload()
NAMES = ("q_proj", "v_proj")


def test_every_type_of_job_fills_the_whole_port():
    from swarm.workloads.registry import WORKLOADS
    from swarm.workloads.workload import Workload

    wanted = {name for name in (*Workload.__annotations__, *vars(Workload)) if not name.startswith("_")}
    assert len(wanted) > 5
    assert not [(kind, name) for kind, it in WORKLOADS.items() for name in wanted if not hasattr(it, name)]


def pins(folder) -> Pins:
    names = {"model": "model", "requests.jsonl": "requests.jsonl", "adapter": "adapter"}
    return Pins(add=lambda path: CID, at=lambda need: folder / names[need.name])


@pytest.fixture
def folder(tmp_path, model_dir, lines):
    """A model of two layers, ten requests and a plain LoRA adapter of rank 2."""
    lines(*(ask(str(number)) for number in range(10)))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    weights = {}
    for layer in range(2):
        for module, outputs in (("q_proj", 32), ("v_proj", 8)):
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{prefix}.lora_A.weight"] = np.zeros((2, 16), np.float32)
            weights[f"{prefix}.lora_B.weight"] = np.zeros((outputs, 2), np.float32)
    save_file(weights, adapter / "adapter_model.safetensors")
    write_config(adapter)
    return tmp_path


def write_config(adapter, **changes) -> None:
    plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": list(NAMES), "bias": "none"}
    (adapter / "adapter_config.json").write_text(json.dumps(plain | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 4}, "are not fp32 LoRA of rank 4"),
        ({"r": "2x"}, "adapter_config.json: lora_r"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"target_modules": "all-linear"}, "lora_target_modules"),
        ({"target_modules": ["q_proj", "o_proj"]}, "found 'o_proj', expected a module of the base model"),
        ({"use_dora": True}, "use_dora is True, expected False"),
        ({"use_rslora": True}, "use_rslora"),
        ({"bias": "all"}, "bias is all"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"peft_type": "IA3"}, "does not describe a LoRA adapter"),
    ],
)
def test_refuses_an_adapter_that_is_more_than_plain_lora(written, folder, changes, words):
    write_config(folder / "adapter", **changes)
    with pytest.raises(SpecError, match=r"adapter|lora") as caught:
        WORKLOAD.resolve(parse_spec(written | {"adapter": "file:adapter"}), pins(folder))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"x" * (2 << 20)])
def test_refuses_an_adapter_config_that_is_none(written, folder, content):
    (folder / "adapter" / "adapter_config.json").write_bytes(content)
    with pytest.raises(SpecError):
        WORKLOAD.resolve(parse_spec(written | {"adapter": "file:adapter"}), pins(folder))


def test_refuses_a_file_that_makes_too_many_segments_before_anything_is_stored(written, folder, lines):
    lines(*(ask(str(number)) for number in range(1025)))
    written["shards"]["size"] = 1
    nothing = Pins(add=lambda path: pytest.fail("stored"), at=pins(folder).at)
    with pytest.raises(SpecError, match="expected at least 2"):
        WORKLOAD.resolve(parse_spec(written), nothing)


def test_refuses_a_count_of_requests_that_is_not_the_file_s(written, resolved_keys, folder):
    spec = parse_spec(written | resolved_keys | {"requests": 9})
    with pytest.raises(SpecError, match="found 9, expected 10"):
        WORKLOAD.check_inputs(spec, {"requests.jsonl": folder / "requests.jsonl", "model": folder / "model"})


def test_pins_the_count_and_the_adapter_s_form(written, folder):
    resolved = WORKLOAD.resolve(parse_spec(written | {"adapter": "file:adapter"}), pins(folder))
    spec = resolved.spec
    assert spec.is_resolved and spec.requests == 10 and spec.segments == 3
    assert (spec.lora.lora_r, spec.lora.lora_alpha, spec.lora.lora_target_modules) == (2, 4, NAMES)
    assert resolved.facts == {"requests": 10, "messages": 10, "characters": 60, "segments_below_256_tokens": 3}
    files = {name: folder / name for name in ("requests.jsonl", "model", "adapter")}
    WORKLOAD.check_inputs(spec, files)


def test_a_lora_job_s_output_without_a_config_needs_the_form_in_the_spec(written, folder):
    (folder / "adapter" / "adapter_config.json").unlink()
    with pytest.raises(SpecError, match="lora: missing"):
        WORKLOAD.resolve(parse_spec(written | {"adapter": "file:adapter"}), pins(folder))
    form = {"lora_r": 2, "lora_alpha": 4, "lora_target_modules": list(NAMES)}
    spec = parse_spec(written | {"adapter": "file:adapter", "lora": form})
    assert WORKLOAD.resolve(spec, pins(folder)).spec.is_resolved


def tokens_of(*counts: int) -> Tokens:
    return Tokens(
        tuple(np.arange(count, dtype=np.int32) for count in counts),
        tuple(np.ones(count, np.float32) for count in counts),
    )


def test_refuses_tokens_that_are_not_a_shard_s(tmp_path):
    path = tmp_path / "tokens.safetensors"
    write_tokens(path, tokens_of(2, 0, 3))
    for wrong in ({"requests": 2, "max_tokens": 3}, {"requests": 3, "max_tokens": 1}, {"requests": 3, "max_tokens": 2}):
        with pytest.raises(IntegrityError):
            read_tokens(path, **wrong)
    arrays = {"counts": [2, 3], "tokens": [1] * 5, "logits": [0.0] * 5}
    for name, value in (("counts", [9, -4]), ("counts", [1, 3]), ("tokens", [-1] * 5), ("logits", [np.nan] * 5)):
        changed = arrays | {name: value}
        kinds = {"counts": np.int32, "tokens": np.int32, "logits": np.float32}
        save_file({key: np.array(entry, kinds[key]) for key, entry in changed.items()}, path)
        with pytest.raises(IntegrityError):
            read_tokens(path, requests=2, max_tokens=9)


def test_tokens_come_back_as_they_went(tmp_path):
    path = tmp_path / "tokens.safetensors"
    for counts in ((2, 0, 3), (0, 0)):
        write_tokens(path, tokens_of(*counts))
        found = read_tokens(path, requests=len(counts), max_tokens=3)
        assert [list(tokens) for tokens in found.tokens] == [list(range(count)) for count in counts]
        assert [len(logits) for logits in found.logits] == list(counts)


def test_lines_have_the_shape_of_openai_s_batch_output():
    answered = json.loads(result_line(3, "b", "m", Answer("Grüße 🌞", "stop", 5, 4)))
    assert answered["custom_id"] == "b" and answered["error"] is None
    body = answered["response"]["body"]
    assert body["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "Grüße 🌞"},
        "finish_reason": "stop",
    }
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
    refused = json.loads(result_line(4, "c", "m", Refused("context_length_exceeded", "too long")))
    assert refused["response"] is None and refused["error"]["code"] == "context_length_exceeded"


def test_a_repeated_shard_is_shown_beside_the_seller_s(written, resolved_keys, tmp_path):
    spec = parse_spec(written | resolved_keys)
    for name, counts in (("ours", (1, 2, 3, 4)), ("same", (1, 2, 3, 4)), ("other", (1, 2, 4, 4))):
        (tmp_path / name).mkdir()
        write_tokens(tmp_path / name / "tokens.safetensors", tokens_of(*counts))

    def beside(name):
        return WORKLOAD.assess(spec, 0, before=None, theirs=tmp_path / name, ours=tmp_path / "ours")

    assert beside("same").zone is Zone.ACCEPT
    assert beside("other").zone is Zone.ESCALATE and beside("other").facts["requests_different"] == 1
    (tmp_path / "none").mkdir()
    assert beside("none").zone is Zone.REJECT


def test_delivers_all_shards_in_order(written, resolved_keys, tmp_path):
    spec = parse_spec(written | resolved_keys | {"output": "answers.jsonl"})
    assert list(WORKLOAD.delivered(spec)) == [0, 1, 2]
    outputs = [tmp_path / f"{number}" for number in range(3)]
    for number, output in enumerate(outputs):
        output.mkdir()
        (output / "results.jsonl").write_text(f"{number}\n")
    WORKLOAD.deliver(spec, outputs, tmp_path / "out", base_model=None)
    assert (tmp_path / "out" / "answers.jsonl").read_text() == "0\n1\n2\n"
