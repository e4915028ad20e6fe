# SPDX-License-Identifier: Apache-2.0
"""Hands content to pinners and proves that strangers can fetch it, before anybody's money depends on that."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from swarm.errors import SwarmError, TransientError, UsageError
from swarm.log import Log
from swarm.storage.cid import Cid, parse
from swarm.storage.gateway_client import Gateway
from swarm.storage.pinning import PIN_SECONDS, Blocks, Pinner, walk

log = Log(__name__)

# Of a result that lacks a share x of its blocks, a look at n of them misses it with (1 - x)^n: 0.7 % for a quarter.
SAMPLE_BLOCKS = 17
# Once one holder has the content, another one is waited for no longer than this.
SECOND_HOLDER_SECONDS = 30.0
PROOF_SECONDS = 120.0  # a judge has to fetch all of it


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who holds it, and the gateway through which `blocks` of it came back, the root among them; `refused` says why
    others do not hold it."""

    holders: tuple[str, ...]
    through: str
    blocks: int
    refused: tuple[str, ...] = ()


class Delivery:
    """`gateways` prove; those that read straight from a holder count only where no other is named."""

    def __init__(self, blocks: Blocks, pinners: Sequence[Pinner], gateways: Sequence[str]) -> None:
        if not gateways:
            raise UsageError(
                "no gateway is named, so nothing shows that judges can fetch a result",
                hint="set gateways, or name some in the network file",
            )
        self._blocks, self._pinners = blocks, tuple(pinners)
        self._gateways = tuple(Gateway(url) for url in gateways)

    def deliver(self, cid: str, *, seconds: float = PIN_SECONDS) -> Receipt:
        """Pins at every pinner, then fetches the root and a random sample back.

        Raises TransientError, in one line, when no pinner took it or no gateway gave it back.
        """
        holders, refused = self._hand_over(cid, seconds)
        sample = self._sample(parse(cid))
        failures = []
        for gateway in self.proving(holders):
            try:
                self._fetch_back(gateway, sample)
            except SwarmError as error:
                failures.append(error)
                continue
            names = tuple(pinner.name for pinner in holders)
            return Receipt(names, gateway.url, len(sample), tuple(str(error) for error in refused))
        raise TransientError(f"{cid} cannot be fetched from outside: {_told(failures)}")

    def withdraw(self, cid: str) -> None:
        """Takes the wish back everywhere. Raises the first failure after having tried all."""
        failures = []
        for pinner in self._pinners:
            try:
                pinner.unpin(cid)
            except SwarmError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def check(self) -> None:
        """Raises TransientError when no pinner can be reached, or no gateway that would prove."""
        self._any([pinner.check for pinner in self._pinners])
        self._any([gateway.check for gateway in self.proving(self._pinners)])

    def proving(self, holders: Sequence[Pinner]) -> tuple[Gateway, ...]:
        """The gateways that are asked: those of other hosts than the holders', or all where there is no other."""
        near = frozenset().union(*(pinner.hosts for pinner in holders))
        return tuple(each for each in self._gateways if each.host not in near) or self._gateways

    def is_outside(self, receipt: Receipt) -> bool:
        """Whether it came back through somebody else than who holds it."""
        near = frozenset().union(*(pinner.hosts for pinner in self._pinners if pinner.name in receipt.holders))
        return Gateway(receipt.through).host not in near

    @staticmethod
    def _fetch_back(gateway: Gateway, sample: Sequence[Cid]) -> None:
        end = time.monotonic() + PROOF_SECONDS
        for each in sample:
            if time.monotonic() > end:
                raise TransientError(f"{gateway.url} takes longer than {PROOF_SECONDS:.0f} s for {len(sample)} blocks")
            gateway.fetch(each)

    def _hand_over(self, cid: str, seconds: float) -> tuple[tuple[Pinner, ...], list[SwarmError]]:
        holders, failures, end = [], [], time.monotonic() + seconds
        for pinner in self._pinners:
            left = max(end - time.monotonic(), 1.0)
            try:
                pinner.pin(cid, seconds=min(left, SECOND_HOLDER_SECONDS) if holders else left)
                holders.append(pinner)
            except SwarmError as error:
                log.warning("not_pinned", cid=cid, at=pinner.name, reason=str(error))
                failures.append(error)
        if self._pinners and not holders:
            raise TransientError(f"nobody holds {cid} for us: {_told(failures)}")
        return tuple(holders), failures

    def _sample(self, root: Cid) -> list[Cid]:
        others = list(walk(self._blocks, root))[1:]
        return [root, *random.SystemRandom().sample(others, min(len(others), SAMPLE_BLOCKS - 1))]

    @staticmethod
    def _any(checks: Sequence) -> None:
        failures = []
        for check in checks:
            try:
                return check()
            except SwarmError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def _told(failures: Sequence[SwarmError]) -> str:
    return "; ".join(dict.fromkeys(str(failure) for failure in failures))[:400]
