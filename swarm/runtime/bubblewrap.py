# SPDX-License-Identifier: Apache-2.0
"""The bubblewrap command line: own namespaces, the system and this Python read-only, nothing of the user's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from swarm.runtime.port import JobRun

_TMP_BYTES = 64 << 20
# Merged systems have links here, older ones directories.
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# The dynamic loader's cache and library alternatives; processor facts, by which libraries choose their kernels.
_FACTS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/sys/devices/system/cpu")


@lru_cache(maxsize=1)
def works() -> bool:
    """Whether bubblewrap is installed, knows our options and may make namespaces here; tried once."""
    if not shutil.which("bwrap"):
        return False
    probe = [*_walls(), *_seal(), "--", "/bin/sh", "-c", "exit 0"]
    try:
        return subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def command(run: JobRun, *, package_root: Path) -> list[str]:
    """Everything before the program of a run."""
    inputs = [
        word for name, path in run.inputs.items() for word in ("--ro-bind", str(path.resolve()), f"/inputs/{name}")
    ]
    outputs = ["--dir", "/inputs", "--bind", str(run.outputs.resolve()), "/outputs"]
    return [*_walls(), *_devices(run), *_python(package_root), *outputs, *inputs, *_seal(), "--chdir", "/tmp"]


def _devices(run: JobRun) -> list[str]:
    """The driver's devices for a run with a GPU; which card it may use is told in its environment."""
    found = sorted(str(path) for path in Path("/dev").glob("nvidia*") if path.is_char_device()) if run.gpu else []
    return [word for path in found for word in ("--dev-bind", path, path)]


def _walls() -> list[str]:
    size = str(_TMP_BYTES)
    walls = ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    walls += ["--uid", "65534", "--gid", "65534", "--hostname", "job"]
    walls += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    walls += ["--size", size, "--tmpfs", "/tmp", "--size", size, "--tmpfs", "/dev/shm"]
    for path in _SYSTEM:
        if os.path.islink(path):
            walls += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            walls += ["--ro-bind", path, path]
    return walls + [word for path in _FACTS for word in ("--ro-bind-try", path, path)]


def _seal() -> list[str]:
    # The root and /dev are memory file systems too: left writable, a job could fill the host's memory through them.
    return ["--remount-ro", "/dev", "--remount-ro", "/"]


def _python(package_root: Path) -> list[str]:
    """This interpreter with its packages, and the one package the programs come from, at the paths they have here."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix)}
    folders |= {package_root / "swarm"}
    system = Path("/usr")
    shown = sorted({path for path in folders | {p.resolve() for p in folders} if path not in (system, Path("/"))})
    return [word for path in shown for word in ("--ro-bind", str(path), str(path))]
