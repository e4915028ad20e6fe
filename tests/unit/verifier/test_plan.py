# SPDX-License-Identifier: Apache-2.0
"""What a judge does next, without a chain: what it owes first, nothing twice, nothing too late."""

from dataclasses import replace

import pytest

from swarm.protocol.types import (
    ZERO_DIGEST,
    Amount,
    Case,
    CaseStatus,
    Digest,
    Epoch,
    JobId,
    JobStatus,
    Seat,
    SlotId,
)
from tests.unit.seller.test_plan import NOW, job
from verifier import plan
from verifier.plan import Observed, View

MINE, OTHERS = SlotId(1), (SlotId(2), SlotId(3))
SOME = Digest(bytes([7]) * 32)
EMPTY, SEALED, REVEALED = (
    Seat(ZERO_DIGEST, ZERO_DIGEST, False),
    Seat(SOME, ZERO_DIGEST, False),
    Seat(SOME, SOME, True),
)


def observed(status=CaseStatus.NONE, job_status=JobStatus.UNDER_AUDIT, *, seats=(), deadline=NOW + 60, **changes):
    committee = (MINE, *OTHERS) if seats else ()
    case = Case(
        job_id=JobId(1),
        status=status,
        segment=2,
        replacements=0,
        round=1 if status >= CaseStatus.DENIED else 0,
        since=NOW - 60,
        deadline=deadline,
        epoch=Epoch(9),
        judge=MINE,
        fee=Amount(1),
        denied_leaf=ZERO_DIGEST,
        committee=committee,
    )
    base = Observed(job(1, job_status), case, seed_due=False, seed_known=True, drawn=False, seats=seats)
    return replace(base, **changes)


def view(*items, **changes) -> View:
    nothing = frozenset()
    base = View(NOW, frozenset({MINE}), items, nothing, nothing, nothing, None)
    return replace(base, **changes)


def test_does_not_judge_for_another_slot():
    seen = view(observed(CaseStatus.JUDGING), mine=frozenset({SlotId(9)}))
    assert isinstance(plan.decide(seen), plan.Rest)


def test_does_not_re_execute_twice_or_what_failed():
    item = observed(CaseStatus.JUDGING)
    assert plan.decide(view(item)) == plan.Replay(item)
    assert plan.decide(view(item, replayed=frozenset({(JobId(1), 0)}))) == plan.Verdict(item)
    assert isinstance(plan.decide(view(item, failed=frozenset({(JobId(1), 0)}))), plan.Rest)


def test_does_not_start_a_second_replay_at_once():
    assert isinstance(plan.decide(view(observed(CaseStatus.JUDGING), replaying=(JobId(5), 0))), plan.Rest)


def test_does_not_give_a_verdict_after_its_deadline():
    item = observed(CaseStatus.JUDGING, deadline=NOW - 1)
    assert plan.decide(view(item, replayed=frozenset({(JobId(1), 0)}))) == plan.ReplaceJudge(item)


def test_does_not_seal_twice_and_not_late():
    done = frozenset({(JobId(1), 1)})
    item = observed(CaseStatus.SEALING, seats=(EMPTY, EMPTY, EMPTY))
    assert plan.decide(view(item, replayed=done)) == plan.Seal(item)
    assert isinstance(plan.decide(view(replace(item, seats=(SEALED, EMPTY, EMPTY)), replayed=done)), plan.Rest)
    late = replace(item, case=replace(item.case, deadline=NOW - 1))
    assert not isinstance(plan.decide(view(late, replayed=done)), plan.Seal)


def test_does_not_reveal_while_others_may_still_seal():
    """Attack 23: what is revealed early can be copied."""
    done = frozenset({(JobId(1), 1)})
    item = observed(CaseStatus.SEALING, seats=(SEALED, EMPTY, EMPTY))
    assert isinstance(plan.decide(view(item, replayed=done, sealed=done)), plan.Rest)
    over = replace(item, case=replace(item.case, deadline=NOW - 1))
    assert plan.decide(view(over, replayed=done, sealed=done)) == plan.Reveal(over)


def test_reveals_once_all_have_sealed():
    done = frozenset({(JobId(1), 1)})
    item = observed(CaseStatus.REVEALING, seats=(SEALED, SEALED, SEALED))
    assert plan.decide(view(item, replayed=done, sealed=done)) == plan.Reveal(item)


def test_tallies_when_all_have_revealed_or_time_is_over():
    item = observed(CaseStatus.REVEALING, seats=(REVEALED, REVEALED, SEALED))
    assert isinstance(plan.decide(view(item)), plan.Rest)
    assert plan.decide(view(replace(item, seats=(REVEALED,) * 3))) == plan.Tally(replace(item, seats=(REVEALED,) * 3))
    late = replace(item, case=replace(item.case, deadline=NOW - 1))
    assert plan.decide(view(late)) == plan.Tally(late)


def test_a_committee_that_sealed_but_never_reveals_does_not_hang():
    """Attack 30: silence ends the case once the time to reveal is over."""
    item = observed(CaseStatus.SEALING, seats=(SEALED, EMPTY, EMPTY), deadline=NOW - 5)
    seen = view(item, mine=frozenset(), reveal_seconds=10)
    assert isinstance(plan.decide(seen), plan.Rest)
    assert plan.decide(replace(seen, now=NOW + 6)) == plan.Tally(item)
    silent = replace(item, seats=(EMPTY, EMPTY, EMPTY))
    assert plan.decide(view(silent, mine=frozenset(), reveal_seconds=10)) == plan.Tally(silent)


def test_brings_a_seed_only_when_its_round_is_due():
    item = observed(job_status=JobStatus.SUBMITTED, seed_known=False)
    assert isinstance(plan.decide(view(item)), plan.Rest)
    due = replace(item, seed_due=True)
    assert plan.decide(view(due)) == plan.BringSeed(due)


def test_opens_an_audit_only_when_the_job_is_drawn():
    item = observed(job_status=JobStatus.SUBMITTED)
    assert isinstance(plan.decide(view(item)), plan.Rest)
    assert plan.decide(view(replace(item, drawn=True))) == plan.OpenAudit(replace(item, drawn=True))


@pytest.mark.parametrize("seed_known", [True, False])
def test_draws_the_committee_when_the_seed_is_there_or_the_time_is_over(seed_known):
    deadline = NOW + 60 if seed_known else NOW - 1
    item = observed(CaseStatus.DENIED, JobStatus.CHALLENGED, deadline=deadline, seed_known=seed_known)
    assert plan.decide(view(item)) == plan.DrawCommittee(item)


def test_waits_for_its_turn_with_what_anyone_may_do():
    item = observed(CaseStatus.JUDGING, deadline=NOW - 1)
    seen = view(item, mine=frozenset(), turn_seconds=lambda job_id: 4)
    assert isinstance(plan.decide(seen), plan.Rest)
    assert plan.decide(replace(seen, now=NOW + 4)) == plan.ReplaceJudge(item)


def test_what_it_owes_comes_before_what_anyone_may_do():
    other = observed(job_status=JobStatus.SUBMITTED, drawn=True)
    owed = observed(CaseStatus.JUDGING)
    assert plan.decide(view(other, owed)) == plan.Replay(owed)
