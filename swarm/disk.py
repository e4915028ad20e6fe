# SPDX-License-Identifier: Apache-2.0
"""The disk a daemon lives on: files being written are named after their process, and a full disk is waited for."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from pathlib import Path

from swarm.errors import TransientError

_PARTIAL = re.compile(r"\..*\.(\d{1,10})-[0-9a-f]{16}\.part")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_DATABASE = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN")


class DiskFull(TransientError):
    """Nothing can be written until somebody makes space; what is there stays."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"the disk of {path} is full", hint="free some space; nothing is lost meanwhile")


def partial(target: Path) -> Path:
    """Where to write what is renamed to `target` once it is whole."""
    return target.with_name(f".{target.name[:100]}.{os.getpid()}-{secrets.token_hex(8)}.part")


def sweep(folder: Path) -> None:
    """Removes what processes that are gone were writing in `folder`."""
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _PARTIAL.fullmatch(path.name)
        if found and not _lives(int(found[1])):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if isinstance(error, DiskFull) or getattr(error, "sqlite_errorname", "") in _FULL_DATABASE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
