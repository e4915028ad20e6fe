# SPDX-License-Identifier: Apache-2.0
"""Runs pieces of work in forked processes, a bounded number at a time."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

from swarm.errors import IntegrityError, JobFailed, SpecError, SwarmError
from swarm.jobs.program import emit

# What a piece of work refuses by rule must end the whole program by the same rule, on every machine.
_BY_RULE: dict[int, type[SwarmError]] = {error.exit_code: error for error in (JobFailed, IntegrityError, SpecError)}


def cores() -> int:
    """How many processors this sandbox was given."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else len(os.sched_getaffinity(0))


def run_forked(numbers: Iterable[int], *, at_once: int, work: Callable[[int], None]) -> None:
    """Calls `work(number)` in a process each. Ends the others and raises when one fails: by rule as its own error
    does, SwarmError when it crashed or was killed."""
    # What is here stays here: the collector would touch, and so copy, every page in each process.
    gc.collect()
    gc.freeze()
    running: dict[int, int] = {}
    try:
        for number in numbers:
            while len(running) >= at_once:
                _reap(running)
            running[_fork(work, number)] = number
        while running:
            _reap(running)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _fork(work: Callable[[int], None], number: int) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(number)
        code = 0
    except SwarmError as error:
        emit("refused", segment=number, message=str(error))
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reap(running: dict[int, int]) -> None:
    pid, status = os.wait()
    number = running.pop(pid, None)
    code = os.waitstatus_to_exitcode(status)
    if number is None or code == 0:
        return
    words = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    raise _BY_RULE.get(code, SwarmError)(f"segment {number} {words}: see the lines above")
