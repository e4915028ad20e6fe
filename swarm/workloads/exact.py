# SPDX-License-Identifier: Apache-2.0
"""Compares a seller's segment with a judge's re-execution byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Comparison:
    """`matched` only if both sides hold the same files with the same bytes; `different` names those that do not."""

    matched: bool
    different: tuple[str, ...]


def compare(theirs: Path, ours: Path) -> Comparison:
    """Compares two directories by content, names and places. Anything but a plain file counts as different."""
    names = sorted({name for folder in (theirs, ours) for name in _names(folder)})
    different = tuple(name for name in names if not _same(theirs / name, ours / name))
    return Comparison(matched=bool(names) and not different, different=different)


def _names(folder: Path) -> list[str]:
    """Places of everything but directories, which are what lies in them; an empty one counts."""
    entries = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir() or not any(path.iterdir()))
    return [str(path.relative_to(folder)) for path in entries]


def _same(left: Path, right: Path) -> bool:
    for path in (left, right):
        if path.is_symlink() or not path.is_file():
            return False
    return left.stat().st_size == right.stat().st_size and _sha256(left) == _sha256(right)


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
