# SPDX-License-Identifier: Apache-2.0
"""Beacon: one verified drand round per epoch, and what judges do where it is missing."""

from __future__ import annotations

from eth_account.signers.local import LocalAccount

from swarm.chain.client import ChainClient
from swarm.protocol.fallback import Attempt, FallbackParameters, secret_commitment
from swarm.protocol.types import ZERO_DIGEST, Address, Digest, Epoch, SlotId


class Beacon:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._functions = client.contract("Beacon", address).functions

    def epoch_at(self, time: int) -> Epoch:
        return Epoch(self._client.call(self._functions.epochAt(time)))

    def round_of(self, epoch: Epoch) -> int:
        return self._client.call(self._functions.roundOf(epoch))

    def time_of(self, epoch: Epoch) -> int:
        """When the round of `epoch` is published, in chain time."""
        return self._client.call(self._functions.timeOf(epoch))

    def seed_of(self, epoch: Epoch) -> Digest | None:
        """The seed that decides `epoch`, the beacon's or the fallback's; None while neither is known."""
        return self.seed_for(epoch)[0]

    def seed_for(self, epoch: Epoch) -> tuple[Digest | None, bool]:
        """The seed that decides `epoch`, and whether judges made it because the beacon was silent."""
        seed, is_fallback = self._client.call(self._functions.seedFor(epoch))
        return (None if seed == ZERO_DIGEST else Digest(seed)), is_fallback

    def message_point(self, round_: int) -> tuple[int, int]:
        """The curve point a signer multiplies; used by the devnet's signer only."""
        x, y = self._client.call(self._functions.messagePoint(round_))
        return x, y

    def submit(self, account: LocalAccount, epoch: Epoch, signature: tuple[int, int]) -> dict:
        """Brings a round's signature; the contract verifies it. Raises InvalidSignature, SeedAlreadyKnown, TooEarly."""
        return self._client.send(self._functions.submit(epoch, list(signature)), account, is_contested=True)

    # where the round is missing

    def fallback_parameters(self) -> FallbackParameters:
        return FallbackParameters(*self._client.call(self._functions.fallbackParameters()))

    def attempt_of(self, epoch: Epoch) -> Attempt:
        """How far judges are with a seed of their own for `epoch`."""
        *numbers, block_hash, mix = self._client.call(self._functions.attemptOf(epoch))
        return Attempt(*numbers, block_hash=Digest(block_hash), mix=Digest(mix))

    def commit_secret(self, account: LocalAccount, epoch: Epoch, slot_id: SlotId, secret: Digest) -> dict:
        """Commits the slot to `secret`. Raises TooSoon, TooLateNow, FallbackSeedKnown, AlreadyCommitted."""
        commitment = secret_commitment(epoch, slot_id, secret)
        return self._client.send(self._functions.commitSecret(epoch, slot_id, commitment), account)

    def fix_block(self, account: LocalAccount, epoch: Epoch) -> dict:
        """Fixes the block whose hash is mixed in. Raises TooSoon, NothingCommitted, BlockAlreadyFixed."""
        return self._client.send(self._functions.fixBlock(epoch), account)

    def keep_block_hash(self, account: LocalAccount, epoch: Epoch) -> dict:
        """Keeps the hash of the fixed block. Raises BlockNotKnown, BlockAlreadyFixed."""
        return self._client.send(self._functions.keepBlockHash(epoch), account)

    def reveal_secret(self, account: LocalAccount, epoch: Epoch, slot_id: SlotId, secret: Digest) -> dict:
        """Raises WrongSecret (also for one that is revealed), BlockNotKnown, TooLateNow, FallbackSeedKnown."""
        return self._client.send(self._functions.revealSecret(epoch, slot_id, secret), account)

    def close_fallback(self, account: LocalAccount, epoch: Epoch) -> dict:
        """Stores the seed, or begins anew where nobody revealed. Raises TooSoon, FallbackSeedKnown."""
        return self._client.send(self._functions.closeFallback(epoch), account)
