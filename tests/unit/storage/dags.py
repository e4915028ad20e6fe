# SPDX-License-Identifier: Apache-2.0
"""Hand-made DAGs: what an honest importer never writes, for the tests of the reader."""

from __future__ import annotations

from swarm.storage.cid import DAG_PB, RAW, Cid, cid_of_block
from swarm.storage.dagpb import Kind, Link, UnixFs, encode
from swarm.storage.fake import FakeStore


class Forge:
    """Puts blocks into a FakeStore and says what they are called."""

    def __init__(self) -> None:
        self.store = FakeStore()

    def raw(self, data: bytes) -> Cid:
        return self._put(data, RAW)

    def block(self, data: bytes) -> Cid:
        return self._put(data, DAG_PB)

    def node(self, node: UnixFs) -> Cid:
        return self._put(encode(node), DAG_PB)

    def directory(self, *entries: tuple[bytes, Cid, int]) -> Cid:
        return self.node(UnixFs(Kind.DIRECTORY, tuple(Link(cid, name, tsize) for name, cid, tsize in entries)))

    def file(self, *parts: tuple[Cid, int], size: int | None = None) -> Cid:
        """parts: (child, the length claimed for it)."""
        links = tuple(Link(cid, b"", length) for cid, length in parts)
        sizes = tuple(length for _, length in parts)
        return self.node(UnixFs(Kind.FILE, links, file_size=sum(sizes) if size is None else size, block_sizes=sizes))

    def _put(self, data: bytes, codec: int) -> Cid:
        cid = cid_of_block(data, codec)
        self.store.blocks[cid] = data
        return cid
