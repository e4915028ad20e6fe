# SPDX-License-Identifier: Apache-2.0
"""How much of the disk a worker or a judge may use: fetched inputs go when they were not used for longest, never one in
use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from swarm.log import Log

log = Log("swarm.execution")
_CID = re.compile(rb"baf(?:ybei|krei)[a-z2-7]{52}")


class Quota:
    """The cache of a home, and the home as a whole. None means no limit."""

    def __init__(self, home: Path, *, cache_bytes: int | None = None, disk_bytes: int | None = None) -> None:
        self._home, self._cache = home, home / "cache"
        self._cache_bytes, self._disk_bytes = cache_bytes, disk_bytes

    def used(self, cids: Collection[str]) -> None:
        """Marks entries as used now; an entry's own time is its last use."""
        for cid in cids:
            path = self._cache / cid
            if path.exists():
                os.utime(path)

    def trim(self, in_use: Collection[str]) -> int:
        """Removes entries, least recently used first, until both limits hold. Returns the bytes freed."""
        sizes = {path: size_of(path) for path in self._entries()}
        over = self._over(sum(sizes.values()))
        freed = 0
        for path in sorted(sizes, key=lambda path: path.lstat().st_mtime_ns):
            if freed >= over:
                break
            if path.name not in in_use:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                freed += sizes[path]
                log.info("cache_entry_removed", cid=path.name, bytes=sizes[path])
        return freed

    def has_room(self) -> bool:
        """Whether the home is below its limit."""
        return self._disk_bytes is None or size_of(self._home) < self._disk_bytes

    def cache_bytes(self) -> int:
        return size_of(self._cache)

    def _over(self, cached: int) -> int:
        over_cache = cached - self._cache_bytes if self._cache_bytes is not None else 0
        over_disk = size_of(self._home) - self._disk_bytes if self._disk_bytes is not None else 0
        return max(over_cache, over_disk, 0)

    def _entries(self) -> list[Path]:
        # What is being fetched has another name and is not touched.
        entries = self._cache.iterdir() if self._cache.is_dir() else ()
        return [path for path in entries if _CID.fullmatch(path.name.encode())]


def cids_in(text: bytes) -> frozenset[str]:
    """Every CID that stands in a spec, whatever its type: its inputs."""
    return frozenset(found.decode() for found in _CID.findall(text))


def size_of(path: Path) -> int:
    """Bytes of the files below a path, links not followed; what vanishes meanwhile counts nothing."""
    if not path.is_dir() or path.is_symlink():
        try:
            return path.lstat().st_size
        except OSError:
            return 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total
