# SPDX-License-Identifier: Apache-2.0
"""Which sandbox a daemon uses, and the refusal to run strangers' jobs without a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from swarm.errors import SwarmError, UsageError

if TYPE_CHECKING:
    from swarm.cli.common import Context
    from swarm.execution.segments import Sandbox
    from swarm.runtime.gpus import Gpu
    from swarm.runtime.port import JobRun, Runner, RunOutcome

_FIX = "install a Docker engine and start it, or use a devnet"


class ByEngine:
    """Containers for images, processes for jobs that ask for them; which of the two exist is decided at start."""

    isolates_strangers = True

    def __init__(self, runners: list[Runner]) -> None:
        self._runners = runners
        self.name = " or ".join(runner.name for runner in runners)

    def check(self) -> None:
        for runner in self._runners:
            runner.check()

    def accepts(self, engine: str) -> bool:
        return any(runner.accepts(engine) for runner in self._runners)

    def passes_gpus(self) -> bool:
        return any(runner.passes_gpus() for runner in self._runners)

    def run(
        self,
        run: JobRun,
        *,
        on_progress: Callable[[dict], None] | None = None,
        stop: threading.Event | None = None,
    ) -> RunOutcome:
        """Runs it where its engine is accepted. Raises UsageError when that is nowhere."""
        for runner in self._runners:
            if runner.accepts(run.engine):
                return runner.run(run, on_progress=on_progress, stop=stop)
        raise UsageError(f"no sandbox here runs engine {run.engine}", hint=_FIX)

    def reap(self, owner: str) -> None:
        for runner in self._runners:
            runner.reap(owner)


def sandbox_for(
    context: Context, wanted: str, *, role: str, memory_bytes: int, cpus: float, gpu: str, person: str | None = None
) -> Sandbox:
    """The sandbox for strangers' jobs; `person` is whose, by default the account's address; `gpu` as in `gpu_for`.

    Raises UsageError when there is none and the network is not a devnet.
    """
    from swarm.execution.segments import Sandbox

    runner, reason = _runner(wanted, is_devnet=lambda: context.network.is_devnet)
    chosen, words = gpu_for(runner, gpu)
    context.screen.note(f"sandbox: {reason}; GPU: {words}")
    owner = f"{role}-{person or context.address.lower()}"
    size = {"memory_bytes": memory_bytes, "cpus": cpus}
    return Sandbox(runner, owner=owner, **size, gpu=chosen, has_four_bit=has_four_bit(runner))


def has_four_bit(runner: Runner) -> bool:
    """Whether jobs find bitsandbytes: processes where it is installed. What an image holds only its owner knows."""
    from importlib.util import find_spec

    from swarm.runtime.process import ENGINE

    return runner.accepts(ENGINE) and find_spec("bitsandbytes") is not None


def restricted(sandbox: Sandbox, wanted: str | None) -> tuple[Sandbox, frozenset[str] | None]:
    """The sandbox and the hardware classes whose jobs a worker takes: those it was told, or None for all it computes.

    Who names a class in 4 bit where jobs run in containers says with it that their images have bitsandbytes. Raises
    UsageError for a class that this machine cannot compute, saying what it needs.
    """
    from dataclasses import replace

    from swarm.protocol.hardware import FOUR_BIT, needs_of, parse_classes
    from swarm.runtime.process import ENGINE

    if wanted is None:
        return sandbox, None
    classes = parse_classes(wanted)
    if classes & FOUR_BIT and not sandbox.runner.accepts(ENGINE):
        sandbox = replace(sandbox, has_four_bit=True)
    for name in sorted(classes):
        if not sandbox.computes(name):
            raise UsageError(f"this machine cannot compute class {name}", hint=f"it needs {needs_of(name)}")
    return sandbox, classes


def gpu_for(runner: Runner, wanted: str) -> tuple[Gpu | None, str]:
    """The GPU that this runner lends to jobs (`wanted`: auto, none, an index or a UUID), and its name or why none.

    Raises UsageError where one was asked for by name that is not there or cannot be lent.
    """
    from swarm.runtime.gpus import choose

    found = choose(wanted)
    if found is None:
        return None, "none"
    if runner.passes_gpus():
        return found, found.name
    if wanted == "auto":
        return None, f"none (the engine cannot pass the {found.name} to a container: see swarm doctor)"
    raise UsageError(f"the engine cannot pass the {found.name} to a container", hint="install nvidia-container-toolkit")


def local_sandbox(
    wanted: str, engine: str | None, *, role: str, gpu: str = "none", **size: float
) -> tuple[Sandbox, str]:
    """A sandbox for this person's own runs and an engine that it holds; no network is asked. `size` are its limits.

    Raises UsageError where `wanted` is docker and there is no image, TransientError where there is no engine.
    """
    import os

    from swarm.execution.segments import Sandbox
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.images import held_image
    from swarm.runtime.process import ENGINE, ProcessRunner

    owner = f"{role}-{os.getpid()}"
    if wanted != "process":
        try:
            DockerRunner().check()
            if image := held_image(engine):
                runner = DockerRunner()
                return Sandbox(runner, owner, **size, gpu=gpu_for(runner, gpu)[0]), image
            raise UsageError("the engine holds no job image", hint="python3 scripts/build_image.py")
        except SwarmError:
            if wanted == "docker":
                raise
    runner = ProcessRunner()
    return Sandbox(runner, owner, **size, gpu=gpu_for(runner, gpu)[0], has_four_bit=has_four_bit(runner)), ENGINE


def default_engine(wanted: str, say: Callable[[str], None]) -> str:
    """What runs a devnet's jobs whose spec does not say: the job image where an engine answers, else `process`."""
    if wanted == "process":
        return wanted
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.images import ensure_image

    try:
        DockerRunner().check()
        return ensure_image(say=say)
    except SwarmError as error:
        if wanted == "docker":
            raise
        say(f"jobs run as processes of this user: {error.message}")
        return "process"


def _runner(wanted: str, is_devnet: Callable[[], bool]) -> tuple[Runner, str]:
    """The runner and one line saying why it was chosen."""
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.process import ProcessRunner

    docker, reason = DockerRunner(), "as asked"
    if wanted != "process":
        try:
            docker.check()
            if wanted == "auto" and is_devnet():
                return ByEngine([docker, ProcessRunner()]), "containers; processes for jobs that ask for them (devnet)"
            return docker, "containers"
        except SwarmError as error:
            if wanted == "docker":
                raise
            reason = error.message
    if not is_devnet():
        raise UsageError("the process sandbox does not hold strangers' jobs", hint=_FIX)
    return ProcessRunner(), f"processes of this user ({reason})"
