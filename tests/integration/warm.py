# SPDX-License-Identifier: Apache-2.0
"""Runs job programs in forks of a process that has imported torch, transformers and peft: a start takes no seconds.

Each run is a process of its own with its own environment, as in a sandbox. What libraries read while they are imported
(threads, instruction set) has a warm process for each value.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

_READ_AT_IMPORT = ("OMP_NUM_THREADS", "SWARM_INSTRUCTION_SET")
_warm: dict[tuple, subprocess.Popen] = {}


def run_program(module: str, told: Mapping[str, str]) -> subprocess.CompletedProcess:
    """As `python -m MODULE` with `told` in its environment: exit code and output, as text."""
    environment = os.environ | told
    process = _warm_process(environment)
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        streams = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        process.stdin.write(json.dumps({"module": module, "environment": environment, "streams": streams}) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess([module], code, *(Path(stream).read_text("utf-8") for stream in streams))


def _warm_process(environment: dict[str, str]) -> subprocess.Popen:
    key = tuple(environment.get(name) for name in _READ_AT_IMPORT)
    if key not in _warm:
        command = [sys.executable, "-m", "tests.integration.warm"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        _warm[key] = subprocess.Popen(command, env=environment, text=True, **pipes)
        atexit.register(_warm[key].stdin.close)  # its loop ends
    return _warm[key]


def _serve() -> None:
    import swarm.jobs.program  # noqa: F401, I001  (first: it says what torch reads)

    import peft  # noqa: F401
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401

    del sys.modules["swarm.jobs.program"]  # where inputs and outputs are is read anew in each run
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _play(order)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)


def _play(order: dict) -> None:
    """The forked process becomes the program; it never returns."""
    for number, path in enumerate([os.devnull, *order["streams"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [order["module"]]
    code: object = 1
    try:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
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
    _serve()
