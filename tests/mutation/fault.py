# SPDX-License-Identifier: Apache-2.0
"""What a fault is: a mistake somebody could make, not a misprint; a guard forgotten, the wrong account or clock."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "authority": "somebody may do what only another may",
    "guard": "a condition is not asked",
    "state": "what happened is not written down",
    "amount": "the wrong amount",
    "payee": "the right amount to or from the wrong account",
    "clock": "too early, too late, or the wrong clock",
    "reentry": "entered twice",
    "chance": "a draw or a seed can be chosen, moved or foreseen",
    "binding": "a hash or a proof does not bind what it should",
}


@dataclass(frozen=True)
class Fault:
    """`old` stands exactly once in `file` and becomes `new`; `tests` are the Brownie files to ask; none: all."""

    name: str
    kind: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def faults_of(prefix: str, file: str, *rows: tuple[str, str, str, str, str]) -> tuple[Fault, ...]:
    """The faults of one source file. A row: name, kind, old, new, and the Brownie files by their middle names."""
    return tuple(
        Fault(f"{prefix}: {name}", kind, file, old, new, tuple(f"test_{test}.py" for test in tests.split()))
        for name, kind, old, new, tests in rows
    )
