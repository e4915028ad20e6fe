# SPDX-License-Identifier: Apache-2.0
"""What a judge can do, as the plan names it."""

from __future__ import annotations

from dataclasses import dataclass

from swarm.protocol.types import JobId, SlotId
from verifier.fallback import Step
from verifier.view import Move, Observed


@dataclass(frozen=True, slots=True)
class Reveal:
    item: Observed
    seat: int


@dataclass(frozen=True, slots=True)
class Seal:
    item: Observed
    seat: int


@dataclass(frozen=True, slots=True)
class Verdict:
    item: Observed


@dataclass(frozen=True, slots=True)
class Replay:
    item: Observed


@dataclass(frozen=True, slots=True)
class BringSeed:
    item: Observed


@dataclass(frozen=True, slots=True)
class MakeSeed:
    item: Observed
    step: Step


@dataclass(frozen=True, slots=True)
class OpenAudit:
    item: Observed


@dataclass(frozen=True, slots=True)
class DrawCommittee:
    item: Observed


@dataclass(frozen=True, slots=True)
class Tally:
    item: Observed


@dataclass(frozen=True, slots=True)
class Execute:
    item: Observed


@dataclass(frozen=True, slots=True)
class ReplaceJudge:
    item: Observed


@dataclass(frozen=True, slots=True)
class Volunteer:
    item: Observed
    slot_id: SlotId


@dataclass(frozen=True, slots=True)
class Collect:
    slot_id: SlotId


@dataclass(frozen=True, slots=True)
class Rest:
    reason: str


Owed = Reveal | Seal | Verdict | Replay
Common = BringSeed | OpenAudit | DrawCommittee | Tally | Execute | ReplaceJudge | Volunteer  # one judge does it for all
Action = Owed | Common | MakeSeed | Collect | Rest


def move_of(action: Action) -> Move:
    """What an action is remembered by when it fails."""
    match action:
        case Rest():
            about = JobId(0), 0
        case Collect(slot_id):
            about = JobId(0), slot_id
        case _:
            about = action.item.key
    return type(action).__name__, about
