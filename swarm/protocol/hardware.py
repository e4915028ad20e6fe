# SPDX-License-Identifier: Apache-2.0
"""Hardware classes: which machines can re-execute each other's work bit by bit. Names in specs, numbers on chain."""

from __future__ import annotations

from swarm.errors import UsageError

CLASSES = {"cpu-fp32": 1}


def class_number(name: str) -> int:
    """The number the contracts know a class by. Raises UsageError for an unknown name."""
    if name not in CLASSES:
        raise UsageError(f"unknown hardware class {name!r}", hint=f"one of: {', '.join(CLASSES)}")
    return CLASSES[name]
