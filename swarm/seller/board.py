# SPDX-License-Identifier: Apache-2.0
"""What a worker knows of itself, in a file of its home: `status`, `why` and the metrics read it, with everything down.

Nothing in it is needed to go on: what must survive is in the journal.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from swarm.seller.control import write_atomically

NAME = "status.json"
_PERIOD_SECONDS = 5.0
_MAX_BYTES = 1 << 20


class Board:
    """Facts by name. They reach the file at once when something `changed`, else every five seconds."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME
        self._guard = threading.Lock()
        self._written = 0.0
        self._facts: dict[str, Any] = {"version": 1, "process": os.getpid(), "started_at": time.time()}

    def set(self, **facts: Any) -> None:
        """Facts that change often."""
        self._put(facts, is_urgent=False)

    def changed(self, **facts: Any) -> None:
        """Facts that somebody waits for."""
        self._put(facts, is_urgent=True)

    def facts(self) -> dict[str, Any]:
        with self._guard:
            return dict(self._facts)

    def _put(self, facts: dict[str, Any], *, is_urgent: bool) -> None:
        with self._guard:
            is_new = any(self._facts.get(name) != value for name, value in facts.items())
            self._facts |= facts
            now = time.monotonic()
            if (is_urgent and is_new) or now >= self._written + _PERIOD_SECONDS:
                self._written = now
                try:
                    write_atomically(self._path, self._facts | {"written_at": time.time()})
                except OSError:
                    # A full disk must not stop the work that is being shown.
                    return


def read(home: Path) -> dict[str, Any]:
    """The facts of the last worker of this home; empty where none ever ran or the file is damaged."""
    try:
        with (home / NAME).open("rb") as file:
            facts = json.loads(file.read(_MAX_BYTES))
        return facts if isinstance(facts, dict) else {}
    except (OSError, ValueError):
        return {}
