# SPDX-License-Identifier: Apache-2.0
"""The default store: blocks in a directory of one's own, read on from gateways, pushed to a pinning node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarm.errors import IntegrityError, NotFound, UsageError
from swarm.storage import reader
from swarm.storage.cid import RAW, Cid, cid_of_block, parse
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_client import Gateways
from swarm.storage.importer import CHUNK_BYTES, import_path
from swarm.storage.node_pinner import NodePinner
from swarm.storage.port import ExportLimits


class EmbeddedStore:
    """A Store in `directory`. What is missing there is fetched from `gateways`; what is added goes to `push_to` too."""

    def __init__(
        self,
        directory: Path,
        gateways: Sequence[str] = (),
        push_to: str | None = None,
        *,
        push_token: str | None = None,
    ) -> None:
        self._blocks = FlatFs(Path(directory))
        self._gateways = Gateways(gateways)
        self._node = NodePinner(self._blocks, push_to, token=push_token) if push_to else None

    def add(self, path: Path) -> str:
        root = None
        for block in import_path(Path(path)):
            self._blocks.put(block.cid, block.data)
            root = block.cid
        assert root is not None
        return self._publish(root)

    def add_bytes(self, data: bytes) -> str:
        if len(data) > CHUNK_BYTES:
            raise UsageError(f"{len(data)} bytes do not fit into one block", hint="at most 1 MiB; add a file instead")
        root = cid_of_block(data, RAW)
        self._blocks.put(root, data)
        return self._publish(root)

    def read(self, cid: str, *, limit: int) -> bytes:
        return reader.read_file(self._get, parse(cid), limit)

    def export(self, cid: str, target: Path, *, limits: ExportLimits, keep: bool = True) -> None:
        reader.export(self._get if keep else self._get_passing, parse(cid), Path(target), limits)

    def resolve(self, cid: str, path: str) -> str:
        return str(reader.resolve(self._get, parse(cid), path))

    def has(self, cid: str) -> bool:
        return self._blocks.has(parse(cid))

    def pin(self, cid: str) -> None:
        self._blocks.pin(parse(cid))

    def unpin(self, cid: str) -> None:
        self._blocks.unpin(parse(cid))

    def check(self) -> None:
        self._gateways.check()
        if self._node:
            self._node.check()

    def collect(self) -> int:
        """What was only fetched, or unpinned, more than an hour ago. Returns the bytes freed."""
        return self._blocks.collect()

    def addresses(self) -> list[str]:
        """None: it opens no port."""
        return []

    def dial(self, addresses: Sequence[str]) -> None:
        """Nobody: it speaks HTTP only."""

    @property
    def blocks(self) -> FlatFs:
        """The blocks that are here, for somebody who hands them on."""
        return self._blocks

    def push(self, cid: str) -> None:
        """Uploads what the pinning node lacks of a DAG that is complete here. Without a node nothing happens."""
        if self._node:
            self._node.pin(cid)

    def _publish(self, root: Cid) -> str:
        self._blocks.pin(root)
        self.push(str(root))
        return str(root)

    def _get(self, cid: Cid) -> bytes:
        return self._find(cid, keep=True)

    def _get_passing(self, cid: Cid) -> bytes:
        return self._find(cid, keep=False)

    def _find(self, cid: Cid, *, keep: bool) -> bytes:
        try:
            return self._blocks.get(cid)
        except (NotFound, IntegrityError):
            # A damaged copy is replaced by a fetched one.
            if not self._gateways:
                raise
        block = self._gateways.fetch(cid)
        if keep:
            self._blocks.put(cid, block)
        return block
