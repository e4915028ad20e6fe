# SPDX-License-Identifier: Apache-2.0
"""The LoRA program under the limits of every sandbox: a judge may replay in another one than the seller used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.protocol.commitment import directory_output_hash
from swarm.runtime import bubblewrap
from swarm.runtime.docker import DockerRunner
from swarm.runtime.outputs import check_outputs
from swarm.runtime.port import JobRun, Limits, RunEnd, Runner
from swarm.runtime.process import ProcessRunner
from swarm.workloads.spec import canonical_json
from tests.integration.conftest import missing
from tests.integration.test_lora_job import Bench

pytestmark = pytest.mark.timeout(300)
LIMITS = Limits(memory_bytes=2 << 30, cpus=1.0, pids=64, wall_seconds=200, output_bytes=64 << 20, output_files=16)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def reference(bench) -> Path:
    """Two segments run as a plain process."""
    return _train(bench, "plain", ProcessRunner(use_bubblewrap=False, state=bench.root / "notes"), "process")


def test_a_container_gives_the_same_bytes_as_a_process(bench, reference, job_image):
    assert _bytes(_train(bench, "container", DockerRunner(), job_image)) == _bytes(reference)


def test_bubblewrap_gives_the_same_bytes_as_a_process(bench, reference):
    if not bubblewrap.works():
        missing("bubblewrap is missing or may not make namespaces here")
    walled = ProcessRunner(use_bubblewrap=True, state=bench.root / "notes")
    assert _bytes(_train(bench, "bubblewrap", walled, "process")) == _bytes(reference)


def _train(bench: Bench, name: str, runner: Runner, engine: str) -> Path:
    spec, folder = bench.spec(), bench.root / name
    (folder / "outputs").mkdir(parents=True)
    job = {"spec": json.loads(canonical_json(spec)), "first_segment": 0, "last_segment": 2}
    (folder / "job.json").write_text(json.dumps(job))
    inputs = {"model": bench.model, "train.jsonl": bench.data, "state": bench.state(spec, f"{name}-state")}
    run = JobRun(
        engine,
        ("python", "-m", "swarm.jobs.lora"),
        inputs | {"job.json": folder / "job.json"},
        folder / "outputs",
        LIMITS,
        owner=f"test-{name}",
    )
    facts: list[dict] = []
    outcome = runner.run(run, on_progress=facts.append)
    assert outcome.reason is RunEnd.OK, outcome.log_tail
    assert [fact["event"] for fact in facts].count("step") == 4
    assert outcome.cpu_seconds > 0
    assert check_outputs(folder / "outputs", LIMITS).files == 6
    print(name, round(outcome.wall_seconds, 2), round(outcome.cpu_seconds, 2))
    return folder / "outputs"


def _bytes(outputs: Path) -> dict[str, bytes]:
    traces = {path.name: path.read_bytes() for path in (outputs / "traces").iterdir()}
    return traces | {path.name: directory_output_hash(path) for path in (outputs / "segments").iterdir()}
