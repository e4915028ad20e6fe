# SPDX-License-Identifier: Apache-2.0
"""What names an image, and what an engine that fails is called."""

from __future__ import annotations

import docker
import pytest
import requests

from swarm.errors import JobFailed, TransientError, UsageError
from swarm.runtime import engine as engines
from swarm.runtime.docker import DockerRunner
from swarm.runtime.engine import engine_errors

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "engine",
    [
        "",
        "python",
        "python:3.11",
        "sha256:abc",
        "a@sha256:" + "a" * 63,
        "SHA256:" + "a" * 64,
        f"{DIGEST}\n",
        f"-v {DIGEST}",
    ],
)
def test_refuses_what_is_no_digest(engine):
    assert not engines.is_digest(engine)


@pytest.mark.parametrize("engine", [DIGEST, f"registry.example:5000/team/image@{DIGEST}"])
def test_takes_a_digest(engine):
    assert engines.is_digest(engine)


def test_an_engine_that_does_not_answer_is_transient_and_says_how_to_start_it(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(TransientError, match="start the Docker engine"):
        DockerRunner().check()


def test_an_engine_elsewhere_is_refused(monkeypatch):
    monkeypatch.setattr(docker, "from_env", lambda timeout: _Remote())
    with pytest.raises(UsageError, match="another machine"):
        DockerRunner().check()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (requests.ConnectionError("gone"), TransientError),
        (docker.errors.DockerException("Error while fetching server API version"), TransientError),
        (docker.errors.DockerException("PermissionError(13, 'Permission denied')"), UsageError),
        (docker.errors.ImageNotFound("no such image"), UsageError),
        (docker.errors.APIError("boom"), TransientError),
    ],
)
def test_every_error_of_the_engine_has_a_name_of_ours(raised, expected):
    with pytest.raises(expected), engine_errors():
        raise raised


def test_a_container_that_cannot_start_is_the_jobs_fault():
    response = requests.Response()
    response.status_code = 400
    with pytest.raises(JobFailed, match="no such file"), engine_errors():
        raise docker.errors.APIError("bad", response, explanation="exec: no such file")


class _Remote:
    """A client of an engine behind TCP."""

    base_url = "http://192.0.2.1:2375"

    @property
    def api(self):
        return self

    def ping(self) -> bool:
        return True
