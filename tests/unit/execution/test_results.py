# SPDX-License-Identifier: Apache-2.0
"""Publishing and reading results: what is not what was committed is refused."""

import json
from dataclasses import replace

import pytest

from swarm.buyer.pull import pull
from swarm.errors import IntegrityError, JobFailed, NotFound, UsageError
from swarm.execution.inputs import result_cid
from swarm.execution.results import leaves_of, output_cid, read_manifest
from swarm.protocol.types import ZERO_DIGEST, Digest, JobId
from swarm.runtime.port import RunEnd
from swarm.storage.cid import digest_of
from swarm.workloads.result import MANIFEST_NAME, Manifest
from tests.unit.execution.conftest import SEGMENTS, program


def changed_result(market, job, change):
    """The same result with another manifest, republished under the old commitment."""
    from swarm.storage.port import ExportLimits

    folder = market.home / "changed"
    market.store.export(result_cid(job.result_cid), folder, limits=ExportLimits(1 << 30, 1000, 10, 255))
    content = json.loads((folder / MANIFEST_NAME).read_text())
    change(content, folder)
    (folder / MANIFEST_NAME).write_text(json.dumps(content, sort_keys=True, separators=(",", ":")))
    return replace(job, result_cid=digest_of(market.store.add(folder)))


def test_refuses_a_manifest_of_another_job(market):
    job = market.submitted()
    with pytest.raises(IntegrityError, match="another job"):
        read_manifest(market.store, replace(job, job_id=JobId(8)))


def test_refuses_a_manifest_with_too_few_segments(market):
    job = changed_result(market, market.submitted(), lambda content, folder: content["segments"].pop())
    with pytest.raises(IntegrityError, match="manifest"):
        read_manifest(market.store, job)


def test_refuses_a_manifest_that_does_not_lead_to_the_root(market):
    def forge(content, folder):
        content["segments"][0]["digest"] = "ab" * 32

    with pytest.raises(IntegrityError, match="committed root"):
        read_manifest(market.store, changed_result(market, market.submitted(), forge))


@pytest.mark.parametrize(
    "value", ["[]", "null", '{"version":1}', '{"version":2,"job_id":7,"segments":[]}', "\xff", "9" * 5000]
)
def test_refuses_what_is_no_manifest(value):
    with pytest.raises(IntegrityError):
        Manifest.parse(value.encode(), job_id=JobId(7), segments=1)


def test_refuses_an_output_swapped_after_the_commitment(market):
    """Last segment swapped: the manifest is right, what lies at its path is not."""

    def swap(content, folder):
        (folder / "segments" / "0003" / "adapter_model.safetensors").write_bytes(b"something else")

    job = changed_result(market, market.submitted(), swap)
    manifest = read_manifest(market.store, job)
    with pytest.raises(IntegrityError, match="committed to"):
        output_cid(market.store, job, manifest, SEGMENTS - 1)
    with pytest.raises(IntegrityError):
        pull(market.store, job, market.home / "out")
    assert not (market.home / "out").exists()


def test_refuses_bytes_that_do_not_match_their_cid(market):
    job = market.submitted()
    for cid in list(market.store.blocks):
        if cid.codec == 0x55:
            market.store.blocks[cid] = b"lies"
    with pytest.raises(IntegrityError, match="do not match"):
        pull(market.store, job, market.home / "out")


def test_refuses_to_pull_before_a_result_and_over_a_folder(market):
    job = market.submitted()
    with pytest.raises(NotFound, match="no result yet"):
        pull(market.store, replace(job, result_cid=ZERO_DIGEST), market.home / "out")
    (market.home / "out").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        pull(market.store, job, market.home / "out")


def test_a_result_that_nobody_has_is_not_found(market):
    job = replace(market.submitted(), result_cid=Digest(bytes([9]) * 32))
    with pytest.raises(NotFound):
        read_manifest(market.store, job)


def test_refuses_a_program_that_leaves_out_a_segment(market):
    def lazy(run, emit):
        program(run, emit)
        (run.outputs / "traces" / "0001.bin").unlink()

    with pytest.raises(JobFailed, match="segment 1"):
        market.execute(lazy)


def test_refuses_a_link_in_the_outputs(market):
    def sly(run, emit):
        program(run, emit)
        (run.outputs / "segments" / "0000" / "passwd").symlink_to("/etc/passwd")

    with pytest.raises(JobFailed):
        market.execute(sly)


@pytest.mark.parametrize("end", [end for end in RunEnd if end is not RunEnd.OK])
def test_every_bad_end_fails_the_job(market, end):
    with pytest.raises(JobFailed, match=end.name.lower()):
        market.execute(lambda run, emit: end)


def test_what_was_published_is_read_back_and_pulled(market):
    job = market.submitted()
    manifest = read_manifest(market.store, job)
    assert len(leaves_of(manifest)) == SEGMENTS
    pulled = pull(market.store, job, market.home / "out")
    assert pulled.output_cid == manifest.segments[-1].output_cid
    assert {path.name for path in pulled.directory.iterdir()} >= {"adapter_model.safetensors", "adapter_config.json"}


def test_the_trace_is_not_in_the_result(market):
    """Only somebody who ran a segment knows the preimage of its digest."""
    execution = market.execute()
    traces = [product.trace.read_bytes() for product in execution.products]
    market.submitted()
    assert not [block for block in market.store.blocks.values() if any(trace in block for trace in traces)]
