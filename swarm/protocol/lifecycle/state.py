# SPDX-License-Identifier: Apache-2.0
"""What all parts of the twin share: refusals, verbs that happen wholly or not at all, rules of the protocol.

A part is one contract. Its attributes are its storage: numbers, and dictionaries of values that never change in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from swarm.protocol.lifecycle.market import Market

# Rules that no deployment chooses. Fees count in F, the price of re-executing one segment once.
WRONG_FEES = 5  # an overruled judge loses them, a challenger bonds them; a late judge loses one
FALSE_WORD_FEES = 10  # a judge whose word for a seller was false
HARMED_BPS = 2_000  # of what is taken, to the side that was harmed
RIGHT_BPS = 3_000  # of what is taken, in equal shares to all who were right
COLLATERAL_FEES = 3  # of judges, that the collateral pays at most
MAX_PARTS = 16
MAX_STRIKES = 3
MAX_CASES = 4  # live assignments of one slot
MIN_OWNERS = 4  # one to be drawn, three for a committee
MAX_PROBES = 64  # positions one draw looks at
MAX_REPLACEMENTS = 5
MAX_CHALLENGERS = 8
LAST_INSTANCE = 3
LEAST_SEATS = 3
SEED_PATIENCE = 7 * 24 * 3_600  # seconds beyond which a committee without a seed is given up
TIME_FACTOR = 3  # judges' machines may be slower than the seller's
MAX_SECONDS = 2**24 - 1


class Refused(Exception):
    """The protocol refuses a call; `name` is the custom error of the contract, or Panic for impossible arithmetic."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def require(condition: bool, name: str) -> None:
    """Raises Refused(name) unless the condition holds."""
    if not condition:
        raise Refused(name)


def less(amount: int, by: int) -> int:
    """`amount − by`. Refused as Panic below zero, as the contracts' unsigned integers are."""
    require(amount >= by, "Panic")
    return amount - by


def window_for(least: int, segment_seconds: int) -> int:
    """Seconds to re-execute a segment in."""
    return max(TIME_FACTOR * segment_seconds, least)


def seats_of(instance: int) -> int:
    """Seats of a committee: 3, 7, 15."""
    return (2 << instance) - 1


class Part:
    """One contract of the market."""

    def __init__(self, market: Market) -> None:
        self.market = market

    def snapshot(self) -> dict[str, Any]:
        """A copy of the storage."""
        return {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in vars(self).items()
            if name != "market"
        }

    def restore(self, storage: dict[str, Any]) -> None:
        """Puts a snapshot back; it must not be used again."""
        vars(self).update(storage)


Verb = TypeVar("Verb", bound=Callable[..., Any])


def verb(method: Verb) -> Verb:
    """A call anybody can make: refused, it leaves every part as it was."""

    @functools.wraps(method)
    def call(self: Part, *arguments: Any, **options: Any) -> Any:
        before = self.market.snapshot()
        try:
            return method(self, *arguments, **options)
        except Refused:
            self.market.restore(before)
            raise

    call.is_verb = True
    return call
