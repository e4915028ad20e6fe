# SPDX-License-Identifier: Apache-2.0
"""The port Pinner: somebody reachable who holds content for a machine that nobody can reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from swarm.storage.cid import DAG_PB, Cid
from swarm.storage.dagpb import decode

PIN_SECONDS = 600.0  # how long a holder may take to have a whole result, unless the caller has less time


class Pinner(Protocol):
    """Errors of every method: TransientError (try again), UsageError (refused: token, quota, money), IntegrityError
    (it answered what cannot be)."""

    name: str

    @property
    def hosts(self) -> frozenset[str]:
        """host:port of gateways that read straight from this holder; asking them proves the least."""

    def pin(self, cid: str, *, seconds: float = PIN_SECONDS) -> None:
        """Returns once the holder says that it has the whole DAG; safe to repeat. Gives up after about `seconds`."""

    def unpin(self, cid: str) -> None:
        """Takes the wish back; content it never held is no error."""

    def check(self) -> None:
        """Raises when it cannot be reached or will not serve us."""


class Blocks(Protocol):
    """Where the blocks of our own content are read."""

    def get(self, cid: Cid) -> bytes:
        """The verified block. Raises NotFound, TransientError, IntegrityError."""

    def size(self, cid: Cid) -> int:
        """Its length in bytes. Raises NotFound, TransientError."""


def walk(blocks: Blocks, root: Cid) -> Iterator[Cid]:
    """Every CID of a DAG once, parents first; leaves are named, not read."""
    seen, pending = {root}, [root]
    while pending:
        cid = pending.pop()
        yield cid
        if cid.codec == DAG_PB:
            children = dict.fromkeys(link.cid for link in decode(blocks.get(cid)).links)
            pending.extend(child for child in reversed(children) if child not in seen)
            seen.update(children)
