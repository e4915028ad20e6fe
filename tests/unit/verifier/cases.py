# SPDX-License-Identifier: Apache-2.0
"""Cases, ballots and slots as a judge sees them, built by hand."""

from dataclasses import replace

from swarm.protocol.types import (
    Address,
    Amount,
    Ballot,
    BallotStatus,
    Bond,
    Case,
    CaseStatus,
    Comparison,
    Epoch,
    JobId,
    JobStatus,
    Ruling,
    Slot,
    SlotId,
)
from tests.unit.seller.test_plan import NOW, job
from verifier.view import Hand, Observed, View

MINE, OTHERS = SlotId(1), (SlotId(2), SlotId(3))
JUDY, OWNER = Address("0x" + "1d" * 20), Address("0x" + "0e" * 20)
ALL = 0b111


def observed(status=CaseStatus.NONE, job_status=JobStatus.UNDER_AUDIT, *, deadline=NOW + 60, case=(), **changes):
    facts = {
        "job_id": JobId(1),
        "status": status,
        "comparison": Comparison.EXACT,
        "ruling": Ruling.NONE,
        "answers_draw": True,
        "round": 0,
        "first_round": 1,
        "ruled_round": 0,
        "instance": 0,
        "replacements": 0,
        "segment": 2,
        "deadline": deadline,
        "judge": MINE,
    }
    base = Observed(job(1, job_status), Case(**(facts | dict(case))), seed_due=False, seed_known=True, drawn=False)
    return replace(base, **changes)


def voting(status, *, sealed=0, revealed=0, deadline=NOW + 60, case=(), **changes):
    """A case of three in its first round; bit 0 of `sealed` and `revealed` is ours."""
    committee = () if status in (BallotStatus.DRAWING, BallotStatus.FAILED) else (MINE, *OTHERS)
    ballot = Ballot(
        job_id=JobId(1),
        round=1,
        status=status,
        comparison=Comparison.EXACT,
        segment=2,
        seats=3,
        size=len(committee),
        sealed_seats=sealed,
        revealed_seats=revealed,
        proved_seats=0,
        since=NOW - 60,
        deadline=deadline,
        epoch=Epoch(10),
        committee=committee,
    )
    case = {"round": 1, "instance": 1} | dict(case)
    return observed(CaseStatus.VOTING, ballot=ballot, deadline=0, case=case, **changes)


def view(*items, **changes) -> View:
    nothing = frozenset()
    base = View(NOW, frozenset({MINE}), items, nothing, nothing, nothing, None)
    return replace(base, **changes)


def hand(*, cases=0, left=100, reserved=0, **changes) -> Hand:
    slot = Slot(MINE, OWNER, 1, 0, 0, JUDY, 1)
    return Hand(replace(slot, **changes), Bond(Amount(left), Amount(reserved), cases))
