# SPDX-License-Identifier: Apache-2.0
"""The evidence a person keeps: both sides, the machine, and what is needed to repeat it."""

import json
from dataclasses import replace

from swarm.protocol.types import Digest
from swarm.workloads.spec import parse_resolved
from tests.unit.execution.conftest import market  # noqa: F401
from tests.unit.verifier.test_replay import judge, noise
from verifier.bundle import claimed_side, recomputed_side, write_bundle


def read(path) -> dict:
    return json.loads(path.read_text())


def bundled(market, job, segment):
    replayer = judge(market)
    finding = replayer.replay(job, segment, wall_seconds=60)
    target = market.home / "evidence"
    write_bundle(market.store, job, finding, replayer.workspaces.of(job, segment), target)
    return finding, target


def test_both_sides_of_an_honest_segment_are_equal(market):
    finding, target = bundled(market, market.submitted(), 1)
    claimed, ours = read(target / "claimed.json"), read(target / "recomputed.json")
    assert {key: ours[key] for key in claimed} == claimed
    assert ours["trace_root"] == finding.opening.trace_root.hex()
    assert (target / "trace.bin").stat().st_size == 16
    assert parse_resolved((target / "spec.json").read_bytes()) == market.spec


def test_a_cheat_is_shown_with_how_far_it_is_and_on_what_machine(market):
    _, target = bundled(market, market.submitted(noise), 1)
    said = read(target / "evidence.json")
    assert not said["matches"] and said["distance"]["weights"] > 0
    assert said["environment"]["python"].startswith("3.")
    assert read(target / "claimed.json")["leaf"] != read(target / "recomputed.json")["leaf"]


def test_what_cannot_be_fetched_has_no_claimed_side(market):
    job = replace(market.submitted(), result_cid=Digest(bytes([9]) * 32))
    finding, target = bundled(market, job, 1)
    assert not any(claimed_side(market.store, job, 1).content().values())
    assert not any(recomputed_side(finding).content().values())
    assert sorted(path.name for path in target.iterdir()) == ["claimed.json", "evidence.json", "spec.json"]
