# SPDX-License-Identifier: Apache-2.0
"""Notes about running process sandboxes, so that a worker that was killed finds exactly what it had started."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from swarm.runtime import processes

MARKER = "SWARM_SANDBOX"
SCRATCH_PREFIX = "computeswarm-run-"


class Orphans:
    """One small file per running sandbox below `directory`, in a folder per owner."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def note(self, owner: str, pid: int, marker: str, scratch: Path) -> Path:
        """Remembers a launcher and its temporary folder; the returned file is to be removed when the run is over."""
        folder = self._folder(owner)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = processes.entry(pid)
        facts = {
            "pid": pid,
            "start_ticks": found.start_ticks if found else None,
            "boot": processes.boot_id(),
            "marker": marker,
            "scratch": str(scratch),
        }
        path = folder / f"{marker}.json"
        path.write_text(json.dumps(facts))
        return path

    def reap(self, owner: str) -> None:
        """Ends what an earlier life of `owner` left running, and forgets it."""
        for path in self._folder(owner).glob("*.json"):
            _end(path)
            path.unlink(missing_ok=True)

    def _folder(self, owner: str) -> Path:
        return self._directory / hashlib.sha256(owner.encode()).hexdigest()[:16]


def _end(path: Path) -> None:
    try:
        facts = json.loads(path.read_text())
        pid, start_ticks, boot, marker = (facts[key] for key in ("pid", "start_ticks", "boot", "marker"))
        scratch = Path(facts["scratch"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if boot == processes.boot_id():
        _end_processes(pid, start_ticks, marker)
    if scratch.name.startswith(SCRATCH_PREFIX):
        shutil.rmtree(scratch, ignore_errors=True)


def _end_processes(pid: int, start_ticks: int, marker: str) -> None:
    launcher = processes.entry(pid)
    # Numbers are reused: the same number with another start is somebody else's process.
    if launcher and launcher.start_ticks == start_ticks:
        processes.end_descendants(pid)
        processes.end([launcher])
    processes.end(processes.marked(f"{MARKER}={marker}"))
