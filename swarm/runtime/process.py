# SPDX-License-Identifier: Apache-2.0
"""Jobs as processes of this user, in bubblewrap where it works. Only for jobs of the same person.

Bubblewrap takes away the network and the files; the kernel and the user stay the same, so a stranger's job could still
attack both. Plain processes only have limits.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import platformdirs

from swarm.errors import JobFailed, UsageError
from swarm.runtime import bubblewrap, processes
from swarm.runtime.environment import environment_of
from swarm.runtime.gpu_loan import lent
from swarm.runtime.lines import Lines
from swarm.runtime.orphans import MARKER, Orphans
from swarm.runtime.outputs import empty, excess, reclaim, require_free_space
from swarm.runtime.port import JobRun, Limits, Progress, RunEnd, RunOutcome, require_startable
from swarm.runtime.supervise import Every, supervise

ENGINE = "process"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_CENSUS_PERIOD_SECONDS = 0.5
_LAUNCHER_GRACE_SECONDS = 3.0
# What a process may map beyond the memory limit before its allocations fail; the watcher ends it earlier, with MEMORY.
_DATA_SLACK_BYTES = 1 << 30
_OPEN_FILES = 4096
_SCRATCH = Limits(output_bytes=256 << 20, output_files=4096)


class ProcessRunner:
    """`use_bubblewrap` None means: where it works. `state` is where running processes are noted for `reap`."""

    name = "process"
    isolates_strangers = False

    def __init__(self, *, use_bubblewrap: bool | None = None, state: Path | None = None) -> None:
        self.has_bubblewrap = bubblewrap.works() if use_bubblewrap is None else use_bubblewrap
        self._orphans = Orphans(state or platformdirs.user_state_path("computeswarm") / "sandboxes")

    def check(self) -> None:
        """Raises UsageError where there is no /proc to watch processes with, or no bubblewrap although asked for."""
        if not sys.platform.startswith("linux"):
            raise UsageError("the process sandbox needs Linux", hint="use a Docker engine")
        if self.has_bubblewrap and not bubblewrap.works():
            raise UsageError("bubblewrap is missing or may not make namespaces here", hint="apt-get install bubblewrap")

    def accepts(self, engine: str) -> bool:
        return engine == ENGINE

    def run(
        self, run: JobRun, *, on_progress: Progress | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        if not self.accepts(run.engine):
            raise UsageError(f"the process sandbox runs no images, and {run.engine[:80]!r} is one", hint="use Docker")
        require_startable(run)
        require_free_space(run.outputs)
        mine = (os.geteuid(), os.getegid())
        scratch = tempfile.TemporaryDirectory(prefix="computeswarm-", ignore_cleanup_errors=True)
        with lent(run.gpu), scratch as folder:
            work = _Group(run, self._orphans, Path(folder), self.has_bubblewrap)
            try:
                end = supervise(work, run, on_progress=on_progress, stop=stop)
                outcome = work.outcome(end)
            finally:
                work.close()
                reclaim(run.outputs, run.limits, *mine)
                empty(Path(folder))
        if outcome.reason is RunEnd.OUTPUT:
            empty(run.outputs)
        return outcome

    def passes_gpus(self) -> bool:
        """A process of this user sees what the user sees."""
        return True

    def reap(self, owner: str) -> None:
        self._orphans.reap(owner)


class _Group:
    """A launcher and everything below it, as the supervisor sees it."""

    def __init__(self, run: JobRun, orphans: Orphans, folder: Path, in_bubblewrap: bool) -> None:
        self.lines = Lines()
        self._limits = run.limits
        self._began = time.monotonic()
        self._wall_seconds = 0.0
        self._scratch = folder / "tmp"
        self._scratch.mkdir()
        self._census_is_due = Every(_CENSUS_PERIOD_SECONDS)
        self._tasks_before = processes.total_tasks()
        self._alive: list[processes.Entry] = []
        self._marker = secrets.token_hex(16)
        order = _order(run, folder, self._scratch, in_bubblewrap)
        order["environment"][MARKER] = self._marker
        self._report, theirs = os.pipe()
        try:
            self._launcher = _launch(order, theirs, self._marker)
        finally:
            os.close(theirs)
        self._note = orphans.note(run.owner, self._launcher.pid, self._marker)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def has_ended(self) -> bool:
        if self._launcher.poll() is None:
            return False
        self._wall_seconds = self._wall_seconds or time.monotonic() - self._began
        return not self._reader.is_alive()

    def broken_limit(self) -> RunEnd | None:
        """Memory and number of processes, by a census: RLIMIT_AS stops torch, RLIMIT_NPROC counts the whole user."""
        if self._census_is_due() or processes.total_tasks() > self._tasks_before + self._limits.pids:
            self._alive = processes.descendants(self._launcher.pid)
            if too_much := excess(self._scratch, _SCRATCH):
                self.lines.note(f"sandbox: temporary files: {too_much}")
                return RunEnd.OUTPUT
        if len(self._alive) > self._limits.pids:
            self.lines.note(f"sandbox: more than {self._limits.pids} processes")
            return RunEnd.FAILED
        memory = sum(processes.anonymous_bytes(each.pid) for each in self._alive)
        return self._out_of_memory() if memory > self._limits.memory_bytes else None

    def kill(self) -> None:
        """Asks the launcher to end all; a launcher that cannot is ended together with everything it started."""
        _close(self._launcher.stdin)
        try:
            self._launcher.wait(_LAUNCHER_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            processes.end_descendants(self._launcher.pid)
            self._launcher.kill()
            self._launcher.wait()
            processes.end(processes.marked(f"{MARKER}={self._marker}"))

    def outcome(self, end: RunEnd | None) -> RunOutcome:
        with open(self._report, "rb", closefd=False) as file:
            facts = json.loads(file.read() or b"{}")
        code = facts.get("exit_code")
        if end is None and code not in (0, None) and facts["peak_bytes"] > self._limits.memory_bytes:
            end = self._out_of_memory()
        if code == 127 and "cannot start" in self.lines.tail():
            raise JobFailed(self.lines.tail().splitlines()[-1])
        end = end or (RunEnd.OK if code == 0 else RunEnd.FAILED)
        cpu_seconds = facts.get("cpu_seconds", 0.0)
        return RunOutcome(end, code, self._wall_seconds, cpu_seconds, self.lines.tail(), self.lines.stdout_sha256)

    def close(self) -> None:
        """Leaves nothing behind, also when the supervisor raised."""
        self.kill()
        self._reader.join(_LAUNCHER_GRACE_SECONDS)
        os.close(self._report)
        self._note.unlink(missing_ok=True)

    def _out_of_memory(self) -> RunEnd:
        self.lines.note(f"sandbox: more than {self._limits.memory_bytes} bytes of memory")
        return RunEnd.MEMORY

    def _read(self) -> None:
        names = {self._launcher.stdout: "stdout", self._launcher.stderr: "stderr"}
        with selectors.DefaultSelector() as selector:
            for pipe in names:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    if chunk := os.read(key.fd, 1 << 16):
                        self.lines.feed(names[key.fileobj], chunk)
                    else:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
        self.lines.finish()


def _order(run: JobRun, folder: Path, scratch: Path, in_bubblewrap: bool) -> dict:
    """What the launcher is told."""
    command = [*_python(), *run.program[1:]] if run.program[0] == "python" else list(run.program)
    if in_bubblewrap:
        environment = environment_of(run, inputs="/inputs", outputs="/outputs", scratch="/tmp")
        command = [*bubblewrap.command(run, package_root=PACKAGE_ROOT), "--", *command]
    else:
        inputs = _linked_inputs(run, folder / "inputs")
        environment = environment_of(run, inputs=str(inputs), outputs=str(run.outputs), scratch=str(scratch))
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(PACKAGE_ROOT)}
    return {
        "command": command,
        "environment": environment,
        "directory": str(scratch),
        "rlimits": _rlimits(run.limits),
    }


def _python() -> list[str]:
    """Like `python -I`, except that PYTHONPATH, which is ours, leads to this package."""
    return [sys.executable, "-s", "-P"]


def _rlimits(limits: Limits) -> dict[str, int]:
    return {
        "RLIMIT_FSIZE": limits.output_bytes,
        "RLIMIT_CPU": math.ceil(limits.wall_seconds * max(1.0, limits.cpus)) + 1,
        "RLIMIT_DATA": limits.memory_bytes + _DATA_SLACK_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": _OPEN_FILES,
    }


def _linked_inputs(run: JobRun, folder: Path) -> Path:
    folder.mkdir()
    for name, path in run.inputs.items():
        (folder / name).symlink_to(path.resolve())
    return folder


def _launch(order: dict, report: int, marker: str) -> subprocess.Popen:
    command = [*_python(), "-m", "swarm.runtime.launcher", json.dumps(order), str(report)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(report,),
        env={"PYTHONPATH": str(PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1", MARKER: marker},
        # Ctrl-C in the worker's terminal must reach the worker alone, which then ends the job in order.
        start_new_session=True,
    )


def _close(pipe) -> None:
    try:
        pipe.close()
    except OSError:
        return
