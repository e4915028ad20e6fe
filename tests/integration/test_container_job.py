# SPDX-License-Identifier: Apache-2.0
"""Container jobs through execution, judge and buyer, with a real engine: any program, its outputs compared exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.buyer.prepare import prepare
from swarm.buyer.pull import pull
from swarm.errors import JobFailed
from swarm.execution.inputs import InputCache
from swarm.execution.results import publish
from swarm.execution.segments import Sandbox, execute
from swarm.protocol.types import Comparison, JobId
from swarm.runtime.base_image import find_base
from swarm.runtime.docker import DockerRunner
from swarm.storage.fake import FakeStore
from swarm.workloads.spec import parse_spec
from tests.integration.conftest import missing
from tests.unit.execution.conftest import job_of
from verifier.replay import Replayer

pytestmark = pytest.mark.timeout(120)
COUNTS = """
import collections, json, os, pathlib, sys
words = collections.Counter(pathlib.Path("/inputs/text").read_text().split())
print("most common", words.most_common(1), os.environ["NOTE"])
out = pathlib.Path("/outputs/tables"); out.mkdir()
(out / "words.json").write_text(json.dumps(dict(sorted(words.items()))))
sys.exit(int(sys.argv[1]))
"""
RANDOM = "import pathlib, os; pathlib.Path('/outputs/x').write_bytes(os.urandom(8))"
CLOCK = "import pathlib, time; pathlib.Path('/outputs/x').write_text(str(time.time_ns()))"


@pytest.fixture(scope="module")
def image() -> str:
    from swarm.errors import SwarmError
    from swarm.runtime import engine

    try:
        return find_base(engine.connect(), None, print)
    except SwarmError as error:
        missing(f"no container engine: {error}")


class Bench:
    def __init__(self, image: str, home: Path) -> None:
        self.image, self.home, self.store = image, home, FakeStore()
        (home / "text").write_text("to be or not to be")
        self.sandbox = Sandbox(DockerRunner(), owner="test-container", memory_bytes=256 << 20)

    def job(self, source: str, *arguments: str, determinism: str = "exact"):
        """A submitted job of an honest seller, and its spec."""
        spec = parse_spec(
            {
                "version": 1,
                "type": "container",
                "name": "words",
                "image": self.image,
                "entrypoint": ["python3", "-c", source],
                "args": list(arguments),
                "env": {"NOTE": "seen"},
                "inputs": [{"source": "file:text", "target": "/inputs/text"}],
                "determinism": determinism,
                "budget": {"max_total": 1},
            }
        )
        prepared = prepare(spec, self.store, base=self.home, cache=self.home / "cache")
        inputs = InputCache(self.store, self.home / "cache").fetch(prepared.spec)
        workspace, first = self.home / "seller", {"first": 0, "last": 1, "state": None}
        done = execute(self.sandbox, prepared.spec, inputs, **first, workspace=workspace, wall_seconds=60)
        published = publish(self.store, JobId(7), done.products, self.home / "staging")
        comparison = prepared.spec.verification.comparison
        return job_of(prepared.spec, prepared.spec_cid, published, comparison=comparison)

    def judged(self, job):
        return Replayer(self.store, self.sandbox, self.home / "judge").replay(job, 0, wall_seconds=60)


@pytest.fixture
def bench(image: str, tmp_path: Path) -> Bench:
    return Bench(image, tmp_path)


def test_a_repeatable_program_is_confirmed_and_delivered(bench: Bench) -> None:
    job = bench.job(COUNTS, "0")
    finding = bench.judged(job)
    assert finding.matches and finding.opening is not None
    pulled = pull(bench.store, job, bench.home / "out")
    assert json.loads((bench.home / "out/results/tables/words.json").read_text())["to"] == 2
    assert json.loads((pulled.directory / "end.json").read_text()) == {"exit_code": 0}


def test_a_program_that_fails_by_itself_is_the_buyers_matter(bench: Bench) -> None:
    job = bench.job(COUNTS, "3")
    assert bench.judged(job).matches
    pull(bench.store, job, bench.home / "out")
    assert json.loads((bench.home / "out/end.json").read_text()) == {"exit_code": 3}


@pytest.mark.parametrize("source", [RANDOM, CLOCK], ids=["random", "clock"])
def test_outputs_that_do_not_repeat_give_every_judge_another_leaf(bench: Bench, source: str) -> None:
    """Attack 51: no two members agree, so the committee is inconclusive and nobody is slashed."""
    job = bench.job(source)
    first, second = bench.judged(job), bench.judged(job)
    assert not first.matches and not second.matches and first.verdict != second.verdict


def test_without_declared_determinism_only_delivery_is_judged(bench: Bench) -> None:
    """Attack 52: what nobody certified is never slashed for its content."""
    job = bench.job(RANDOM, determinism="none")
    assert job.terms.comparison is Comparison.DELIVERY
    finding = bench.judged(job)
    assert finding.matches and finding.opening is None and finding.cpu_seconds == 0


def test_a_program_that_leaves_a_link_has_no_result(bench: Bench) -> None:
    with pytest.raises(JobFailed, match="symbolic link"):
        bench.job("import os; os.symlink('/etc/passwd', '/outputs/x')")
