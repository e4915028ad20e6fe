# SPDX-License-Identifier: Apache-2.0
"""What a judge finds: the honest pass with a proof, every cheat fails with a leaf, nobody escapes by withholding."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.errors import JobFailed, TransientError
from swarm.protocol import commitment
from swarm.protocol.types import Digest
from swarm.runtime.port import RunEnd
from swarm.storage.cid import cid_from_digest
from tests.unit.execution.conftest import SEGMENTS, market, program  # noqa: F401
from verifier.replay import Finding, Replayer


def judge(market, run=program) -> Replayer:  # noqa: F811
    return Replayer(market.store, market.sandbox(run), market.home / "judge")


def noise(run, emit):
    """Segments of the right shape with nothing computed, and forged traces."""
    program(run, emit)
    generator = np.random.default_rng(3)
    for path in sorted(run.outputs.rglob("*.safetensors")):
        tensors = {name: generator.normal(size=t.shape).astype(t.dtype) for name, t in load_file(path).items()}
        save_file(tensors, path)


def right_output_forged_trace(run, emit):
    program(run, emit)
    for path in run.outputs.glob("traces/*.bin"):
        path.write_bytes(path.read_bytes()[:4] + bytes(12))


def skips_one_segment(run, emit):
    """Segment 2 is a copy of segment 1."""
    program(run, emit)
    for path in (run.outputs / "segments" / "0001").iterdir():
        (run.outputs / "segments" / "0002" / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("segment", range(SEGMENTS))
@pytest.mark.parametrize("cheat", [noise, right_output_forged_trace])
def test_finds_a_cheat_in_every_segment(market, cheat, segment):  # noqa: F811
    finding = judge(market).replay(market.submitted(cheat), segment, wall_seconds=60)
    assert not finding.matches and finding.proof == ()


def test_finds_the_one_skipped_segment_where_it_is(market):  # noqa: F811
    job = market.submitted(skips_one_segment)
    found = [judge(market).replay(job, segment, wall_seconds=60).matches for segment in range(SEGMENTS)]
    assert found == [True, True, False, False]


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_confirms_an_honest_segment_with_a_proof_that_holds(market, segment):  # noqa: F811
    job = market.submitted()
    finding = judge(market).replay(job, segment, wall_seconds=60)
    assert finding.matches and finding.segments_run == 1
    assert finding.leaf == commitment.opened_leaf(job.job_id, segment, finding.opening)
    assert commitment.merkle_verify(job.segment_root, finding.leaf, segment, SEGMENTS, finding.proof)


def test_re_executes_from_the_start_what_was_withheld(market):  # noqa: F811
    """Attack 7 and 8: a result nobody can fetch is judged all the same."""
    job = replace(market.submitted(), result_cid=Digest(bytes([9]) * 32))
    finding = judge(market).replay(job, 2, wall_seconds=60)
    assert not finding.matches and finding.segments_run == 3


def test_re_executes_from_the_start_when_the_state_breaks_the_program(market):  # noqa: F811
    job = market.submitted(noise)

    def picky(run, emit):
        first = json.loads(run.inputs["job.json"].read_text())["first_segment"]
        return RunEnd.FAILED if first > 0 else program(run, emit)

    finding = judge(market, picky).replay(job, 2, wall_seconds=60)
    assert not finding.matches and finding.segments_run == 3


def test_a_failure_of_its_own_is_no_finding(market):  # noqa: F811
    job = market.submitted()
    with pytest.raises(JobFailed):
        judge(market, lambda run, emit: RunEnd.MEMORY).replay(job, 0, wall_seconds=60)


def test_a_store_that_is_down_is_no_finding(market):  # noqa: F811
    job = market.submitted()
    market.store.reachable = False
    with pytest.raises(TransientError):
        judge(market).replay(job, 0, wall_seconds=60)


def test_the_evidence_names_both_leaves_and_hides_the_trace(market):  # noqa: F811
    finding = judge(market).replay(market.submitted(noise), 1, wall_seconds=60)
    evidence = json.loads(market.store.read(cid_from_digest(finding.evidence_cid, 0x55), limit=1 << 16))
    assert evidence["recomputed_leaf"] == finding.leaf.hex() != evidence["claimed_leaf"]
    assert finding.opening.trace_root.hex() not in json.dumps(evidence)
    assert evidence["distance"]["weights"] > 0


def test_a_finding_survives_the_journal(market):  # noqa: F811
    finding = judge(market).replay(market.submitted(), 1, wall_seconds=60)
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
