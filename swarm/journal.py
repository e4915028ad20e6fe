# SPDX-License-Identifier: Apache-2.0
"""What the chain cannot hold, in SQLite (WAL): work in progress, salts, openings. And one lock per key."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from swarm.errors import UsageError

_BOUND = "deployment"


class Journal:
    """A small table of JSON documents by (kind, key). Every write is durable when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._guard = path, threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )

    def bind(self, deployment: str) -> Journal:
        """Ties the journal to a deployment, for good. Raises UsageError where it is another's: jobs are numbered from
        one in each, and what was found for one of them would be said of another."""
        bound = self.get(_BOUND, _BOUND)
        if bound is None:
            self.put(_BOUND, _BOUND, {"deployment": deployment})
        elif bound["deployment"] != deployment:
            message = f"{self._path} belongs to another deployment of the contracts"
            raise UsageError(message, hint="give this one a home of its own: --home, SWARM_HOME")
        return self

    def get(self, kind: str, key: str) -> dict | None:
        with self._guard:
            query = "SELECT value FROM entry WHERE kind = ? AND key = ?"
            row = self._database.execute(query, (kind, key)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, value: dict) -> None:
        with self._guard:
            self._database.execute("REPLACE INTO entry VALUES (?, ?, ?)", (kind, key, json.dumps(value)))

    def delete(self, kind: str, key: str) -> None:
        with self._guard:
            self._database.execute("DELETE FROM entry WHERE kind = ? AND key = ?", (kind, key))

    def items(self, kind: str) -> list[tuple[str, dict]]:
        with self._guard:
            rows = self._database.execute("SELECT key, value FROM entry WHERE kind = ? ORDER BY key", (kind,))
            return [(key, json.loads(value)) for key, value in rows]

    def close(self) -> None:
        with self._guard:
            self._database.close()


class KeyLock:
    """One daemon per role and key on this machine, whatever its home; with `directory`, one per role and home there.

    The system frees it with the process.
    """

    def __init__(self, role: str, address: str, *, directory: Path | None = None) -> None:
        self._role, self._address, self._directory = role, address, directory
        self._file: IO | None = None

    def acquire(self) -> KeyLock:
        """Raises UsageError naming the process that holds it."""
        directory = self._made_directory()
        file = self._path(directory).open("a+")
        if not _lock(file):
            holder = _holder(file)
            file.close()
            message = f"another {self._role} already runs with {self._address} (process {holder})"
            raise UsageError(message, hint="stop it first, or use another account")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return self

    def holder(self) -> str | None:
        """The process that holds it, by its number; None when nobody does. Takes nothing."""
        try:
            file = self._path(self._directory or _machine_path()).open("r")
        except OSError:
            return None
        with file:
            return None if _lock(file, shared=True) else _holder(file)

    def release(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _path(self, directory: Path) -> Path:
        return directory / (f"{self._role}.lock" if self._directory else f"{self._role}-{self._address.lower()}.lock")

    def _made_directory(self) -> Path:
        if self._directory:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            return self._directory
        return machine_directory()


def machine_directory() -> Path:
    """What this user's daemons share on this machine, whatever their homes. Raises UsageError where it is another's."""
    directory = _machine_path()
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.getuid():
        raise UsageError(f"{directory} does not belong to this user", hint="remove it")
    return directory


def _machine_path() -> Path:
    return Path(tempfile.gettempdir()) / f"computeswarm-{os.getuid()}"


def _lock(file: IO, *, shared: bool = False) -> bool:
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    # Somebody who only looks holds it for a moment.
    for attempt in range(1 if shared else 3):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.02 * (attempt + 1) if not shared else 0)
    return False


def _holder(file: IO) -> str:
    file.seek(0)
    return file.read().strip() or "?"
