# SPDX-License-Identifier: Apache-2.0
"""What the chain cannot hold, in SQLite (WAL): work in progress, salts, openings. And one lock per key."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import IO

from swarm.errors import UsageError


class Journal:
    """A small table of JSON documents by (kind, key). Every write is durable when the call returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._guard = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry (kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )

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
    """One daemon per role and key on this machine, whatever its home. The system frees it with the process."""

    def __init__(self, role: str, address: str) -> None:
        self._role, self._address = role, address
        self._file: IO | None = None

    def acquire(self) -> KeyLock:
        """Raises UsageError naming the process that holds it."""
        directory = Path(tempfile.gettempdir()) / f"computeswarm-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.is_symlink() or directory.stat().st_uid != os.getuid():
            raise UsageError(f"{directory} does not belong to this user", hint="remove it")
        file = (directory / f"{self._role}-{self._address.lower()}.lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "?"
            file.close()
            message = f"another {self._role} already runs with {self._address} (process {holder})"
            raise UsageError(message, hint="stop it first, or use another account") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return self

    def release(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
