# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from swarm.errors import SpecError
from swarm.protocol.types import Comparison
from swarm.workloads.inference.shards import requests_of
from swarm.workloads.spec import canonical_json, parse_resolved, parse_spec
from swarm.workloads.verification import Verification
from tests.unit.workloads.inference.conftest import CID


def refusal(mapping: object) -> str:
    with pytest.raises(SpecError) as caught:
        parse_spec(mapping)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize(
    ("part", "key", "value", "line"),
    [
        ("sampling", "temperature", -0.1, "sampling.temperature: found -0.1, expected greater than or equal to 0"),
        ("sampling", "temperature", 2.5, "sampling.temperature: found 2.5, expected less than or equal to 2"),
        ("sampling", "temperature", float("nan"), "expected a finite number"),
        ("sampling", "max_tokens", 0, "sampling.max_tokens: found 0"),
        ("sampling", "max_tokens", True, "sampling.max_tokens: found True, expected a number"),
        ("sampling", "seed", -1, "sampling.seed: found -1"),
        ("sampling", "top_p", 0.9, "sampling.top_p: found 0.9, expected 1, because judges check a token against the"),
        ("sampling", "top_k", 40, "sampling.top_k: found 40, expected 0, because judges check"),
        ("sampling", "min_p", 0.1, "sampling.min_p: unknown key"),
        ("sampling", "max_token", 9, "did you mean sampling.max_tokens?"),
        ("shards", "size", 0, "shards.size: found 0"),
        ("shards", "size", 4097, "shards.size: found 4097"),
        ("shards", "batch", 0, "shards.batch: found 0"),
        ("shards", "max_parallel", 8, "shards.max_parallel: unknown key"),
    ],
)
def test_refuses_a_value_and_names_it(written, part, key, value, line):
    written[part][key] = value
    assert line in refusal(written)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("model", "hf://models/x", "model: found 'hf://models/x', expected file:PATH or ipfs://CID"),
        ("output", "../results.jsonl", "output: found '../results.jsonl'"),
        ("precision", "bf16", "precision: found 'bf16', expected 'fp32'"),
        ("threads", 65, "threads: found 65"),
        ("requests", 0, "requests: found 0"),
        ("verification", "tolerance", "exact or proof: answers are either repeated or checked token by token"),
        ("verification", "delivery", "exact or proof"),
        ("lora", {"lora_r": 4, "lora_alpha": 8, "lora_target_modules": ["q_proj"]}, "lora: found a form without an"),
        ("datasets", [], "datasets: unknown key"),
    ],
)
def test_refuses_a_key_and_names_it(written, key, value, line):
    written[key] = value
    assert line in refusal(written)


def test_refuses_more_segments_than_the_chain_has_leaves_for_and_says_which_size_fits(written):
    line = refusal(written | {"requests": 4097})
    assert line == (
        "shards.size: found 4, which makes 1025 segments of 4097 requests, expected at least 5 (at most 1024 segments)"
    )


def test_refuses_a_shard_whose_trace_would_not_fit(written):
    written["sampling"]["max_tokens"], written["shards"]["size"] = 32_768, 64
    assert refusal(written) == "shards.size: found 64, expected at most 31 with this max_tokens"


def test_has_no_segments_before_the_requests_are_counted(written):
    with pytest.raises(SpecError, match="requests: missing"):
        _ = parse_spec(written).segments


def test_counts_shards_and_pins_everything(written, resolved_keys):
    spec = parse_spec(written | resolved_keys)
    assert spec.segments == 3 and not spec.is_chained and spec.is_resolved
    assert [len(requests_of(segment, requests=10, size=4)) for segment in range(3)] == [4, 4, 2]
    with pytest.raises(ValueError):
        requests_of(3, requests=10, size=4)
    assert parse_resolved(canonical_json(spec)) == spec


def test_is_checked_within_bounds_unless_it_asks_for_equal_bytes(written):
    assert parse_spec(written).verification.comparison is Comparison.TOLERANCE
    assert parse_spec(written | {"verification": "exact"}).verification is Verification.EXACT


def test_is_not_resolved_without_the_form_of_its_adapter(written, resolved_keys):
    spec = parse_spec(written | resolved_keys | {"adapter": CID})
    assert not spec.is_resolved
    with pytest.raises(SpecError):
        parse_resolved(canonical_json(spec))
    form = {"lora_r": 4, "lora_alpha": 8, "lora_target_modules": ["v_proj", "q_proj"]}
    spec = parse_spec(written | resolved_keys | {"adapter": CID, "lora": form})
    assert spec.is_resolved and [need.name for need in spec.needs] == ["model", "requests.jsonl", "adapter"]
    assert spec.lora.lora_target_modules == ("q_proj", "v_proj")
