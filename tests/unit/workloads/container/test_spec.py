# SPDX-License-Identifier: Apache-2.0
"""The spec of a container job: what is refused, and what follows from the image and the declared determinism."""

from __future__ import annotations

import copy

import pytest

from swarm.errors import SpecError
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.spec import canonical_json, parse_resolved, parse_spec
from swarm.workloads.verification import Verification

DIGEST = "sha256:" + "9" * 64
CID = "ipfs://bafkrei" + "a" * 52
WRITTEN = {
    "version": 1,
    "type": "container",
    "name": "eval-harness",
    "image": f"ghcr.io/me/eval@{DIGEST}",
    "entrypoint": ["python", "run.py"],
    "args": ["--seed", "3"],
    "env": {"TASKS": "arc_easy"},
    "inputs": [{"source": CID, "target": "/inputs/data.csv"}],
    "determinism": "exact",
    "budget": {"max_total": 1},
}


def changed(**changes) -> dict:
    return copy.deepcopy(WRITTEN) | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "ghcr.io/me/eval:latest"}, "image: found 'ghcr.io/me/eval:latest', expected an image by digest"),
        ({"image": "sha256:12"}, "expected an image by digest"),
        ({"entrypoint": []}, "entrypoint"),
        ({"entrypoint": "python run.py"}, "entrypoint"),
        ({"secrets": ["HF_TOKEN"]}, "secrets: .*the seller's machine can read"),
        ({"network": "egress-allowlist"}, "network: .*'none'"),
        ({"determinism": "tolerance"}, "determinism: .*'exact' or 'none'"),
        ({"env": {"PATH": "/evil"}}, "env.PATH: .*none of"),
        ({"env": {"A B": "1"}}, "env.A B: "),
        ({"env": {"A": "1\x00"}}, "env"),
        ({"inputs": [{"source": CID, "target": "/etc/passwd"}]}, "target: .*/inputs/NAME"),
        ({"inputs": [{"source": CID, "target": "/inputs/../x"}]}, "target: "),
        ({"inputs": [{"source": CID, "target": "/inputs/job.json"}]}, "inputs: found a target twice, or /inputs/job"),
        ({"inputs": [{"source": CID, "target": "/inputs/a"}] * 2}, "inputs: found a target twice"),
        ({"inputs": [{"source": "https://x/y", "target": "/inputs/a"}]}, "source: .*ipfs://CID"),
        ({"outputs": [{"path": "/var/out"}]}, "path: .*'/outputs'"),
        ({"engine": "process"}, "engine: found 'process', expected nothing"),
        ({"verification": "delivery"}, "verification: found 'delivery', expected nothing"),
        ({"entry_point": ["x"]}, "entry_point: unknown key, did you mean entrypoint"),
    ],
)
def test_refuses_with_one_line(changes: dict, words: str) -> None:
    with pytest.raises(SpecError, match=words) as refusal:
        parse_spec(changed(**changes))
    assert "\n" not in str(refusal.value)


def test_what_is_declared_to_repeat_is_compared_exactly() -> None:
    spec = parse_spec(WRITTEN)
    assert isinstance(spec, ContainerSpec)
    assert (spec.engine, spec.verification, spec.segments) == (spec.image, Verification.EXACT, 1)


def test_what_nobody_promises_is_only_judged_for_delivery() -> None:
    assert parse_spec(changed(determinism="none")).verification is Verification.DELIVERY


def test_what_travelled_reads_back_the_same() -> None:
    spec = parse_spec(WRITTEN)
    assert parse_resolved(canonical_json(spec)) == spec
    assert [need.name for need in spec.needs] == ["data.csv"]
