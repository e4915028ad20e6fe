# SPDX-License-Identifier: Apache-2.0
"""What a judge finds: the honest pass with a proof, every cheat fails with a leaf, nobody escapes by withholding."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.errors import JobFailed, OtherVersion, TransientError
from swarm.execution.quota import cids_in
from swarm.execution.segments import Sandbox, opening_of
from swarm.protocol import commitment
from swarm.protocol.types import MATCH, UNAVAILABLE, UNDELIVERED, Digest
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import RunEnd
from swarm.storage.cid import DAG_PB, cid_from_digest, digest_of, parse
from swarm.workloads.spec import canonical_json
from tests.unit.execution.conftest import SEGMENTS, market, program  # noqa: F401
from verifier.finding import Finding
from verifier.replay import Replayer

GONE = Digest(bytes([9]) * 32)


def judge(market, run=program) -> Replayer:
    return Replayer(market.store, market.sandbox(run), market.home / "judge")


def evidence_of(market, finding) -> dict:
    return json.loads(market.store.read(cid_from_digest(finding.evidence_cid, 0x55), limit=1 << 16))


def withhold(market, path, job) -> None:
    """Takes what `path` names in the result out of the store."""
    del market.store.blocks[parse(market.store.resolve(cid_from_digest(job.result_cid, DAG_PB), path))]


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


def test_reads_nothing_of_a_result_but_the_output_before_the_drawn_segment(market):
    """Attack 68: of what the job made, a judge learns as little as it needs."""
    job = market.submitted()
    for segment in (0, 2, 3):
        withhold(market, f"segments/{segment:04d}", job)
    assert judge(market).replay(job, 2, wall_seconds=60).matches
    withhold(market, f"segments/{1:04d}", job)
    fresh = Replayer(market.store, market.sandbox(), market.home / "another judge")
    assert not fresh.replay(job, 2, wall_seconds=60).matches


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_confirms_an_honest_segment_with_a_proof_that_holds(market, segment):
    job = market.submitted()
    finding = judge(market).replay(job, segment, wall_seconds=60)
    assert finding.matches
    assert finding.verdict == commitment.opened_leaf(job.job_id, segment, finding.opening)
    assert commitment.merkle_verify(job.segment_root, finding.verdict, segment, SEGMENTS, finding.proof)


def test_a_result_that_cannot_be_fetched_is_unavailable(market):
    """Attack 7: there is nothing to compare with, and nothing is run."""
    job = replace(market.submitted(), result_cid=GONE)
    sandbox = market.sandbox()
    finding = Replayer(market.store, sandbox, market.home / "judge").replay(job, 2, wall_seconds=60)
    assert (finding.verdict, finding.opening, finding.matches) == (UNAVAILABLE, None, False)
    assert not sandbox.runner.runs
    assert "nobody has" in evidence_of(market, finding)["problem"]


def test_a_withheld_output_is_judged_with_one_segment(market):
    """Attack 7 and 8: all judges continue from the initial state, agree, and run no more than one segment."""
    job = market.submitted()
    withhold(market, f"segments/{1:04d}", job)
    findings = [
        Replayer(market.store, market.sandbox(), market.home / name).replay(job, 2, wall_seconds=60)
        for name in ("judith", "jules")
    ]
    assert not findings[0].matches and findings[0].verdict == findings[1].verdict


def test_a_missing_result_is_waited_for_while_there_is_time(market):
    job = replace(market.submitted(), result_cid=GONE)
    with pytest.raises(TransientError, match="not there yet"):
        judge(market).replay(job, 2, wall_seconds=60, is_patient=True)
    with pytest.raises(TransientError, match="not there yet"):
        judge(market).fetch(job, is_patient=True)


def test_a_missing_input_is_never_held_against_the_seller(market):
    """Attack 55: a buyer that stops serving its model or data must not get a seller slashed."""
    job = market.submitted()
    for digest in (job.spec_cid, digest_of(market.spec.base_model.removeprefix("ipfs://"))):
        kept = dict(market.store.blocks)
        market.store.blocks = {cid: data for cid, data in kept.items() if cid.digest != digest}
        assert len(market.store.blocks) < len(kept)
        with pytest.raises(TransientError, match="an input of job 7"):
            judge(market).replay(job, 2, wall_seconds=60)
        market.store.blocks = kept


def test_inputs_nobody_could_work_with_are_the_sellers_matter(market):
    """Attack 29: buyer and seller agree on a job that no judge can re-execute, to make judges late. An honest seller
    looks with the same code before it accepts."""
    job = market.submitted()
    bad = market.store.add_bytes(b"no data at all")
    changes = {"datasets": (market.spec.datasets[0].model_copy(update={"path": f"ipfs://{bad}"}),)}
    spec_cid = digest_of(market.store.add_bytes(canonical_json(market.spec.model_copy(update=changes))))
    terms = replace(job.terms, spec_cid=spec_cid)
    finding = judge(market).replay(replace(job, terms=terms), 2, wall_seconds=60)
    assert (finding.verdict, finding.cpu_seconds) == (UNAVAILABLE, 0)
    assert "nobody can work on job 7" in evidence_of(market, finding)["problem"]


def test_a_spec_of_another_version_is_no_verdict(market):
    job = market.submitted()
    spec = json.loads(canonical_json(market.spec)) | {"type": "tomorrows"}
    data = json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()
    terms = replace(job.terms, spec_cid=digest_of(market.store.add_bytes(data)))
    with pytest.raises(OtherVersion):
        judge(market).replay(replace(job, terms=terms), 2, wall_seconds=60)


def test_a_single_segment_is_confirmed_even_when_the_result_is_withheld(market):
    """The root is the leaf: an honest judge must not deny what it can prove."""
    job = market.submitted()
    finding = judge(market).replay(job, 0, wall_seconds=60)
    withheld = replace(job, segments=1, segment_root=finding.verdict, result_cid=GONE)
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
    withhold(market, f"segments/{1:04d}", job)
    again = Replayer(market.store, market.sandbox(), market.home / "jules").replay(job, 2, wall_seconds=60)
    assert finding.verdict == again.verdict


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
    evidence = evidence_of(market, finding)
    assert evidence["recomputed_leaf"] == finding.verdict.hex() != evidence["claimed_leaf"]
    assert finding.opening.trace_root.hex() not in json.dumps(evidence)
    assert evidence["distance"]["weights"] > 0


def test_findings_survive_the_journal(market):
    job = market.submitted()
    for finding in (judge(market).replay(job, 1, wall_seconds=60), judge(market).fetch(job)):
        assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


# is the result there?


def test_a_whole_result_is_found_delivered(market):
    finding = judge(market).fetch(market.submitted())
    assert (finding.segment, finding.verdict, finding.opening) == (UNDELIVERED, MATCH, None)
    assert evidence_of(market, finding)["matches"] is True
    assert not list((market.home / "judge").glob("fetched-*")), "what was fetched is not kept"


@pytest.mark.parametrize("path", ["result.json", *(f"segments/{index:04d}" for index in range(SEGMENTS))])
def test_a_result_with_a_part_missing_is_not_delivered(market, path):
    """Attack 7: the seller was paid for all of it."""
    job = market.submitted()
    withhold(market, path, job)
    finding = judge(market).fetch(job)
    assert finding.verdict == UNAVAILABLE and not finding.matches
    assert "nobody has" in evidence_of(market, finding)["problem"]


def test_another_result_than_the_committed_one_is_not_delivered(market):
    job = replace(market.submitted(), segment_root=Digest(bytes([8]) * 32))
    assert judge(market).fetch(job).verdict == UNAVAILABLE


def test_a_store_that_is_down_says_nothing_about_delivery(market):
    job = market.submitted()
    market.store.reachable = False
    with pytest.raises(TransientError):
        judge(market).fetch(job)


# a job that goes on where another seller handed back


def rest_of(market, done: int):
    """The last segments of the spec as a job of their own, which starts from the output before them."""
    whole = market.execute()
    start = whole.products[done - 1]
    state = digest_of(market.store.add(start.output))
    terms = replace(market.submitted().terms, first_segment=done, input=state, segments=SEGMENTS - done)
    last = [opening_of(market.store, product) for product in whole.products[done:]]
    return terms, last


def test_the_rest_of_a_job_starts_from_its_own_input(market):
    terms, openings = rest_of(market, SEGMENTS - 1)
    job = replace(market.submitted(), terms=terms, segments=1, result_cid=GONE)
    leaf = commitment.opened_leaf(job.job_id, 0, openings[0])
    finding = judge(market).replay(replace(job, segment_root=leaf), 0, wall_seconds=60)
    assert finding.verdict == leaf and finding.matches


def test_a_rest_whose_input_is_gone_is_no_finding(market):
    terms, _ = rest_of(market, SEGMENTS - 1)
    job = replace(market.submitted(), terms=replace(terms, input=GONE), segments=1)
    with pytest.raises(TransientError, match="an input"):
        judge(market).replay(job, 0, wall_seconds=60)


# the disk


def test_only_inputs_outlive_a_case(market):
    """What sellers publish is another one each time: a judge that kept it would fill its disk."""
    job, replayer = market.submitted(), judge(market)
    replayer.replay(job, 2, wall_seconds=60)
    assert list((replayer.workspaces.home / "replay").iterdir())
    replayer.workspaces.forget(job)
    assert not list((replayer.workspaces.home / "replay").iterdir())
    cached = {path.name for path in (replayer.workspaces.home / "cache").iterdir()}
    assert cached == cids_in(canonical_json(market.spec))


def test_inputs_of_other_jobs_make_room_for_those_of_this_one(market):
    job, home = market.submitted(), market.home / "judge"
    other = home / "cache" / f"bafybei{'a' * 52}"
    other.mkdir(parents=True)
    (other / "model").write_bytes(bytes(1000))
    Replayer(market.store, market.sandbox(), home, cache_bytes=1 << 30).replay(job, 2, wall_seconds=60)
    assert other.exists()
    finding = Replayer(market.store, market.sandbox(), home, cache_bytes=1).replay(job, 2, wall_seconds=60)
    assert finding.matches and not other.exists()
    assert (home / "cache").is_dir() and list((home / "cache").iterdir()), "its own inputs are in use"
