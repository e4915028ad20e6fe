# SPDX-License-Identifier: Apache-2.0
"""What a judge has learned from closer looks, in a file of its home: a later look may then need one replay less."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from swarm.disk import partial

KEPT = 16  # of each key
KEYS = 1000


@dataclass(slots=True)
class Memory:
    """Findings by key. A file that cannot be read is forgotten: it only ever saved work."""

    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, key: str) -> list[dict[str, float]]:
        """What is known, the newest last."""
        return self._read().get(key, [])

    def learn(self, key: str, found: Mapping[str, float]) -> None:
        """Adds a finding, unless a number in it is not finite. Of too many the oldest go, keys as findings."""
        if not all(isfinite(value) for value in found.values()):
            return
        with self.lock:
            known = self._read()
            known[key] = [*known.pop(key, []), dict(found)][-KEPT:]
            self._write(dict(list(known.items())[-KEYS:]))

    def _read(self) -> dict[str, list[dict[str, float]]]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, known: dict[str, list[dict[str, float]]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = partial(self.path)
        try:
            fresh.write_text(json.dumps(known))
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
