# SPDX-License-Identifier: Apache-2.0
"""Another swarm node as Pinner: what it lacks of a DAG goes there as one CAR, over a connection that we open."""

from __future__ import annotations

from collections.abc import Iterator

from swarm.storage.car import header, section, section_prefix
from swarm.storage.cid import DAG_PB, Cid, parse
from swarm.storage.dagpb import decode
from swarm.storage.gateway_client import Gateway
from swarm.storage.pinning import PIN_SECONDS, Blocks


class NodePinner:
    """Pushes what `blocks` holds to the node at `url`, whose gateway serves it."""

    def __init__(self, blocks: Blocks, url: str, *, token: str | None = None) -> None:
        self._blocks, self._node = blocks, Gateway(url, token=token)
        self.name = self._node.url

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset({self._node.host})

    def pin(self, cid: str, *, seconds: float = PIN_SECONDS) -> None:
        """A large upload may take longer, as long as the line is not slower than any that works."""
        root = parse(cid)
        wanted = list(self._lacking(root))
        sizes = [(each, self._blocks.size(each)) for each in wanted]
        length = len(header([root])) + sum(len(section_prefix(each, size)) + size for each, size in sizes)
        self._node.push(root, self._car(root, wanted), length, seconds=seconds)

    def unpin(self, cid: str) -> None:
        """A node decides itself how long it keeps what was uploaded."""
        parse(cid)

    def check(self) -> None:
        self._node.check()

    def _lacking(self, root: Cid) -> Iterator[Cid]:
        """The root always: its upload is what renews the pin. Subtrees the node has are skipped, leaves of others are
        not asked about one by one."""
        seen, pending = {root}, [root]
        while pending:
            cid = pending.pop()
            is_asked = cid.codec == DAG_PB
            if is_asked and self._node.has_all(cid):
                if cid == root:
                    yield cid
                continue
            children = decode(self._blocks.get(cid)).links if is_asked else ()
            pending.extend({link.cid: None for link in reversed(children) if link.cid not in seen})
            seen.update(link.cid for link in children)
            yield cid

    def _car(self, root: Cid, cids: list[Cid]) -> Iterator[bytes]:
        yield header([root])
        for cid in cids:
            yield section(cid, self._blocks.get(cid))
