# SPDX-License-Identifier: Apache-2.0
"""How many more jobs an account can pay the transactions of: one that is taken must also be submitted."""

from __future__ import annotations

import time
from dataclasses import dataclass

from swarm.chain.network import Chain
from swarm.protocol.types import Address

# docs/gas.json: accept, submit and settle together stay below 400,000; hand-back and a first use of a slot above it.
GAS_PER_JOB = 500_000
GAS_TO_FINISH = 300_000  # submit, or hand back, and settle
_PERIOD_SECONDS = 900  # three calls a reading, of the 600 an hour that a public endpoint may be asked


@dataclass(frozen=True, slots=True)
class Runway:
    """`wei` is the balance, `price` what a unit of gas costs now, doubled because it may rise until it is needed;
    the stake is the seller's, in token units."""

    wei: int
    price: int
    bonded: int = 0
    locked: int = 0

    @property
    def jobs(self) -> int:
        """Whole jobs that can still be taken, run and submitted."""
        return self.wei // max(1, GAS_PER_JOB * self.price)

    def carries(self, unfinished: int) -> bool:
        """Whether one more job can be taken while `unfinished` ones still need their submission."""
        return self.wei >= (GAS_PER_JOB + unfinished * GAS_TO_FINISH) * self.price


class Gauge:
    """Reads the runway every quarter of an hour: balances move with our own transactions. Near its end, every time."""

    def __init__(self, chain: Chain, address: Address, seller: Address | None = None) -> None:
        self._chain, self._address, self._seller = chain, address, seller
        self._read_at = float("-inf")
        self._runway = Runway(0, 1)

    def runway(self) -> Runway:
        """Raises TransientError when the endpoint does not answer."""
        if time.monotonic() >= self._read_at + _PERIOD_SECONDS or self._runway.jobs < 2:
            client = self._chain.client
            stake = self._chain.vault.stake_of(self._seller or self._address)
            balance, price = client.gas_balance(self._address), 2 * client.gas_price()
            self._runway = Runway(balance, price, stake.stake, stake.locked)
            self._read_at = time.monotonic()
        return self._runway
