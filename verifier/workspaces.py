# SPDX-License-Identifier: Apache-2.0
"""Where a judge re-executes, below its home: gone once the finding is in the journal, or at the next start."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm.disk import sweep
from swarm.protocol.types import Job
from swarm.runtime.outputs import require_free_space

_FETCHED = "fetched-"


class Workspaces:
    """The folders of one home. No two judges may share it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def of(self, job: Job, segment: int, name: str = "") -> Path:
        """Where the last re-execution of a segment left its outputs; those of a closer look have names."""
        return self.home / "replay" / "-".join(filter(None, (str(job.job_id), str(segment), name)))

    def outputs_of(self, job: Job) -> Path:
        """Where what the seller published lies while its job is looked at."""
        return self.home / "replay" / f"{job.job_id}-outputs"

    @contextmanager
    def passing(self) -> Iterator[Path]:
        """A folder for what is looked at and not kept."""
        self.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.home, prefix=_FETCHED) as folder:
            yield Path(folder)

    def forget(self, job: Job) -> None:
        """Removes what the re-executions of a job have left and fetched; the finding has all that is needed of it."""
        for workspace in (self.home / "replay").glob(f"{job.job_id}-*"):
            shutil.rmtree(workspace, ignore_errors=True)

    def sweep(self) -> None:
        """Removes what a judge of this home that was killed has left half done."""
        for leftover in (self.home / "replay", *self.home.glob(f"{_FETCHED}*")):
            shutil.rmtree(leftover, ignore_errors=True)
        sweep(self.home / "cache")

    def require_space(self) -> None:
        """Raises TransientError where the disk is too full for a re-execution."""
        require_free_space(self.home)
