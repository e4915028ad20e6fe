# SPDX-License-Identifier: Apache-2.0
"""What a judge finds: the honest pass with a proof, every cheat fails with a leaf, nobody escapes by withholding."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.errors import JobFailed, TransientError
from swarm.execution.segments import Sandbox
from swarm.protocol import commitment
from swarm.protocol.types import Digest
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import RunEnd
from swarm.storage.cid import cid_from_digest
from tests.unit.execution.conftest import SEGMENTS, market, program  # noqa: F401
from verifier.replay import Finding, Replayer


def judge(market, run=program) -> Replayer:
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
def test_finds_a_cheat_in_every_segment(market, cheat, segment):
    finding = judge(market).replay(market.submitted(cheat), segment, wall_seconds=60)
    assert not finding.matches and finding.proof == ()


def test_finds_the_one_skipped_segment_where_it_is(market):
    job = market.submitted(skips_one_segment)
    found = [judge(market).replay(job, segment, wall_seconds=60).matches for segment in range(SEGMENTS)]
    assert found == [True, True, False, False]


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_confirms_an_honest_segment_with_a_proof_that_holds(market, segment):
    job = market.submitted()
    finding = judge(market).replay(job, segment, wall_seconds=60)
    assert finding.matches
    assert finding.leaf == commitment.opened_leaf(job.job_id, segment, finding.opening)
    assert commitment.merkle_verify(job.segment_root, finding.leaf, segment, SEGMENTS, finding.proof)


def test_a_withheld_result_is_judged_with_one_segment(market):
    """Attack 7 and 8: all judges continue from the initial state, agree, and run no more than one segment."""
    job = replace(market.submitted(), result_cid=Digest(bytes([9]) * 32))
    findings = [judge(market).replay(job, 2, wall_seconds=60) for _ in range(2)]
    assert not findings[0].matches and findings[0].leaf == findings[1].leaf


def test_a_missing_result_is_waited_for_while_there_is_time(market):
    job = replace(market.submitted(), result_cid=Digest(bytes([9]) * 32))
    with pytest.raises(TransientError, match="not there yet"):
        judge(market).replay(job, 2, wall_seconds=60, is_patient=True)


def test_a_single_segment_is_confirmed_even_when_the_result_is_withheld(market):
    """The root is the leaf: an honest judge must not deny what it can prove."""
    job = market.submitted()
    finding = judge(market).replay(job, 0, wall_seconds=60)
    withheld = replace(job, segments=1, segment_root=finding.leaf, result_cid=Digest(bytes([9]) * 32))
    again = judge(market).replay(withheld, 0, wall_seconds=60)
    assert again.matches and again.proof == ()


def refusing(code):
    """A program that cannot continue from anything but the initial state."""

    def run(run, emit):
        job = json.loads(run.inputs["job.json"].read_text())
        return program(run, emit) if job["from_initial"] else RunEnd.FAILED

    return Sandbox(FakeRunner(run, exit_codes={RunEnd.FAILED: code}), owner="test")


@pytest.mark.parametrize("code", [10, 13])
def test_rubbish_that_cannot_be_continued_is_judged_from_the_initial_state(market, code):
    job = market.submitted(noise)
    replayer = Replayer(market.store, refusing(code), market.home / "judge")
    finding = replayer.replay(job, 2, wall_seconds=60)
    assert not finding.matches
    withheld = replace(job, result_cid=Digest(bytes([9]) * 32))
    assert finding.leaf == judge(market).replay(withheld, 2, wall_seconds=60).leaf


def test_a_crash_of_our_own_never_counts_against_the_seller(market):
    replayer = Replayer(market.store, refusing(139), market.home / "judge")
    with pytest.raises(JobFailed):
        replayer.replay(market.submitted(), 2, wall_seconds=60)


def test_a_failure_of_its_own_is_no_finding(market):
    job = market.submitted()
    with pytest.raises(JobFailed):
        judge(market, lambda run, emit: RunEnd.MEMORY).replay(job, 0, wall_seconds=60)


def test_a_store_that_is_down_is_no_finding(market):
    job = market.submitted()
    market.store.reachable = False
    with pytest.raises(TransientError):
        judge(market).replay(job, 0, wall_seconds=60)


def test_the_evidence_names_both_leaves_and_hides_the_trace(market):
    finding = judge(market).replay(market.submitted(noise), 1, wall_seconds=60)
    evidence = json.loads(market.store.read(cid_from_digest(finding.evidence_cid, 0x55), limit=1 << 16))
    assert evidence["recomputed_leaf"] == finding.leaf.hex() != evidence["claimed_leaf"]
    assert finding.opening.trace_root.hex() not in json.dumps(evidence)
    assert evidence["distance"]["weights"] > 0


def test_a_finding_survives_the_journal(market):
    finding = judge(market).replay(market.submitted(), 1, wall_seconds=60)
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding
