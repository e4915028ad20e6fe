# SPDX-License-Identifier: Apache-2.0
"""What a spec says about its posting: who may accept and until when. An option of the command wins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.buyer.offer import Wishes
    from swarm.workloads.fields import Spec


def with_terms(spec: Spec, wishes: Wishes | None) -> Wishes:
    """The buyer's wishes, completed by the spec's `sellers` and `retry`."""
    from swarm.buyer.offer import Wishes
    from swarm.cli.common import parse_address
    from swarm.protocol.types import ZERO_ADDRESS

    wishes = wishes or Wishes()
    sellers, retry = getattr(spec, "sellers", None), getattr(spec, "retry", None)
    said: dict = {}
    if sellers and sellers.only and wishes.seller == ZERO_ADDRESS:
        said["seller"] = parse_address(sellers.only)
    if sellers and not wishes.min_reputation:
        said["min_reputation"] = sellers.min_reputation_bps
    if retry and wishes.parts == 1:
        said["parts"] = retry.max_attempts
    return replace(wishes, **said)


def open_seconds(spec: Spec) -> int:
    """How long sellers may accept."""
    from swarm.buyer.offer import OPEN_SECONDS

    return getattr(spec, "start_within", None) or OPEN_SECONDS
