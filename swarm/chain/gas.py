# SPDX-License-Identifier: Apache-2.0
"""How much gas a call needs, and by that whether it would succeed, on which state of the chain."""

from __future__ import annotations

import enum
import time
from typing import Any

from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from swarm.chain.faults import revert_data
from swarm.chain.snapshot import Key, key_of

_PENDING_HEEDED_SECONDS, _HEEDED_KEPT = 60, 1_000


class State(enum.Enum):
    """What a call that is to be sent must succeed on."""

    LATEST = enum.auto()
    PENDING = enum.auto()  # with what waits to be mined
    CONTESTED = enum.auto()  # the same, unless that waits too long


class Estimates:
    """The estimates of one process."""

    def __init__(self) -> None:
        self._heeded_until: dict[Key, float] = {}  # by call: how long what waits to be mined still counts

    def of(self, function: Any, sender: str, state: State) -> int:
        """Raises what web3 does: ContractCustomError and the like where the call would fail."""
        if state is State.PENDING:
            return function.estimate_gas({"from": sender}, "pending")
        if state is State.CONTESTED and (gas := self._contested(function, sender)):
            return gas
        return function.estimate_gas({"from": sender})

    def _contested(self, function: Any, sender: str) -> int | None:
        """None where what waits to be mined does not count, or is not known."""
        key, now = key_of(function, sender), time.monotonic()
        # Not for ever: a transaction that is never mined must not hold up everybody else's.
        if now >= self._heeded_until.get(key, now + _PENDING_HEEDED_SECONDS):
            return None
        try:
            return function.estimate_gas({"from": sender}, "pending")
        except Web3RPCError as error:
            if revert_data(error):
                raise
            return None  # an endpoint without a block to come: the latest one says what there is to say
        except (ContractCustomError, ContractLogicError):
            while len(self._heeded_until) >= _HEEDED_KEPT:
                del self._heeded_until[next(iter(self._heeded_until))]
            self._heeded_until.setdefault(key, now + _PENDING_HEEDED_SECONDS)
            raise
