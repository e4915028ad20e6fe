# SPDX-License-Identifier: Apache-2.0
"""Holds one process sandbox: `python -m swarm.runtime.launcher ORDER REPORT_FD`. Stdlib only: it starts at once.

It starts the job below itself and is the parent that orphans of the job fall to, so that none escapes by forking twice.
It ends all of them when the job has ended, and when its standard input closes: that is when the worker is gone.
ORDER is JSON {"command", "environment", "directory", "rlimits"}; the report is JSON {"exit_code" (negative: a signal),
"cpu_seconds", "peak_bytes" (of the largest process)}, children included.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import threading
import time
from typing import NoReturn

from swarm.runtime.processes import end_descendants

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    order, report = json.loads(sys.argv[1]), int(sys.argv[2])
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become the parent of orphans")
    job = os.fork()
    if job == 0:
        _become(order)
    _let_go_of_the_output()
    worker_is_gone = threading.Event()
    threading.Thread(target=_watch_the_worker, args=(worker_is_gone,), daemon=True).start()
    status = _wait(job, worker_is_gone)
    _end_the_rest()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    os.write(report, json.dumps(facts).encode())


def _become(order: dict) -> NoReturn:
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["directory"])
        for name, value in order["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        os.execvpe(order["command"][0], order["command"], order["environment"])
    except (OSError, ValueError) as error:
        os.write(2, f"cannot start {order['command'][0]}: {error}\n".encode())
    os._exit(127)


def _let_go_of_the_output() -> None:
    """The job's output must end with the job."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _watch_the_worker(is_gone: threading.Event) -> None:
    while os.read(0, 1):
        pass
    is_gone.set()


def _wait(job: int, worker_is_gone: threading.Event) -> int:
    """Reaps whatever ends until the job does; returns the job's status."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == job:
            return status
        if worker_is_gone.is_set():
            end_descendants(os.getpid())
        if pid == 0:
            worker_is_gone.wait(0.02) if not worker_is_gone.is_set() else time.sleep(0.01)


def _end_the_rest() -> None:
    while True:
        end_descendants(os.getpid())
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    main()
