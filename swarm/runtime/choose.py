# SPDX-License-Identifier: Apache-2.0
"""Which sandbox runs jobs here: containers where an engine answers and holds the image, else this user's processes."""

from __future__ import annotations

from swarm.errors import SwarmError, UsageError
from swarm.runtime.port import Runner

PROCESS = "process"


def choose_runner(engine: str | None) -> tuple[Runner, str]:
    """The runner for an engine (image digest, "process" or None), and the reason in one line.

    A runner whose `isolates_strangers` is False may only run jobs of the person it runs as: the caller must refuse.
    """
    from swarm.runtime.process import ProcessRunner

    if engine in (None, PROCESS):
        return ProcessRunner(), "processes of this user, as asked"
    from swarm.runtime.docker import DockerRunner

    docker = DockerRunner()
    try:
        docker.check()
        if not docker.accepts(engine):
            raise UsageError(f"the engine does not hold the image {engine[:80]}")
    except SwarmError as error:
        return ProcessRunner(), f"{error.message}; processes of this user instead"
    return docker, "containers"
