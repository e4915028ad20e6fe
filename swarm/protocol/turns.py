# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is where several may do the same and only the first is not in vain: slotted back-off as in CSMA/CD
(IEEE 802.3), between accounts that never talk to each other.

Each account spreads its tries over a window of slots. Its slot for one thing is a hash of the two, so that accounts
choose different slots, and one account different slots for different things. Who finds others in the way widens its
window, who gets through narrows it. Nobody enforces it: who ignores it pays for the races that it loses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from swarm.protocol.types import Address

# A transaction is in a block after one or two seconds; who comes a slot later sees it there.
SLOT_SECONDS = 2
MOST_SLOTS = 128
# Eight and two are in balance where one race is lost, with its gas, for three that are won.
_WIDER_PAID, _WIDER_SEEN, _NARROWER = 8, 2, 2


def mixed(account: Address, thing: str) -> int:
    """A number of 64 bits for an account and a thing: the order in which the account comes to things."""
    return int.from_bytes(hashlib.sha256(f"{account.lower()}-{thing}".encode()).digest()[:8])


@dataclass
class Window:
    """One account's slots, a power of two, at most `most`. Alone it has one and never waits."""

    slots: int = 1
    most: int = MOST_SLOTS

    def wait_seconds(self, account: Address, thing: str, *, rivals: int = 0) -> int:
        """How long the account leaves a thing to others, from when it became possible; `rivals` are known to be free.

        A slot of a window that is doubled falls into two: accounts that met in one may part.
        """
        known = 1 << max(0, rivals - 1).bit_length()
        return mixed(account, thing) % min(MOST_SLOTS, max(self.slots, known)) * SLOT_SECONDS

    def won(self) -> None:
        self.slots = max(1, self.slots // _NARROWER)

    def lost(self, *, is_paid: bool) -> None:
        """Somebody else was first. With `is_paid` that cost the gas of a transaction that failed, else only a look."""
        self.slots = min(self.most, self.slots * (_WIDER_PAID if is_paid else _WIDER_SEEN))
