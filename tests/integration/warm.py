# SPDX-License-Identifier: Apache-2.0
"""Runs programs in forks of a process that has imported their libraries: a start takes no seconds.

    jobs       torch, transformers, peft: a job program (swarm.jobs)
    commands   web3 and what the command line needs: `swarm …` and `verifier …`

Each run is a process of its own with its own environment, as in a sandbox or a terminal. What libraries read while they
are imported (threads, instruction set) has a warm process for each value.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_READ_AT_IMPORT = ("OMP_NUM_THREADS", "SWARM_INSTRUCTION_SET")
_idle: dict[tuple, list[subprocess.Popen]] = defaultdict(list)
_lock = threading.Lock()


def run_program(module: str, told: Mapping[str, str]) -> subprocess.CompletedProcess:
    """As `python -m MODULE` with `told` in its environment: exit code and output, as text."""
    return _run("jobs", module, (), os.environ | told, timeout=None)


def run_command(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float
) -> subprocess.CompletedProcess:
    """As `python -m MODULE ARGUMENT …`: exit code and output, as text. Raises TimeoutExpired, having killed it."""
    return _run("commands", module, arguments, environment, timeout=timeout)


def _run(
    kind: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float | None
) -> subprocess.CompletedProcess:
    command = [module, *arguments]
    with tempfile.TemporaryDirectory(prefix="warm-") as folder, _warm(kind, environment) as process:
        streams = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        order = {"command": command, "environment": dict(environment), "streams": streams, "folder": os.getcwd()}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        pid = int(process.stdout.readline())
        is_late = not select.select([process.stdout], [], [], timeout)[0]
        if is_late:
            os.kill(pid, signal.SIGKILL)
        code = int(process.stdout.readline())
        said = [Path(stream).read_text("utf-8") for stream in streams]
    if is_late:
        raise subprocess.TimeoutExpired(command, timeout, *said)
    return subprocess.CompletedProcess(command, code, *said)


@contextmanager
def _warm(kind: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A warm process that nobody else talks to."""
    key = (kind, *(environment.get(name) for name in _READ_AT_IMPORT))
    with _lock:
        process = _idle[key].pop() if _idle[key] else None
    if process is None:
        command = [sys.executable, "-m", "tests.integration.warm", kind]
        # Unbuffered: select sees what has come, and nothing but that.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        process = subprocess.Popen(command, env=dict(environment), **pipes)
        atexit.register(process.stdin.close)  # its loop ends
    yield process
    with _lock:
        _idle[key].append(process)


def _serve(kind: str) -> None:
    if kind == "jobs":
        _import_for_jobs()
    else:
        _import_for_commands()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _play(json.loads(line))
        print(pid, file=answers, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)


def _import_for_jobs() -> None:
    import swarm.jobs.program  # noqa: F401, I001  (first: it says what torch reads)

    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    del sys.modules["swarm.jobs.program"]  # where inputs and outputs are is read anew in each run


def _import_for_commands() -> None:
    import swarm.buyer.prepare
    import swarm.chain.network
    import swarm.cli.common  # noqa: F401


def _play(order: dict) -> None:
    """The forked process becomes the program; it never returns."""
    for number, path in enumerate([os.devnull, *order["streams"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["command"]
    code: object = 1
    try:
        runpy.run_module(order["command"][0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(sys.argv[1])
