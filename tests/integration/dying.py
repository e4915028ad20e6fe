# SPDX-License-Identifier: Apache-2.0
"""A daemon that is killed at a named step: the shipped command, in a process of its own, with one function made deadly.

The shipped code has no hook for this. The process is forked from a server that has imported everything, so that a life
costs no start-up; it then runs the command as a shell would, with two things replaced: the program that jobs run (it
computes instead of training) and the function at which SIGKILL is to come.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarm.clock import wait_for
from swarm.runtime.port import JobRun, RunEnd, RunOutcome, require_startable
from tests.unit.execution.conftest import program

PERIOD_SECONDS = 0.1
_PRELOADED = (
    "swarm.cli.worker",
    "swarm.seller.worker",
    "verifier.cli",
    "verifier.service",
    "apscheduler.schedulers.blocking",
)


@dataclass(frozen=True, slots=True)
class Death:
    """SIGKILL at the `nth` call of `at` (module:name or module:Class.name).

    before   instead of the call
    after    when it has returned
    sent     for one that sends a transaction: when an endpoint has taken it, on a chain that does not mine any more
    """

    at: str
    when: str = "before"
    nth: int = 1

    def __str__(self) -> str:
        place = self.at.rpartition(":")[2] + (f"#{self.nth}" if self.nth > 1 else "")
        return f"{self.when}-{place}"


@dataclass(frozen=True, slots=True)
class Play:
    """What the program does besides its segments: stay after one until it is told to stop, or fail."""

    holds_after: int | None = None
    holds_until: Path | None = None  # after the first segment, until this file is there
    fails: bool = False
    is_real: bool = False  # the sandbox is the real one, and so is the program
    clock_seconds: float = 0.0  # by how much this daemon's clock is wrong
    patches: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class PlayedRunner:
    """Runs the honest program of the unit tests in this process and writes down every segment that was computed."""

    name, isolates_strangers = "played", True

    def __init__(self, play: Play, diary: Path) -> None:
        self._play, self._diary = play, diary

    def check(self) -> None:
        """It can always run."""

    def accepts(self, engine: str) -> bool:
        return True

    def passes_gpus(self) -> bool:
        return False

    def reap(self, owner: str) -> None:
        """Nothing of it outlives the process."""

    def run(
        self, run: JobRun, *, on_progress: Callable[[dict], None] | None = None, stop: threading.Event | None = None
    ) -> RunOutcome:
        require_startable(run)

        def tell(fact: dict) -> None:
            with self._diary.open("a") as diary:
                diary.write(f"{fact['segment']}\n")
            (on_progress or (lambda fact: None))(fact)
            while fact["segment"] == 0 and self._play.holds_until and not self._play.holds_until.exists():
                time.sleep(0.02)
            if fact["segment"] == self._play.holds_after:
                while stop is None or not stop.wait(0.02):
                    pass
                raise InterruptedError

        if self._play.fails:
            return RunOutcome(RunEnd.FAILED, 1, 0.1, 0.1, "diverged")
        try:
            program(run, tell)
        except InterruptedError:
            return RunOutcome(RunEnd.STOPPED, None, 0.1, 0.1, "")
        return RunOutcome(RunEnd.OK, 0, 0.1, 0.1, "")


class Life:
    """One life of a daemon."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, *, death, play) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        given = (arguments, dict(environment), str(log), death, play)
        self._process = context.Process(target=live, args=given, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return not self._process.is_alive()

    def wait_killed(self, seconds: float = 30) -> None:
        """Until its death comes."""
        self._process.join(seconds)
        assert self._process.exitcode == -signal.SIGKILL, f"it did not die there: {self._process.exitcode}"

    def end(self, seconds: float = 30) -> int | None:
        """As `systemctl stop`, once it runs; returns the exit code."""
        wait_for(self._listens, timeout_seconds=seconds, what="its start", period_seconds=0.02)
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.join(seconds)
        return self._process.exitcode

    def _listens(self) -> bool:
        """Whether it ends in order when it is told to: SIGTERM has a handler."""
        if self.has_ended:
            return True
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "SigCgt" in line)
        return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    def end_of_itself(self, seconds: float = 30) -> int | None:
        """Waits for it; returns the exit code."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def live(arguments: tuple[str, ...], environment: dict[str, str], log: str, death: Death | None, play: Play) -> None:
    """The daemon's process."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(output, number)
    os.environ.update(environment | dict(play.environment))
    _replace_what_runs(play, Path(environment["SWARM_HOME"]).parent / "diary")
    if death:
        arm(death)
    program_name, *rest = arguments
    sys.argv = [program_name, *rest]
    importlib.import_module({"swarm": "swarm.cli.main", "verifier": "verifier.cli"}[program_name]).main()


def _replace_what_runs(play: Play, diary: Path) -> None:
    from swarm import daemon
    from swarm.cli import sandboxes
    from verifier.selftest import Selftest

    daemon._DEVNET_PERIOD_SECONDS = PERIOD_SECONDS
    if not play.is_real:
        sandboxes._runner = lambda wanted, is_devnet: (PlayedRunner(play, diary), "played")
    Selftest.require = lambda self, workspace, fresh=False: None
    if play.clock_seconds:
        real, real_ns = time.time, time.time_ns
        time.time = lambda: real() + play.clock_seconds
        time.time_ns = lambda: real_ns() + int(play.clock_seconds * 1e9)
    for at, value in play.patches.items():
        owner, name = _find(at)
        setattr(owner, name, value)


def arm(death: Death) -> None:
    """Makes one function of this process deadly."""
    owner, name = _find(death.at)
    original, calls = getattr(owner, name), []

    def deadly(*arguments, **options):
        calls.append(None)
        if len(calls) != death.nth:
            return original(*arguments, **options)
        if death.when == "before":
            die()
        if death.when == "sent":
            from swarm.chain.outbox import Outbox

            arguments[0]._client.rpc("evm_setAutomine", False)
            Outbox._mined = die
        result = original(*arguments, **options)
        die()
        return result

    setattr(owner, name, deadly)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _find(at: str) -> tuple[object, str]:
    module, _, path = at.partition(":")
    owner: object = importlib.import_module(module)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    return owner, name


for _module in _PRELOADED:  # in the server that lives are forked from
    importlib.import_module(_module)
