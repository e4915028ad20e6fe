# SPDX-License-Identifier: Apache-2.0
"""Whether this machine gets the known result of the golden job. One that does not must not judge: it would deny honest
sellers and pay for it.

A pass is good for a day on this machine, for the same image, processor and libraries; daemons that start together wait
for the first one instead of training four times.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import IntegrityError, UsageError
from swarm.execution import golden, machine
from swarm.execution.segments import Sandbox
from swarm.log import Log

log = Log("verifier.selftest")
VALID_SECONDS = 24 * 3600
HARDWARE_CLASS = "cpu-fp32"


@dataclass(frozen=True, slots=True)
class Passed:
    """`seconds` is what the run took; `age_seconds` how long ago that was, 0 for one made now."""

    engine: str
    digest: str
    seconds: float
    age_seconds: float


class Selftest:
    """`folder` is shared by all daemons of this user on this machine; `run` makes the golden run."""

    def __init__(self, sandbox: Sandbox, engine: str, folder: Path, *, run: Callable = golden.run_golden) -> None:
        self._sandbox, self._engine, self._folder, self._run = sandbox, engine, folder, run

    def require(self, workspace: Path, *, fresh: bool = False) -> Passed:
        """Raises IntegrityError when this machine gets something else, and whatever keeps the job from running."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note = self._folder / f"{self._key()}.json"
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not fresh and (passed := self._noted(note)):
                return passed
            note.unlink(missing_ok=True)
            log.info("selftest_started", engine=self._engine)
            found = self._run(self._sandbox, self._engine, workspace, hardware_class=HARDWARE_CLASS)
            if not found.matches:
                log.error("selftest_failed", digest=found.digest)
                wanted = golden.DIGESTS[HARDWARE_CLASS]
                message = f"the golden job gives {found.digest.hex()[:16]}… here, every other judge gets {wanted[:16]}…"
                raise IntegrityError(message, hint="swarm doctor; this machine must not judge until they agree")
            entry = {"digest": found.digest.hex(), "seconds": round(found.wall_seconds, 1), "at": time.time()}
            note.write_text(json.dumps(entry))
            log.info("selftest_passed", engine=self._engine, wall_seconds=entry["seconds"])
            return Passed(self._engine, entry["digest"], entry["seconds"], 0.0)

    def _noted(self, note: Path) -> Passed | None:
        try:
            entry = json.loads(note.read_text())
            age = time.time() - entry["at"]
            is_valid = 0 <= age < VALID_SECONDS and entry["digest"] == golden.DIGESTS[HARDWARE_CLASS]
            return Passed(self._engine, entry["digest"], entry["seconds"], age) if is_valid else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _key(self) -> str:
        about = {"engine": self._engine, "sandbox": self._sandbox.runner.name, "machine": machine.facts()}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def engine_for(sandbox: Sandbox, candidates: list[str | None]) -> str:
    """The first engine this sandbox runs. Raises UsageError when there is none."""
    for engine in candidates:
        if engine and sandbox.runner.accepts(engine):
            return engine
    raise UsageError("no image is here to test this machine with", hint="python3 scripts/build_image.py")
