# SPDX-License-Identifier: Apache-2.0
"""A GPU is lent to one job at a time, and comes back empty: its memory is read before and after."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from swarm.errors import TransientError
from swarm.log import Log
from swarm.runtime import gpus

# What a desktop and the driver itself hold; more than that belongs to somebody at work.
FOREIGN_BYTES = 500 << 20
# The driver frees the memory of a killed process some moments after its end.
FREE_SECONDS, _LOOK_SECONDS = 10.0, 0.2
_SLACK_BYTES = 32 << 20

log = Log("swarm.runtime")


@contextmanager
def lent(uuid: str | None) -> Iterator[None]:
    """Around a job on a GPU; None lends nothing.

    Raises TransientError while another job of this machine has it, or while somebody else works on it: then its memory
    could neither be counted on nor be proven free afterwards. A job whose memory stays in use keeps its result; none
    other begins while a process holds it.
    """
    if uuid is None:
        yield
        return
    lock = FileLock(_path(uuid), mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TransientError(f"another job runs on GPU {uuid}") from error
    try:
        before = gpus.usage(uuid)
        require_free(uuid, before)
        try:
            yield
        finally:
            _wait_until_free(uuid, before.used_bytes)
    finally:
        lock.release()


def require_free(uuid: str, found: gpus.Usage) -> None:
    """Raises TransientError when somebody works on the GPU."""
    if found.used_bytes > FOREIGN_BYTES and found.processes:
        who = ", ".join(map(str, found.processes[:5]))
        mib = found.used_bytes >> 20
        raise TransientError(f"GPU {uuid} is at work for process {who}: {mib} MiB in use", hint="end it, or --gpu none")


def _wait_until_free(uuid: str, before: int) -> None:
    begin = time.monotonic()
    while True:
        try:
            found = gpus.usage(uuid)
        except TransientError as error:
            log.warning("gpu_not_proven_free", gpu=uuid, reason=error.message)
            return
        seconds = round(time.monotonic() - begin, 1)
        sizes = {"before_mib": before >> 20, "after_mib": found.used_bytes >> 20, "seconds": seconds}
        if found.used_bytes <= before + _SLACK_BYTES:
            log.info("gpu_freed", gpu=uuid, **sizes)
            return
        if seconds > FREE_SECONDS:
            log.error("gpu_not_freed", gpu=uuid, processes=list(found.processes), **sizes)
            return
        time.sleep(_LOOK_SECONDS)


def _path(uuid: str) -> Path:
    """One for the whole machine, whoever the user is."""
    return Path(tempfile.gettempdir()) / f"computeswarm-{re.sub('[^A-Za-z0-9-]', '', uuid)}.lock"
