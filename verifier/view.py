# SPDX-License-Identifier: Apache-2.0
"""What a judge sees before it decides: the cases, its own slots, its journal and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from swarm.protocol.types import Address, Amount, Ballot, Bond, Case, Job, JobId, Slot, SlotId
from verifier.fallback import Outage

Key = tuple[JobId, int]  # job and round
Move = tuple[str, Key]  # an action's name and what it was about


@dataclass(frozen=True, slots=True)
class Observed:
    """One live job with its case, as this judge sees it; `ballot` is that of the case's round while it is voting."""

    job: Job
    case: Case
    seed_due: bool  # the round that decides what is pending should be out
    seed_known: bool
    drawn: bool
    ballot: Ballot | None = None
    outage: Outage | None = None  # where judges must make the seed
    # Until then opening or drawing is left to those whom the seed will draw; they see their own `case` or `ballot` as
    # their answer will make it.
    left_until: int = 0
    undrawn: bool = False  # the ballot is shown so
    heard_since: int = 0  # when this judge first saw that all who sealed have revealed, in chain time
    # Where a volunteer is wanted: the fee, and the keys of the parties and of the judges who were late.
    fee: int = 0  # token units
    barred: frozenset[Address] = frozenset()

    @property
    def key(self) -> Key:
        """What a finding is filed under. Rounds run on over all cases of a job."""
        return self.job.job_id, self.case.round

    @property
    def segment(self) -> int:
        """The segment in question, or UNDELIVERED."""
        return self.case.segment

    @property
    def deadline(self) -> int:
        """When the present step ends, in chain time."""
        return self.ballot.deadline if self.ballot else self.case.deadline


@dataclass(frozen=True, slots=True)
class Hand:
    """A slot of this operator and its bond, as they are now."""

    slot: Slot
    bond: Bond


@dataclass(frozen=True, slots=True)
class View:
    """`mine` are this operator's slots; `replayed`, `failed` and `sealed` are found in the journal.

    `postponed` tells when an interrupted replay is tried again, `drawn_in_vain` when this judge last drew a committee
    that stayed incomplete, `refused` which actions failed and in which order. `hands` are given only while a volunteer
    is wanted.
    """

    now: int
    mine: frozenset[SlotId]
    observed: Sequence[Observed]
    replayed: frozenset[Key]
    failed: frozenset[Key]
    sealed: frozenset[Key]
    replaying: Key | None
    reveal_seconds: int = 0
    postponed: Mapping[Key, int] = field(default_factory=dict)
    drawn_in_vain: Mapping[Key, int] = field(default_factory=dict)
    refused: Mapping[Move, int] = field(default_factory=dict)
    hands: Sequence[Hand] = ()
    # When this judge's turn comes for what anyone may do: not all judges send the same transaction at once.
    turn_seconds: Callable[[JobId], int] = lambda job_id: 0
    # Where several seeds are overdue, each judge begins with another one.
    seed_order: Callable[[Observed], int] = lambda item: 0
    uncollected: Mapping[SlotId, Amount] = field(default_factory=dict)  # earned fees that are worth a transfer
    cost_per_second: float = 0.0  # of this machine, token units: what pays less is not volunteered for
