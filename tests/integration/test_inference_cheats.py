# SPDX-License-Identifier: Apache-2.0
"""The check of claimed answers in this process: wrong forms, honest answers, every known cheat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.workloads.spec import canonical_json
from swarm.workloads.workload import Assessment, Zone
from tests.integration.test_inference_job import WORKLOAD, Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("cheats"))


@pytest.fixture(scope="module")
def responder(bench):
    import torch

    from swarm.jobs.inference_model import Responder

    torch.set_num_threads(1)
    spec = json.loads(canonical_json(bench.spec(max_tokens=24)))
    return Responder(spec, bench.model, None)


@pytest.fixture(scope="module")
def prompts(responder):
    from swarm.workloads.dataset import Message
    from swarm.workloads.inference.requests import Request

    asked = [f"Tell me something about the number {n}." for n in range(8)]
    requests = [Request(f"c{n}", (Message("user", text, False),), 24) for n, text in enumerate(asked)]
    return [responder.prompt(index, request) for index, request in enumerate(requests)]


def cheats():
    from benchmarks.detection_rows import inference_cheats as known

    def after(change, first=known.answers):
        return lambda responder, prompts: change(responder, first(responder, prompts))

    weights = {kind: known.with_weights(known.quantised(kind)) for kind in ("int8", "int4", "fp8")}
    return weights | {
        "smaller model": known.with_weights(known.without_last_layers(1)),
        "another model": known.with_weights(known.fine_tuned()),
        "hidden system prompt": known.hidden_system_prompt,
        "half the prompt": known.half_prompt,
        "wrong seed": known.with_sampler(lambda honest: replace(honest, seed=8)),
        "wrong temperature": known.with_sampler(lambda honest: replace(honest, temperature=0.8)),
        "second best": known.with_sampler(lambda honest: known.Sloppy(honest, 0.02)),
        "truncated": after(known.truncated),
        "stopped early": after(known.stopped_early),
        "copied": after(known.copied),
        "spoofed int4": after(known.spoofed, weights["int4"]),
    }


@pytest.fixture(scope="module")
def honest(responder, prompts):
    import torch

    from benchmarks.detection_rows.inference_cheats import answers

    with torch.inference_mode():
        return answers(responder, prompts)


def verdict(responder, prompts, claim: Path) -> Assessment:
    """The verdict of the checker, in this process."""
    import torch

    from swarm.jobs import inference_check

    responder.spec |= {"requests": len(prompts), "shards": {"size": len(prompts), "batch": 4}}
    with torch.inference_mode():
        found, _ = inference_check.check(responder, 0, iter(prompts), claim)
    (claim.parent / "verification.json").write_text(json.dumps(found))
    return WORKLOAD.assess(None, 0, before=None, theirs=claim, ours=claim.parent)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a line twice", "its line is not"),
        ("another text", "its line is not"),
        ("one line more", "goes on after the last request"),
        ("one line less", "its line is not"),
        ("another file", "nothing else"),
        ("no tokens", "nothing else"),
        ("rubbish", "tokens.safetensors"),
        ("error instead of an answer", "does not end where it should"),
    ],
)
def test_a_claim_of_another_form_is_rejected(responder, prompts, honest, tmp_path, name, words):
    from benchmarks.detection_rows.inference_cheats import write_claims

    claim = write_claims(responder, honest, tmp_path / "claim")
    results, tokens = claim / "results.jsonl", claim / "tokens.safetensors"
    rows = results.read_bytes().splitlines(keepends=True)
    match name:
        case "a line twice":
            results.write_bytes(b"".join([rows[0], *rows]))
        case "another text":
            results.write_bytes(b"".join(rows).replace(b'"assistant"', b'"user"', 1))
        case "one line more":
            results.write_bytes(b"".join([*rows, rows[0]]))
        case "one line less":
            results.write_bytes(b"".join(rows[:-1]))
        case "another file":
            (claim / "extra").write_text("")
        case "no tokens":
            tokens.unlink()
        case "rubbish":
            tokens.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
        case "error instead of an answer":
            arrays = load_file(tokens)
            first = arrays["counts"][0]
            arrays = {
                "tokens": arrays["tokens"][first:],
                "logits": arrays["logits"][first:],
                "counts": arrays["counts"],
            }
            arrays["counts"][0] = 0
            save_file(arrays, tokens)
    found = verdict(responder, prompts, claim)
    assert found.zone is Zone.REJECT and words in found.facts["problem"]


def test_honest_answers_pass_in_the_same_process(responder, prompts, honest, tmp_path):
    from benchmarks.detection_rows.inference_cheats import write_claims

    found = verdict(responder, prompts, write_claims(responder, honest, tmp_path / "claim"))
    assert found.zone is Zone.ACCEPT, found


def test_near_a_bound_the_judge_looks_again_in_fp64(responder, prompts, honest, tmp_path, monkeypatch):
    """Bounds below the rounding of fp32: every request is looked at twice, and nobody is rejected."""
    from benchmarks.detection_rows.inference_cheats import write_claims
    from swarm.workloads.inference import margins

    narrow = {name: (0.0, reject) for name, (_, reject) in margins.BOUNDS.items()}
    monkeypatch.setattr(margins, "BOUNDS", narrow)
    found = verdict(responder, prompts, write_claims(responder, honest, tmp_path / "claim"))
    assert found.zone is Zone.ESCALATE and found.facts["looked_closer"] == len(prompts)


def test_a_long_answer_is_measured_in_pieces(responder, prompts, monkeypatch):
    import torch

    from benchmarks.detection_rows.inference_cheats import answers
    from swarm.jobs import inference_prefill

    with torch.inference_mode():
        claim = answers(responder, prompts[:1])[0]
        arguments = (claim.prompt, np.array(claim.tokens), np.array(claim.logits))
        whole = inference_prefill.Prefill(responder).measure(*arguments)
        monkeypatch.setattr(inference_prefill, "PIECE", 5)
        pieces = inference_prefill.Prefill(responder).measure(*arguments)
    assert len(claim.tokens) > 10
    np.testing.assert_allclose(pieces.margins, whole.margins, atol=1e-5)
    np.testing.assert_allclose(pieces.errors, whole.errors, atol=1e-4)


@pytest.mark.parametrize("name", sorted(cheats()))
def test_a_cheat_is_rejected(responder, prompts, tmp_path, name):
    import torch

    from benchmarks.detection_rows.inference_cheats import write_claims

    with torch.inference_mode():
        claims = cheats()[name](responder, prompts)
    found = verdict(responder, prompts, write_claims(responder, claims, tmp_path / "claim"))
    assert found.zone is Zone.REJECT, found
