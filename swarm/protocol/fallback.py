# SPDX-License-Identifier: Apache-2.0
"""The seed that judges make where the beacon is silent: what the contract keeps of it, and a secret's commitment."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.commitment import sha256
from swarm.protocol.types import Digest, Epoch, SlotId


@dataclass(frozen=True, slots=True)
class FallbackParameters:
    """How long the beacon may be silent, and how long judges then commit and reveal, in seconds."""

    patience: int
    commit_seconds: int
    reveal_seconds: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Judges making a seed for an epoch whose round is missing; `ISeedFallback.Attempt`."""

    opened_at: int  # 0 until somebody commits
    number: int  # of earlier attempts, in which nobody revealed
    commitments: int
    reveals: int
    block_number: int  # 0 until it is fixed
    block_hash: Digest  # zero until it is kept
    mix: Digest


def secret_commitment(epoch: Epoch, slot_id: SlotId, secret: Digest) -> Digest:
    """What a slot commits to: H(epoch ‖ slot ‖ secret), the numbers in four bytes each."""
    return sha256(epoch.to_bytes(4), slot_id.to_bytes(4), secret)
