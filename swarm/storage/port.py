# SPDX-License-Identifier: Apache-2.0
"""The content store as roles see it, and the limits under which they accept content of others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What an export may put on the disk. Anything beyond is refused before it is downloaded where the DAG tells.

    max_files counts files and directories below the root (a lone file counts 1). max_depth counts directory levels:
    a lone file is at 0, the entries of the exported directory are at 1.
    """

    max_bytes: int
    max_files: int
    max_depth: int
    max_name_bytes: int = 255


class Store(Protocol):
    """Content named by CID (CIDv1, base32, sha2-256). All reads verify every block against its hash.

    Errors of every method: UsageError (the local path or CID text is wrong), NotFound (nobody has the content),
    TransientError (somebody who may have it cannot be reached), IntegrityError (the bytes do not match the CID, or the
    content breaks the limits or the format; never retried).
    """

    def add(self, path: Path) -> str:
        """Imports a file or directory and returns its CID. Symlinks and special files are refused (UsageError)."""

    def add_bytes(self, data: bytes) -> str:
        """Stores up to 1 MiB as one raw block and returns its CID."""

    def read(self, cid: str, *, limit: int) -> bytes:
        """The content of a file of at most `limit` bytes."""

    def export(self, cid: str, target: Path, *, limits: ExportLimits, keep: bool = True) -> None:
        """Writes a file or directory to `target`, which must not exist; on failure nothing is left there.

        keep=False does not keep a second copy of fetched blocks in the store.
        """

    def resolve(self, cid: str, path: str) -> str:
        """The CID of what `path` (names joined by /) names below the directory `cid`. Raises NoSuchName without it."""

    def has(self, cid: str) -> bool:
        """Whether the block is here already; nobody else is asked."""

    def pin(self, cid: str) -> None:
        """Protects the DAG of `cid` from garbage collection. What was added is pinned."""

    def unpin(self, cid: str) -> None:
        """Gives up the protection; unknown pins are ignored."""

    def collect(self) -> int:
        """Deletes what no pin protects, unless it is younger than an hour. Returns the bytes freed."""

    def check(self) -> None:
        """Raises TransientError when the store, or what it depends on, cannot be reached."""
