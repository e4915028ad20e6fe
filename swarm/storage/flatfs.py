# SPDX-License-Identifier: Apache-2.0
"""Blocks in a directory, in the layout of Kubo's flatfs (next-to-last/2), with pins as empty files beside them.

    blocks/SHARDING              the layout's name
    blocks/<XX>/<KEY>.data       KEY: base32 of the multihash, capitals; XX: its last characters but one
    blocks/.temp/                blocks being written
    pins/<cid>                   roots that garbage collection keeps

Writing is temporary file + rename: several processes share a directory, and a kill leaves no half block. Blocks are
not synced to the disk; a power cut may lose or damage some, which the next read notices since it hashes them.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from swarm.errors import IntegrityError, NotFound, TransientError, UsageError
from swarm.storage.cid import DAG_PB, Cid, parse
from swarm.storage.dagpb import MAX_BLOCK_BYTES, decode

SHARDING = "/repo/flatfs/shard/v1/next-to-last/2\n"
STALE_SECONDS = 3600


class FlatFs:
    """A blockstore. All methods raise UsageError when the directory cannot be used."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._blocks, self._pins = directory / "blocks", directory / "pins"
        self._temp = self._blocks / ".temp"
        try:
            self._temp.mkdir(parents=True, exist_ok=True)
            self._pins.mkdir(exist_ok=True)
            self._check_layout()
            _remove_stale(self._temp)
        except OSError as error:
            raise UsageError(f"cannot use {directory} as content store", hint=error.strerror) from error

    def get(self, cid: Cid) -> bytes:
        """The verified block. Raises NotFound, or IntegrityError when the file was damaged."""
        try:
            with self._path(cid).open("rb") as stream:
                block = stream.read(MAX_BLOCK_BYTES + 1)
        except FileNotFoundError as error:
            raise NotFound(f"no block {cid} in {self.directory}") from error
        except OSError as error:
            raise TransientError(f"cannot read the block {cid}", hint=error.strerror) from error
        if not cid.matches(block):
            raise IntegrityError(f"the block {cid} in {self.directory} is damaged", hint="add or fetch it again")
        return block

    def put(self, cid: Cid, block: bytes) -> bool:
        """Stores a block after checking its hash; replaces a damaged copy. Returns whether anything was written."""
        if len(block) > MAX_BLOCK_BYTES:
            raise IntegrityError(f"a block of {len(block)} bytes exceeds {MAX_BLOCK_BYTES}")
        if not cid.matches(block):
            raise IntegrityError(f"the bytes given for {cid} do not match it")
        path = self._path(cid)
        if _holds(path, block) and _refresh(path):
            return False
        temporary = self._temp / secrets.token_hex(12)
        try:
            temporary.write_bytes(block)
            path.parent.mkdir(exist_ok=True)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise UsageError(f"cannot write to the content store {self.directory}", hint=error.strerror) from error
        return True

    def has(self, cid: Cid) -> bool:
        return self._path(cid).is_file()

    def size(self, cid: Cid) -> int:
        """Length of a stored block in bytes. Raises NotFound."""
        try:
            return self._path(cid).stat().st_size
        except FileNotFoundError as error:
            raise NotFound(f"no block {cid} in {self.directory}") from error

    def walk(self, root: Cid) -> Iterator[Cid]:
        """Every CID of a DAG once, parents first. Raises NotFound at the first missing block."""
        seen, pending = {root}, [root]
        while pending:
            cid = pending.pop()
            if not self.has(cid):
                raise NotFound(f"no block {cid} in {self.directory}")
            yield cid
            if cid.codec == DAG_PB:
                children = [link.cid for link in decode(self.get(cid)).links]
                pending.extend(dict.fromkeys(child for child in reversed(children) if child not in seen))
                seen.update(children)

    def is_complete(self, root: Cid) -> bool:
        """Whether the whole DAG is here; leaves are looked up, not read."""
        try:
            return all(True for _ in self.walk(root))
        except (NotFound, IntegrityError):
            return False

    def pin(self, cid: Cid) -> None:
        try:
            (self._pins / str(cid)).touch()
        except OSError as error:
            raise UsageError(f"cannot write to the content store {self.directory}", hint=error.strerror) from error

    def unpin(self, cid: Cid) -> None:
        (self._pins / str(cid)).unlink(missing_ok=True)

    def pins(self) -> list[Cid]:
        return [parse(path.name) for path in sorted(self._pins.iterdir())]

    def collect(self) -> int:
        """Deletes unpinned blocks older than an hour (younger ones may belong to an import) and returns the bytes."""
        kept = {self._path(cid) for root in self.pins() for cid in self._reachable(root)}
        freed = 0
        for path in self._blocks.glob("??/*.data"):
            if path not in kept and _age(path) > STALE_SECONDS:
                freed += self._remove(path)
        return freed

    def expire(self, seconds: float) -> int:
        """Gives up pins that nobody renewed within `seconds`, then collects. Returns the bytes freed."""
        for path in self._pins.iterdir():
            if _age(path) > seconds:
                path.unlink(missing_ok=True)
        return self.collect()

    def stored_bytes(self) -> int:
        """Length of all blocks together."""
        return sum(path.stat().st_size for path in self._blocks.glob("??/*.data"))

    def _remove(self, path: Path) -> int:
        """Moves it away before its age counts: an import that met it meanwhile has renewed it, or writes it anew."""
        aside = self._temp / secrets.token_hex(12)
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return 0
        if _age(aside) <= STALE_SECONDS:
            os.rename(aside, path)
            return 0
        freed = aside.stat().st_size
        aside.unlink()
        return freed

    def _reachable(self, root: Cid) -> Iterator[Cid]:
        """Like `walk`, but past missing blocks: an incomplete pin still protects what is there."""
        seen, pending = set(), [root]
        while pending:
            cid = pending.pop()
            if cid not in seen and self.has(cid):
                seen.add(cid)
                yield cid
                if cid.codec == DAG_PB:
                    pending.extend(link.cid for link in decode(self.get(cid)).links)

    def _path(self, cid: Cid) -> Path:
        key = base64.b32encode(cid.multihash).decode().rstrip("=")
        return self._blocks / key[-3:-1] / f"{key}.data"

    def _check_layout(self) -> None:
        sharding = self._blocks / "SHARDING"
        if not sharding.exists():
            temporary = self._temp / secrets.token_hex(12)
            temporary.write_text(SHARDING)
            os.replace(temporary, sharding)
        if sharding.read_text() != SHARDING:
            raise UsageError(f"{self._blocks} uses another flatfs layout", hint="next-to-last/2 is supported")


def _holds(path: Path, block: bytes) -> bool:
    try:
        return path.stat().st_size == len(block) and path.read_bytes() == block
    except OSError:
        return False


def _refresh(path: Path) -> bool:
    """Makes a block young, so that a collection spares it until its root is pinned; False where it has just gone."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        pass  # somebody else's directory, read only: nothing is collected there either
    return True


def _age(path: Path) -> float:
    """Seconds since it was written or renewed; 0 where it has gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_stale(directory: Path) -> None:
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process may finish with it right now
            if path.stat().st_mtime < time.time() - STALE_SECONDS:
                path.unlink()
