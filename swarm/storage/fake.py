# SPDX-License-Identifier: Apache-2.0
"""A Store in memory with the real import, export and CIDs, and a Pinner beside it; for unit tests."""

from __future__ import annotations

from pathlib import Path

from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError
from swarm.storage import reader
from swarm.storage.cid import RAW, Cid, cid_of_block, parse
from swarm.storage.importer import CHUNK_BYTES, import_path
from swarm.storage.pinning import PIN_SECONDS, walk
from swarm.storage.port import ExportLimits


class FakeStore:
    """`blocks` may be changed by a test to play a liar or a loser; `reachable = False` plays an outage."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, bytes] = {}
        self.pins: set[str] = set()
        self.reachable = True

    def add(self, path: Path) -> str:
        self.check()
        root = None
        for block in import_path(Path(path)):
            self.blocks[block.cid] = block.data
            root = block.cid
        self.pins.add(str(root))
        return str(root)

    def add_bytes(self, data: bytes) -> str:
        self.check()
        if len(data) > CHUNK_BYTES:
            raise UsageError(f"{len(data)} bytes do not fit into one block", hint="at most 1 MiB; add a file instead")
        cid = cid_of_block(data, RAW)
        self.blocks[cid] = data
        self.pins.add(str(cid))
        return str(cid)

    def read(self, cid: str, *, limit: int) -> bytes:
        return reader.read_file(self._get, parse(cid), limit)

    def export(self, cid: str, target: Path, *, limits: ExportLimits, keep: bool = True) -> None:
        reader.export(self._get, parse(cid), Path(target), limits)

    def resolve(self, cid: str, path: str) -> str:
        return str(reader.resolve(self._get, parse(cid), path))

    def has(self, cid: str) -> bool:
        return parse(cid) in self.blocks

    def pin(self, cid: str) -> None:
        self.pins.add(str(parse(cid)))

    def unpin(self, cid: str) -> None:
        self.pins.discard(str(parse(cid)))

    def collect(self) -> int:
        """Everything is old here."""
        kept = {cid for root in self.pins if (parsed := parse(root)) in self.blocks for cid in walk(self, parsed)}
        gone = [cid for cid in self.blocks if cid not in kept]
        return sum(len(self.blocks.pop(cid)) for cid in gone)

    def get(self, cid: Cid) -> bytes:
        return self._get(cid)

    def size(self, cid: Cid) -> int:
        return len(self._get(cid))

    def check(self) -> None:
        if not self.reachable:
            raise TransientError("the content store is not reachable")

    def _get(self, cid: Cid) -> bytes:
        self.check()
        if cid not in self.blocks:
            raise NotFound(f"nobody has {cid}")
        if not cid.matches(self.blocks[cid]):
            raise IntegrityError(f"the bytes given for {cid} do not match it")
        return self.blocks[cid]


class FakePinner:
    """Copies pinned DAGs from `source` into a store of its own. `fault`, while set, is what every call raises."""

    def __init__(self, source: FakeStore, name: str = "fake", hosts: frozenset[str] = frozenset()) -> None:
        self.name, self.hosts = name, hosts
        self.held = FakeStore()
        self.fault: SwarmError | None = None
        self._source = source

    def pin(self, cid: str, *, seconds: float = PIN_SECONDS) -> None:
        self.check()
        for each in walk(self._source, parse(cid)):
            self.held.blocks[each] = self._source.get(each)
        self.held.pin(cid)

    def unpin(self, cid: str) -> None:
        self.check()
        self.held.unpin(cid)

    def check(self) -> None:
        if self.fault:
            raise self.fault
