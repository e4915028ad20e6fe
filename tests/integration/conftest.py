# SPDX-License-Identifier: Apache-2.0
"""Real components for integration tests. A missing one skips with its reason, or fails with SWARM_REQUIRE_PEERS=1."""

import json
import os

import pytest

from swarm.errors import SwarmError
from tests.integration.market import Market

# Whole files go to one process each (scripts/test.py): the longest begin, so that none is left alone at the end.
LONGEST_FIRST = (
    "test_tolerance_market",
    "test_detection",
    "test_kill_judge",
    "test_market",
    "test_worker_faults",
    "test_kill",
    "test_disputes",
    "test_sweep_market",
    "test_bad_world",
    "test_worker_verbs",
    "test_sweep_program",
    "test_deploy",
    "test_bad_engine",
    "test_inference_market",
    "test_lora_data",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def missing(reason: str) -> None:
    """Skips, unless every peer is required."""
    if os.environ.get("SWARM_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def js_daemon(tmp_path_factory):
    """A js-ipfs daemon that others can dial; starting one takes seconds, so the tests of the store share it."""
    from tests.integration.store_peers import Daemon

    daemon = Daemon(tmp_path_factory.mktemp("daemon"), listens=True)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.kill()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    from swarm.jobs.fake import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def bench(tmp_path):
    """A way to run the LoRA program as its own process."""
    from tests.integration.lora_bench import Bench

    return Bench(tmp_path)


@pytest.fixture(scope="session")
def chats(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "chats.jsonl"
    turns = [
        {"messages": [{"role": "user", "content": f"what is {n} + {n}?"}, {"role": "assistant", "content": str(2 * n)}]}
        for n in range(24)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in turns))
    return path


@pytest.fixture(scope="session")
def job_image():
    """The digest of the job image; built once from images/."""
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.images import ensure_image

    try:
        DockerRunner().check()
        return ensure_image()
    except SwarmError as error:
        missing(f"no container engine or image: {error}")


@pytest.fixture
def process_market(tmp_path, tiny_model):
    """An open market whose jobs run as processes."""
    market = Market(tmp_path / "market", "process", "process", tiny_model)
    try:
        market.open()
        yield market
    finally:
        market.close()


@pytest.fixture
def docker_market(tmp_path, tiny_model, job_image):
    """An open market whose jobs run in containers."""
    market = Market(tmp_path / "market", "docker", job_image, tiny_model)
    try:
        market.open()
        yield market
    finally:
        market.close()
