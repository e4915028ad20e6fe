# SPDX-License-Identifier: Apache-2.0
"""What a judge does next: a pure function of the chain's state, its own journal and the clock. Deadlines first."""

from __future__ import annotations

from collections.abc import Callable

from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus
from verifier.actions import (
    Action,
    BringSeed,
    Collect,
    DrawCommittee,
    Execute,
    MakeSeed,
    OpenAudit,
    ReplaceJudge,
    Replay,
    Rest,
    Reveal,
    Seal,
    Tally,
    Verdict,
    Volunteer,
    move_of,
)
from verifier.fallback import next_step
from verifier.view import Hand, Observed, View

REDRAW_SECONDS = 300  # a draw that left seats empty walked 64 places: the next one may wait for judges to become free
SEED_PATIENCE_SECONDS = 7 * 24 * 3600  # of the ballots: after it a committee without a seed is given up
MAX_CASES, WRONG_FEES = 4, 5  # of the bench: live cases of a slot, and fees that each reserves of its bond


_RULES: list[Callable[[View, Observed], Action | None]] = []


def decide(view: View) -> Action:
    """The first rule that applies to any job; what this judge owes comes before what anyone may do.

    What failed when it was last tried comes after everything else, so that nothing which cannot be done now holds up
    the rest.
    """
    ordered = sorted(view.observed, key=lambda item: (item.deadline, item.job.job_id))
    refused = []
    for rule in _RULES:
        for item in ordered if rule is not bring_seed else sorted(ordered, key=view.seed_order):
            action = rule(view, item)
            if action and move_of(action) not in view.refused:
                return action
            refused += [action] if action else []
    for action in map(Collect, sorted(view.uncollected)):
        if move_of(action) not in view.refused:
            return action
        refused.append(action)
    if refused:
        return min(refused, key=lambda action: view.refused[move_of(action)])
    if view.replaying:
        return Rest(f"re-executing a segment of job {view.replaying[0]}")
    return Rest("nothing to judge")


def _rule(function: Callable[[View, Observed], Action | None]) -> Callable[[View, Observed], Action | None]:
    _RULES.append(function)
    return function


def owed(view: View, item: Observed) -> str | None:
    """What this judge still owes in a case, in one word."""
    if reveal_due(view, item) or _will_reveal(view, item):
        return "reveal"
    if item.key in view.failed:
        return None
    if _seat_to_fill(view, item) is not None:
        return "seal" if item.key in view.replayed else "replay"
    if _must_judge(view, item):
        return "verdict" if item.key in view.replayed else "replay"
    return None


# what this judge owes


@_rule
def reveal_due(view: View, item: Observed) -> Reveal | None:
    ballot, seat = item.ballot, _own_seat(view, item)
    if ballot is None or seat is None or not ballot.has_sealed(seat) or ballot.has_revealed(seat):
        return None
    over = ballot.deadline
    if ballot.status is BallotStatus.REVEALING:
        is_time = view.now <= over
    else:
        # Nobody has said yet that the sealing is over; whoever reveals first does.
        is_time = ballot.status is BallotStatus.SEALING and over < view.now <= over + view.reveal_seconds
    return Reveal(item, seat) if is_time and item.key in view.sealed else None


@_rule
def seal_due(view: View, item: Observed) -> Seal | None:
    seat = _seat_to_fill(view, item)
    return Seal(item, seat) if seat is not None and item.key in view.replayed else None


@_rule
def verdict_due(view: View, item: Observed) -> Verdict | None:
    return Verdict(item) if _must_judge(view, item) and item.key in view.replayed else None


@_rule
def replay_next(view: View, item: Observed) -> Replay | None:
    if view.replaying is not None or view.now < view.postponed.get(item.key, 0):
        return None
    return Replay(item) if _owes_finding(view, item) else None


# what anyone may do


@_rule
def bring_seed(view: View, item: Observed) -> BringSeed | None:
    return BringSeed(item) if _waits_for_seed(item) and item.seed_due else None


@_rule
def make_seed(view: View, item: Observed) -> MakeSeed | None:
    """The fallback's next step; drand is asked in between, for its seed ends it."""
    if not _waits_for_seed(item) or item.outage is None:
        return None
    step = next_step(item.outage, now=view.now, turn=view.turn_seconds(item.job.job_id))
    return MakeSeed(item, step) if step else None


@_rule
def open_audit(view: View, item: Observed) -> OpenAudit | None:
    pending = item.job.status is JobStatus.SUBMITTED and item.seed_known and not item.job.audited
    return OpenAudit(item) if pending and item.drawn and not _is_left_to_others(view, item) else None


@_rule
def draw_committee(view: View, item: Observed) -> DrawCommittee | None:
    if not _is_drawing(item):
        return None
    if not item.seed_known:
        return DrawCommittee(item) if _is_late(view, item, grace=SEED_PATIENCE_SECONDS) else None
    if _is_left_to_others(view, item):
        return None
    before = view.drawn_in_vain.get(item.key)
    # After the deadline one more draw decides: a short committee, or none.
    ready = before is None or _is_late(view, item) or view.now >= before + REDRAW_SECONDS
    return DrawCommittee(item) if ready else None


@_rule
def tally(view: View, item: Observed) -> Tally | None:
    ballot = item.ballot
    if ballot is None:
        return None
    if ballot.status is BallotStatus.REVEALING:
        # Whoever reveals last tallies with it. Where two were last, both are; the others leave it to each other.
        turn = item.heard_since + view.turn_seconds(item.job.job_id)
        ready = (ballot.is_heard and view.now >= turn) or _is_late(view, item)
    elif ballot.status is BallotStatus.SEALING:
        # Not all sealed: those who did have the time to reveal, counted from the end of the sealing.
        ready = _is_late(view, item, grace=0 if ballot.is_heard else view.reveal_seconds)
    else:
        ready = ballot.status is BallotStatus.FAILED
    return Tally(item) if ready else None


@_rule
def execute(view: View, item: Observed) -> Execute | None:
    return Execute(item) if item.case.status is CaseStatus.APPEALABLE and _is_late(view, item) else None


@_rule
def replace_judge(view: View, item: Observed) -> ReplaceJudge | None:
    return ReplaceJudge(item) if item.case.status is CaseStatus.JUDGING and _is_late(view, item) else None


@_rule
def volunteer(view: View, item: Observed) -> Volunteer | None:
    """Takes on a case nobody was found for, if a whole segment still fits into the time that is left."""
    is_wanted = item.case.status is CaseStatus.JUDGING and not item.case.judge
    fits = view.now + item.job.segment_seconds <= item.deadline
    pays = view.cost_per_second * item.job.segment_seconds <= item.fee
    if not is_wanted or not fits or not pays or view.replaying is not None:
        return None
    return next((Volunteer(item, hand.slot.slot_id) for hand in view.hands if _is_eligible(hand, item)), None)


def _will_reveal(view: View, item: Observed) -> bool:
    """Sealed, and not yet time to reveal."""
    ballot, seat = item.ballot, _own_seat(view, item)
    return (
        ballot is not None
        and seat is not None
        and ballot.status is BallotStatus.SEALING
        and ballot.has_sealed(seat)
        and not ballot.has_revealed(seat)
    )


def _owes_finding(view: View, item: Observed) -> bool:
    owes = _must_judge(view, item) or _seat_to_fill(view, item) is not None
    return owes and item.key not in view.replayed | view.failed


def _own_seat(view: View, item: Observed) -> int | None:
    committee = item.ballot.committee if item.ballot else ()
    return next((seat for seat, slot_id in enumerate(committee) if slot_id in view.mine), None)


def _seat_to_fill(view: View, item: Observed) -> int | None:
    """Our seat in a committee that still takes our seal."""
    ballot, seat = item.ballot, _own_seat(view, item)
    if ballot is None or seat is None or ballot.status is not BallotStatus.SEALING or view.now > ballot.deadline:
        return None
    return None if ballot.has_sealed(seat) else seat


def _must_judge(view: View, item: Observed) -> bool:
    case = item.case
    return case.status is CaseStatus.JUDGING and case.judge in view.mine and view.now <= case.deadline


def _is_left_to_others(view: View, item: Observed) -> bool:
    """Whom the seed will draw opens or draws with its own answer, unless it stays silent."""
    waits = item.left_until + view.turn_seconds(item.job.job_id) if item.left_until else 0
    return view.now < waits


def _is_drawing(item: Observed) -> bool:
    return item.ballot is not None and item.ballot.status is BallotStatus.DRAWING


def _waits_for_seed(item: Observed) -> bool:
    waits = item.job.status is JobStatus.SUBMITTED and not item.job.audited
    return (waits or _is_drawing(item)) and not item.seed_known


def _is_eligible(hand: Hand, item: Observed) -> bool:
    """The bench's own rule: an active slot of the class with a free hand, whose keys are nobody's in this case."""
    slot, bond = hand.slot, hand.bond
    can_carry = bond.cases < MAX_CASES and bond.left - bond.reserved >= WRONG_FEES * item.fee
    is_stranger = not {slot.owner, slot.operator} & item.barred
    return slot.is_active and slot.hardware_class == item.job.hardware_class and can_carry and is_stranger


def _is_late(view: View, item: Observed, *, grace: int = 0) -> bool:
    return view.now > item.deadline + grace + view.turn_seconds(item.job.job_id)
