# SPDX-License-Identifier: Apache-2.0
"""What a judge's slots have earned and nobody has collected yet, read once an hour: it is no hurry."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from swarm.chain.network import Chain
from swarm.protocol.types import Amount, SlotId

_PERIOD_SECONDS = 3600


class Fees:
    """Amounts below `least` are left where they are: a transfer costs gas. None collects nothing."""

    def __init__(self, chain: Chain, least: Amount | None) -> None:
        self._chain, self._least = chain, least
        self._read_at: int | None = None
        self._due: dict[SlotId, Amount] = {}

    def due(self, now: int, slots: Collection[SlotId]) -> Mapping[SlotId, Amount]:
        """What is worth collecting at chain time `now`. Raises TransientError."""
        if self._least is None:
            return {}
        if self._read_at is None or now >= self._read_at + _PERIOD_SECONDS:
            earned = {slot_id: self._chain.bench.bond(slot_id).earned for slot_id in sorted(slots)}
            self._due = {slot_id: amount for slot_id, amount in earned.items() if amount >= self._least}
            self._read_at = now
        return dict(self._due)

    def collected(self, slot_id: SlotId) -> None:
        """It was paid, by whomever."""
        self._due.pop(slot_id, None)
