# SPDX-License-Identifier: Apache-2.0
"""The inference programs in a container: the same bytes as a process, and a checker that finds all it imports."""

from __future__ import annotations

import pytest

from swarm.execution.inputs import Inputs
from swarm.execution.segments import Sandbox, check_claim, execute
from swarm.runtime.docker import DockerRunner
from swarm.workloads.exact import compare
from swarm.workloads.inference.workload import InferenceWorkload
from swarm.workloads.workload import Zone
from tests.integration.test_inference_job import Bench

pytestmark = pytest.mark.timeout(300)


def test_a_container_gives_the_bytes_of_a_process_and_accepts_them(tmp_path, job_image):
    bench = Bench(tmp_path)
    spec = bench.spec(engine=job_image)
    plain = bench.answer("plain", spec, range(1)) / "segments/0000"
    sandbox = Sandbox(DockerRunner(), owner="test-inference", memory_bytes=2 << 30, cpus=1.0, pids=64)
    inputs = Inputs({"model": bench.model, "requests.jsonl": bench.requests})
    wall = {"wall_seconds": 200}
    run = execute(sandbox, spec, inputs, first=0, last=1, state=None, workspace=tmp_path / "run", **wall)
    assert compare(run.products[0].output, plain).matched
    checked = check_claim(sandbox, spec, inputs, segment=0, claim=plain, workspace=tmp_path / "check", **wall)
    ours = checked.products[0].output
    assert InferenceWorkload().assess(spec, 0, before=None, theirs=plain, ours=ours).zone is Zone.ACCEPT
