# SPDX-License-Identifier: Apache-2.0
"""Which sandbox is taken for one's own runs: what was asked for, or processes where nothing was and no engine is."""

import pytest
from click.testing import CliRunner

from swarm.cli.main import command
from swarm.cli.sandboxes import local_sandbox
from swarm.errors import TransientError, UsageError
from swarm.runtime import images
from swarm.runtime.docker import DockerRunner
from swarm.runtime.process import ENGINE, ProcessRunner

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.fixture
def engine(monkeypatch):
    """An engine that answers and holds `held`."""
    held = [DIGEST]
    monkeypatch.setattr(DockerRunner, "check", lambda self: None)
    monkeypatch.setattr(DockerRunner, "accepts", lambda self, engine: engine in held)
    monkeypatch.setattr(images, "held_image", lambda wanted: held[0] if held else None)
    return held


def test_without_an_engine_processes_are_taken_unless_containers_were_asked_for(no_engine):
    box, engine = local_sandbox("auto", None, role="test")
    assert isinstance(box.runner, ProcessRunner) and engine == ENGINE
    with pytest.raises(TransientError, match="no Docker engine answers"):
        local_sandbox("docker", DIGEST, role="test")


def test_an_engine_with_an_image_is_taken_unless_processes_were_asked_for(engine):
    box, image = local_sandbox("auto", None, role="test", memory_bytes=7)
    assert isinstance(box.runner, DockerRunner) and (image, box.memory_bytes) == (DIGEST, 7)
    assert isinstance(local_sandbox("process", None, role="test")[0].runner, ProcessRunner)


def test_an_engine_without_an_image_is_told_from_none(engine):
    engine.clear()
    assert isinstance(local_sandbox("auto", None, role="test")[0].runner, ProcessRunner)
    with pytest.raises(UsageError, match="holds no job image"):
        local_sandbox("docker", None, role="test")


def test_no_image_is_certified_by_running_another_one(engine):
    """The bounds of an image are what that image does."""
    other = "sha256:" + "b" * 64
    refused = CliRunner().invoke(command, ["workload", "certify", other]).exception
    assert isinstance(refused, UsageError) and "no sandbox here holds the image" in str(refused)
