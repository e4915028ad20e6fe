# SPDX-License-Identifier: Apache-2.0
"""The Docker engine: one connection, its errors in this project's words. The only importer of the Docker SDK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker import errors
from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from swarm.errors import JobFailed, TransientError, UsageError

__all__ = ["DeviceRequest", "LogConfig", "Mount", "Ulimit", "connect", "engine_errors", "find_image", "is_absent"]

START_HINT = "start the Docker engine, for instance: sudo systemctl start docker"
_TIMEOUT_SECONDS = 60
_GPU_RUNTIME = "nvidia"
_DIGEST = re.compile(r"(?:[a-z0-9][a-z0-9._/:-]{0,255}@)?sha256:[0-9a-f]{64}")


def connect() -> docker.APIClient:
    """A client of the local engine. Raises TransientError when none answers, UsageError when it is of no use to us."""
    with engine_errors():
        client = docker.from_env(timeout=_TIMEOUT_SECONDS).api
        client.ping()
    if not client.base_url.startswith("http+docker://"):
        raise UsageError("DOCKER_HOST names another machine", hint="inputs are mounted, so the engine must be local")
    return client


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turns what the SDK raises into TransientError (the engine), UsageError (access), JobFailed (this container)."""
    try:
        yield
    except errors.ImageNotFound as error:
        raise UsageError("the engine does not hold this image", hint="python3 scripts/build_image.py") from error
    except errors.APIError as error:
        if error.response is not None and error.response.status_code < 500:
            raise JobFailed(f"the engine refused the container: {_short(error.explanation)}") from error
        raise TransientError(f"the Docker engine failed: {_short(error.explanation)}", hint=START_HINT) from error
    except (errors.DockerException, requests.RequestException, OSError) as error:
        if "permission denied" in str(error).lower():
            hint = "sudo usermod -aG docker $USER, then log in again"
            raise UsageError("this user may not use the Docker engine", hint=hint) from error
        raise TransientError("no Docker engine answers", hint=START_HINT) from error


def passes_gpus(client: docker.APIClient) -> bool:
    """Whether the engine can give a container a GPU."""
    with engine_errors():
        return _GPU_RUNTIME in (client.info().get("Runtimes") or {})


def gpu_requests(uuid: str | None) -> list[DeviceRequest]:
    """The request for one GPU by its UUID; none for None."""
    if uuid is None:
        return []
    return [DeviceRequest(driver=_GPU_RUNTIME, device_ids=[uuid], capabilities=[["gpu"]])]


def is_absent(error: BaseException) -> bool:
    """Whether an SDK error only says that the thing is gone or not running."""
    return isinstance(error, errors.APIError) and error.status_code in (404, 409)


def is_digest(engine: str) -> bool:
    """Whether an image reference is bound to its content: sha256:… or repository@sha256:…"""
    return bool(_DIGEST.fullmatch(engine))


def find_image(client: docker.APIClient, engine: str) -> dict[str, Any] | None:
    """What the engine knows of an image it holds, or None."""
    with engine_errors():
        try:
            return client.inspect_image(engine)
        except errors.ImageNotFound:
            return None


def _short(text: Any) -> str:
    return str(text).strip().replace("\n", " ")[:300]
