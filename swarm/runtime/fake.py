# SPDX-License-Identifier: Apache-2.0
"""A runner without a sandbox: a callable takes the place of the program. For tests, benchmarks and the demo's cheat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from swarm.runtime.port import JobRun, Progress, RunEnd, RunOutcome, require_startable

Program = Callable[[JobRun, Progress], RunEnd | None]


class FakeRunner:
    """Calls `program(run, emit)`, which writes into `run.outputs` and may return a RunEnd (None means OK)."""

    name = "fake"
    isolates_strangers = True

    def __init__(
        self, program: Program, *, cpu_seconds: float = 1.0, exit_codes: Mapping[RunEnd, int] | None = None
    ) -> None:
        self._program = program
        self._cpu_seconds = cpu_seconds
        self._exit_codes = {RunEnd.OK: 0, RunEnd.FAILED: 1} | dict(exit_codes or {})
        self.runs: list[JobRun] = []
        self.reaped: list[str] = []

    def check(self) -> None:
        """It can always run."""

    def accepts(self, engine: str) -> bool:
        return True

    def run(
        self, run: JobRun, *, on_progress: Progress | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        require_startable(run)
        self.runs.append(run)
        if stop is not None and stop.is_set():
            return self._outcome(RunEnd.STOPPED)
        return self._outcome(self._program(run, on_progress or _ignore) or RunEnd.OK)

    def passes_gpus(self) -> bool:
        return False

    def reap(self, owner: str) -> None:
        self.reaped.append(owner)

    def _outcome(self, end: RunEnd) -> RunOutcome:
        return RunOutcome(end, self._exit_codes.get(end), self._cpu_seconds, self._cpu_seconds, "")


def _ignore(fact: dict) -> None:
    """Progress nobody asked for."""
