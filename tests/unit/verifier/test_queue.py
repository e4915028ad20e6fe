# SPDX-License-Identifier: Apache-2.0
"""What a judge owes, in the order of deadlines; what may be missed is said once, while something can be done."""

import logging
from dataclasses import replace

import pytest

from swarm.protocol.types import UNDELIVERED, BallotStatus, CaseStatus, SlotId
from tests.unit.seller.test_plan import NOW
from tests.unit.verifier.cases import hand, observed, view, voting
from verifier.plan import Rest, decide
from verifier.queue import MARGIN_SECONDS, Watch, duties

JUDGED = frozenset({(1, 0)})
VOTED = frozenset({(1, 1)})


def owed(*items, **changes):
    return [(duty.owes, duty.segment) for duty in duties(view(*items, **changes))]


def test_owes_nothing_in_others_cases_or_too_late():
    assert not owed(observed(CaseStatus.JUDGING, case={"judge": SlotId(9)}))
    assert not owed(observed(CaseStatus.JUDGING, deadline=NOW - 1))
    assert not owed(observed(CaseStatus.CLOSED))
    assert not owed(voting(BallotStatus.DRAWING))


def test_owes_nothing_more_after_a_replay_that_failed():
    assert not owed(observed(CaseStatus.JUDGING), failed=JUDGED)
    assert not owed(voting(BallotStatus.SEALING), failed=VOTED)


def test_owes_a_replay_then_a_verdict():
    item = observed(CaseStatus.JUDGING)
    assert owed(item) == [("replay", 2)]
    assert owed(item, replayed=JUDGED) == [("verdict", 2)]
    assert owed(observed(CaseStatus.JUDGING, case={"segment": UNDELIVERED})) == [("replay", None)]


def test_owes_a_seal_then_its_reveal():
    assert owed(voting(BallotStatus.SEALING)) == [("replay", 2)]
    assert owed(voting(BallotStatus.SEALING), replayed=VOTED) == [("seal", 2)]
    sealed = {"replayed": VOTED, "sealed": VOTED}
    assert owed(voting(BallotStatus.SEALING, sealed=1), **sealed) == [("reveal", 2)]
    assert owed(voting(BallotStatus.REVEALING, sealed=1), **sealed) == [("reveal", 2)]
    assert not owed(voting(BallotStatus.REVEALING, sealed=1, revealed=1), **sealed)


def test_the_next_deadline_comes_first():
    late, soon = observed(CaseStatus.JUDGING, deadline=NOW + 500), observed(CaseStatus.JUDGING, deadline=NOW + 100)
    assert [duty.left_seconds for duty in duties(view(late, soon))] == [100, 500]


@pytest.mark.parametrize(("left", "is_at_risk"), [(60 + MARGIN_SECONDS - 1, True), (60 + MARGIN_SECONDS, False)])
def test_a_deadline_is_at_risk_while_a_whole_segment_would_not_fit(left, is_at_risk):
    item = observed(CaseStatus.JUDGING, deadline=NOW + left)
    assert duties(view(item))[0].is_at_risk is is_at_risk
    assert not duties(view(item, replayed=JUDGED))[0].is_at_risk


def test_a_risk_is_said_once(caplog):
    watch, seen = Watch(), view(observed(CaseStatus.JUDGING, deadline=NOW + 10))
    with caplog.at_level(logging.WARNING):
        watch.look(seen)
        watch.look(replace(seen, now=NOW + 1))
    assert [record.getMessage() for record in caplog.records] == ["deadline_at_risk"]
    assert len(watch.duties) == 1


def test_does_not_volunteer_for_less_than_the_machine_costs():
    wanted = observed(CaseStatus.JUDGING, case={"judge": SlotId(0)}, fee=60)
    seen = view(wanted, hands=(hand(left=1_000),))
    assert type(decide(seen)).__name__ == "Volunteer"
    assert type(decide(replace(seen, cost_per_second=1.0))).__name__ == "Volunteer"
    assert isinstance(decide(replace(seen, cost_per_second=1.1)), Rest)
