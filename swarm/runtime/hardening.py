# SPDX-License-Identifier: Apache-2.0
"""What stands between a job and the kernel: our own list of system calls, and a second kernel where the engine has one.

`seccomp.json` lists what Python, numpy and torch need on a processor. Everything else answers EPERM: other sockets than
AF_UNIX, namespaces, mounts, tracing, keys, bpf, io_uring, changes of owner. So does much that Docker's own profile lets
through.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

PROFILE = Path(__file__).with_name("seccomp.json")
# gVisor answers system calls in user space, Kata in a virtual machine: a hole in our kernel is then not enough.
_STRONGER = ("runsc", "kata", "kata-runtime", "io.containerd.kata.v2")
_PROFILED = "x86_64"


def security_options() -> list[str]:
    """What the engine is told of a container's security. The profile knows x86-64; elsewhere Docker's own holds."""
    own = [f"seccomp={_profile()}"] if platform.machine() == _PROFILED else []
    return ["no-new-privileges", *own]


def runtime_of(offered: Collection[str]) -> str | None:
    """The strongest runtime that an engine offers; None for its default."""
    return next((name for name in _STRONGER if name in offered), None)


@lru_cache(maxsize=1)
def _profile() -> str:
    return json.dumps(json.loads(PROFILE.read_text()))
