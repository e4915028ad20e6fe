# SPDX-License-Identifier: Apache-2.0
"""Reads of one block, kept over blocks in which nothing of ours moved.

A daemon looks at the chain every few seconds and mostly finds nothing. One look costs two calls: the latest block, and
the logs of our contracts since the last look. Every transition emits an event, so a view listed here still has the
value that was read before, unless an event says otherwise. The last blocks' logs are read again each time: one that
vanished tells of a reorganisation, one that appears late is not missed, and either drops what it may have changed.

The list is closed: a view whose value depends on the clock does not belong here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from swarm.log import Log

log = Log("swarm.chain")
_OVERLAP_BLOCKS = 32
_LONGEST_WINDOW = 5_000  # blocks; after a longer sleep everything is simply read anew
_KEPT_SECONDS = 3_600  # a bound on what an endpoint that hides logs can do

# What a view depends on: events that name its first argument, events of its own contract, any event of ours, nothing.
_NAMED, _OWN, _ANY, _NOTHING = "named", "own", "any", "nothing"
_DEPENDS = {
    "stateOf": _NAMED,
    "jobCount": _OWN,
    "slotCount": _OWN,
    "seedFor": _OWN,
    "attemptOf": _OWN,
    "slotOf": _ANY,
    "bondOf": _ANY,
    "caseOf": _ANY,
    "judgesOf": _ANY,
    "ballotOf": _ANY,
    "committeeOf": _ANY,
    "isDrawn": _ANY,
    "scoreOf": _ANY,
    "feeFor": _NOTHING,
    "timeOf": _NOTHING,
    "roundOf": _NOTHING,
    "parameters": _NOTHING,
    "fallbackParameters": _NOTHING,
}


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One log of ours: where it lies, which contract it is of, what it names."""

    block: int
    block_hash: bytes
    index: int
    address: str
    names: bytes  # the first indexed argument


@dataclass(frozen=True, slots=True)
class Key:
    """A call: contract, function, arguments, and who asks."""

    address: str
    function: str
    arguments: Hashable
    sender: str | None = None


def key_of(function: Any, sender: str | None) -> Key:
    """Of a contract function with its arguments. Those of structs are lists, which cannot be a key, so as text."""
    given = function.arguments or ()
    arguments = tuple(each if isinstance(each, int | str | bytes) else repr(each) for each in given)
    return Key(function.address, function.fn_name, arguments, sender)


class Snapshot:
    """`latest` reads the latest block, `marks(first, last)` our logs in these blocks, both included."""

    def __init__(
        self, latest: Callable[[], Block], marks: Callable[[int, int], Sequence[Mark]], clock=time.monotonic
    ) -> None:
        self._latest, self._marks, self._clock = latest, marks, clock
        self._values: dict[Key, Any] = {}
        self._recent: frozenset[Mark] = frozenset()
        self._first = 0  # of the blocks that `_recent` covers
        self._emptied_at = 0.0
        self._looking = threading.Lock()
        self.block: Block | None = None
        self.reorganisations = 0

    def look(self) -> Block:
        """Goes on to the latest block and drops what may have changed since the last look."""
        with self._looking:
            block, before = self._latest(), self.block
            is_old = self._clock() - self._emptied_at > _KEPT_SECONDS
            if before is None or is_old or block.number - before.number > _LONGEST_WINDOW:
                self._begin(block)
            elif block != before:
                self._go_on(block, before)
            self.block = block
            return block

    def read(self, key: Key, ask: Callable[[], Any]) -> Any:
        """The value of a view at `block`; asked once as long as nothing moves it."""
        if key.function not in _DEPENDS:
            return ask()
        if key not in self._values:
            self._values[key] = ask()
        return self._values[key]

    def holds(self, key: Key) -> bool:
        return key in self._values

    def _begin(self, block: Block) -> None:
        self._values.clear()
        self._emptied_at = self._clock()
        self._first = max(0, block.number - _OVERLAP_BLOCKS + 1)
        self._recent = frozenset(self._marks(self._first, block.number))

    def _go_on(self, block: Block, before: Block) -> None:
        first = max(0, min(before.number, block.number) - _OVERLAP_BLOCKS + 1)
        found = frozenset(self._marks(first, block.number))
        vanished = {mark for mark in self._recent if mark.block >= first} - found
        fresh = {mark for mark in found if mark.block >= self._first} - self._recent
        if vanished or block.number < before.number:
            self.reorganisations += 1
            self._values.clear()
            log.warning("chain_reorganised", block=block.number, events_gone=len(vanished))
        elif fresh:
            self._values = {key: value for key, value in self._values.items() if not _is_moved(key, fresh)}
        self._recent, self._first = found, first


def _is_moved(key: Key, marks: set[Mark]) -> bool:
    match _DEPENDS[key.function]:
        case "nothing":
            return False
        case "named":
            return any(mark.address == key.address and mark.names == _word(key.arguments) for mark in marks)
        case "own":
            return any(mark.address == key.address for mark in marks)
    return True


def _word(arguments: Any) -> bytes:
    """The first argument as an indexed topic holds it."""
    return int(arguments[0]).to_bytes(32)
