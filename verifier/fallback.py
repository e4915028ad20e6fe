# SPDX-License-Identifier: Apache-2.0
"""Where the beacon stays silent judges make the seed: each commits a secret, a coming block is fixed, all reveal.

`next_step` is pure; `Fallback` reads what it decides on and acts. Secrets are in the journal before they are committed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol.fallback import Attempt, FallbackParameters
from swarm.protocol.types import ZERO_DIGEST, Digest, Epoch, SlotId

log = Log("verifier.fallback")
SECRET = "secret"
BLOCKS_KEPT = 256  # whose hashes the chain still knows
_COMMITTED, _DONE = "committed", "done"
# Somebody else was faster, or drand came back, or the state was read a block too early: the next look tells.
_DONE_BY_OTHERS = (
    "TooSoon",
    "TooLateNow",
    "FallbackSeedKnown",
    "NothingCommitted",
    "BlockAlreadyFixed",
    "BlockNotKnown",
)


@dataclass(frozen=True, slots=True)
class Outage:
    """An epoch without a seed whose patience is over. `committed` and `unrevealed` are this judge's slots in the
    present attempt, by its journal; one whose commitment may not have arrived is only in the second."""

    epoch: Epoch
    attempt: Attempt
    windows: FallbackParameters
    block: int  # the chain's latest
    slot: SlotId | None  # this judge's first active one: more secrets of one judge would not add anything
    committed: Collection[SlotId] = ()
    unrevealed: Collection[SlotId] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    slot_id: SlotId


@dataclass(frozen=True, slots=True)
class FixBlock:
    pass


@dataclass(frozen=True, slots=True)
class KeepHash:
    pass


@dataclass(frozen=True, slots=True)
class Reveal:
    slot_id: SlotId


@dataclass(frozen=True, slots=True)
class Close:
    pass


Step = Commit | FixBlock | KeepHash | Reveal | Close


def next_step(outage: Outage, *, now: int, turn: int = 0) -> Step | None:
    """What this judge does now for the seed; None while it can only wait. With what one judge does for all it waits
    `turn` seconds, or a tenth of the time to reveal where that is less."""
    attempt, windows = outage.attempt, outage.windows
    turn = min(turn, windows.reveal_seconds // 10)
    committing_ends = attempt.opened_at + windows.commit_seconds
    revealing_ends = committing_ends + windows.reveal_seconds
    if not attempt.opened_at or now <= committing_ends:
        is_free = outage.slot is not None and outage.slot not in outage.committed
        return Commit(outage.slot) if is_free else None
    if now > revealing_ends:
        return Close() if now > revealing_ends + turn else None
    if attempt.block_hash == ZERO_DIGEST:
        return _block_step(outage) if now > committing_ends + turn else None
    return Reveal(min(outage.unrevealed)) if outage.unrevealed else None


def _block_step(outage: Outage) -> Step | None:
    number = outage.attempt.block_number
    if number == 0 or outage.block > number + BLOCKS_KEPT:
        return FixBlock()
    return KeepHash() if outage.block > number else None


class Fallback:
    """One judge's part in it."""

    def __init__(self, chain: Chain, journal: Journal, account: LocalAccount) -> None:
        self._chain, self._journal, self._account = chain, journal, account
        self._windows: FallbackParameters | None = None

    def outage(self, epoch: Epoch, due: int, now: int, slots: Callable[[], Collection[SlotId]]) -> Outage | None:
        """How far the fallback of an epoch is whose round should have come at `due`; None while drand has time left.

        Nothing is read before patience is over, except once what it is.
        """
        beacon = self._chain.beacon
        if self._windows is None:
            self._windows = beacon.fallback_parameters()
        if now < due + self._windows.patience:
            return None
        attempt = beacon.attempt_of(epoch)
        states = self._states(epoch, attempt.number)
        active = (slot_id for slot_id in sorted(slots()) if self._chain.bench.slot(slot_id).is_active)
        return Outage(
            epoch=epoch,
            attempt=attempt,
            windows=self._windows,
            block=self._chain.client.block_number(),
            slot=next(active, None),
            committed=frozenset(slot_id for slot_id, state in states.items() if state),
            unrevealed=frozenset(slot_id for slot_id, state in states.items() if state != _DONE),
        )

    def act(self, outage: Outage, step: Step) -> None:
        """Sends one step. That somebody was faster is no error. Raises Reverted, TransientError."""
        beacon, account, epoch = self._chain.beacon, self._account, outage.epoch
        try:
            match step:
                case Commit(slot_id):
                    self._commit(outage, slot_id)
                case FixBlock():
                    beacon.fix_block(account, epoch)
                case KeepHash():
                    beacon.keep_block_hash(account, epoch)
                case Reveal(slot_id):
                    self._reveal(outage, slot_id)
                case Close():
                    beacon.close_fallback(account, epoch)
        except Reverted as error:
            if not reverts.is_refusal(error, *_DONE_BY_OTHERS):
                raise
            log.info("seed_step_refused", epoch=epoch, step=type(step).__name__, reason=str(error))
            return
        log.info("seed_step", epoch=epoch, step=type(step).__name__, attempt=outage.attempt.number)

    def _commit(self, outage: Outage, slot_id: SlotId) -> None:
        name = _name(outage.epoch, outage.attempt.number, slot_id)
        entry = self._journal.get(SECRET, name) or {"secret": secrets.token_hex(32)}
        # On disk before it is on chain: a secret that cannot be revealed would be one judge less.
        self._journal.put(SECRET, name, entry)
        self._send(name, _COMMITTED, "AlreadyCommitted", self._chain.beacon.commit_secret, outage.epoch, slot_id)

    def _reveal(self, outage: Outage, slot_id: SlotId) -> None:
        name = _name(outage.epoch, outage.attempt.number, slot_id)
        # The chain forgets a commitment once it is revealed.
        self._send(name, _DONE, "WrongSecret", self._chain.beacon.reveal_secret, outage.epoch, slot_id)

    def _send(self, name: str, state: str, already: str, send: Callable, epoch: Epoch, slot_id: SlotId) -> None:
        """Sends the secret of the entry `name` and notes its new state, also where an earlier call had arrived."""
        entry = self._journal.get(SECRET, name) or {}
        try:
            send(self._account, epoch, slot_id, Digest(bytes.fromhex(entry["secret"])))
        except Reverted as error:
            if not reverts.is_refusal(error, already):
                raise
        self._journal.put(SECRET, name, entry | {"state": state})

    def _states(self, epoch: Epoch, number: int) -> dict[SlotId, str | None]:
        """What is known of this judge's secrets in an attempt, by slot."""
        prefix = _name(epoch, number, "")
        entries = self._journal.items(SECRET)
        mine = ((name.removeprefix(prefix), entry) for name, entry in entries if name.startswith(prefix))
        return {SlotId(int(slot_id)): entry.get("state") for slot_id, entry in mine}


def _name(epoch: Epoch, number: int, slot_id: SlotId | str) -> str:
    """A key of the journal: a slot commits once in every attempt."""
    return f"{epoch}-{number}-{slot_id}"
