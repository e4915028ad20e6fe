# SPDX-License-Identifier: Apache-2.0
"""The port of the sandboxes: what is run (JobRun), within which limits, and how it ended (RunOutcome)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from swarm.errors import UsageError

_INPUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Progress = Callable[[dict], None]


class RunEnd(Enum):
    """How a run ended: by itself (OK, FAILED), at a limit (TIMEOUT, MEMORY, OUTPUT), or by us (STOPPED)."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Limits:
    """`output_files` counts files and directories; `output_bytes` is their sum and the most a single file may have."""

    memory_bytes: int = 4 << 30
    cpus: float = 2.0
    pids: int = 256
    wall_seconds: float = 3600.0
    output_bytes: int = 1 << 30
    output_files: int = 1024

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "cpus", "pids", "wall_seconds", "output_bytes", "output_files"):
            if not getattr(self, name) > 0:
                raise UsageError(f"the limit {name} must be above zero, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a program.

    `engine` is an image digest for containers and "process" otherwise; `inputs` are read-only at $SWARM_INPUTS/<name>;
    `outputs` is an empty directory of the host, read-write at $SWARM_OUTPUTS; `owner` labels what is started, so that
    `Runner.reap` finds it after a crash; `gpu` is the UUID of the one GPU it may use.
    """

    engine: str
    program: tuple[str, ...]
    inputs: Mapping[str, Path]
    outputs: Path
    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: str = "nobody"
    gpu: str | None = None

    def __post_init__(self) -> None:
        if not self.program:
            raise UsageError("a run needs a program")
        for name in self.inputs:
            if not _INPUT_NAME.fullmatch(name):
                raise UsageError(f"{name!r} cannot be the name of an input")


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """`cpu_seconds` includes child processes; `log_tail` is the end of what the program printed, made harmless;
    `stdout_sha256` is the digest of all of stdout."""

    reason: RunEnd
    exit_code: int | None
    wall_seconds: float
    cpu_seconds: float
    log_tail: str
    stdout_sha256: bytes = bytes(32)


class Runner(Protocol):
    """Runs one program at a time per call, and leaves nothing behind."""

    name: str
    isolates_strangers: bool

    def check(self) -> None:
        """Raises TransientError or UsageError when this sandbox cannot run anything now."""

    def accepts(self, engine: str) -> bool:
        """Whether it could run this engine now."""

    def passes_gpus(self) -> bool:
        """Whether a run can be given a GPU."""

    def run(
        self, run: JobRun, *, on_progress: Progress | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        """Runs to the end, handing each JSON line of stdout to `on_progress`; `stop` ends the run early.

        Once it returns, no process of the run is left. What the program left in `outputs` is still to be judged with
        `check_outputs`; after OUTPUT the directory is empty. Raises UsageError for a run that cannot be started as
        asked, TransientError when the engine fails, JobFailed when the program cannot be executed.
        """

    def reap(self, owner: str) -> None:
        """Ends whatever an earlier life of `owner` left running."""


def require_startable(run: JobRun) -> None:
    """Raises UsageError unless every input exists and the output directory exists and is empty."""
    for name, path in run.inputs.items():
        if not path.exists():
            raise UsageError(f"the input {name} is not there: {path}")
    if not run.outputs.is_dir() or any(run.outputs.iterdir()):
        raise UsageError(f"the output directory must exist and be empty: {run.outputs}")
