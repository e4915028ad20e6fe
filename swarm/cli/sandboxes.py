# SPDX-License-Identifier: Apache-2.0
"""Which sandbox a daemon uses, and the refusal to run strangers' jobs without a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.errors import SwarmError, UsageError

if TYPE_CHECKING:
    from swarm.cli.common import Context
    from swarm.execution.segments import Sandbox

_FIX = "install a Docker engine and start it, or use a devnet"


def sandbox_for(context: Context, wanted: str, *, role: str, memory_bytes: int, cpus: float) -> Sandbox:
    """The sandbox for strangers' jobs. Raises UsageError when there is none and the network is not a devnet."""
    from swarm.execution.segments import Sandbox

    runner, reason = _runner(wanted)
    if not runner.isolates_strangers and not context.network.is_devnet:
        raise UsageError(f"the {runner.name} sandbox does not hold strangers' jobs", hint=_FIX)
    context.screen.note(f"sandbox: {reason}")
    return Sandbox(runner, owner=f"{role}-{context.address.lower()}", memory_bytes=memory_bytes, cpus=cpus)


def can_run(sandbox: Sandbox, engine: str) -> bool:
    """Whether this sandbox runs a spec's engine: an image it holds, or the process engine on a devnet."""
    return sandbox.runner.accepts(engine)


def _runner(wanted: str):
    """The runner and one line saying why it was chosen."""
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.process import ProcessRunner

    if wanted in ("auto", "docker"):
        docker = DockerRunner()
        try:
            docker.check()
            return docker, "docker containers"
        except SwarmError as error:
            if wanted == "docker":
                raise
            reason = f"{error.message}; processes of this user instead"
    else:
        reason = "processes of this user, as asked"
    return ProcessRunner(), reason
