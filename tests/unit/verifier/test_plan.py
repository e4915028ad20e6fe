# SPDX-License-Identifier: Apache-2.0
"""What a judge does next, without a chain: what it owes first, nothing twice, nothing too late."""

from dataclasses import replace

import pytest

from swarm.protocol.types import UNDELIVERED, BallotStatus, CaseStatus, Comparison, JobId, JobStatus, SlotId
from tests.unit.seller.test_plan import BOB, NOW, SALLY, job
from tests.unit.verifier.cases import ALL, JUDY, MINE, OTHERS, OWNER, hand, observed, view, voting
from verifier import plan
from verifier.view import Observed, View


def rests(seen: View) -> bool:
    return isinstance(plan.decide(seen), plan.Rest)


JUDGED, VOTED = frozenset({(JobId(1), 0)}), frozenset({(JobId(1), 1)})


# the drawn judge


def test_does_not_judge_for_another_slot():
    assert rests(view(observed(CaseStatus.JUDGING), mine=frozenset({SlotId(9)})))


def test_does_not_re_execute_twice_or_what_failed():
    item = observed(CaseStatus.JUDGING)
    assert plan.decide(view(item)) == plan.Replay(item)
    assert plan.decide(view(item, replayed=JUDGED)) == plan.Verdict(item)
    assert rests(view(item, failed=JUDGED))


def test_does_not_start_a_second_replay_at_once():
    assert rests(view(observed(CaseStatus.JUDGING), replaying=(JobId(5), 0)))


def test_lets_other_cases_come_first_while_something_is_not_there():
    waiting = observed(CaseStatus.JUDGING)
    other = replace(waiting, job=job(2, JobStatus.UNDER_AUDIT), case=replace(waiting.case, deadline=NOW + 90))
    seen = view(waiting, other, postponed={waiting.key: NOW + 5})
    assert plan.decide(seen) == plan.Replay(other)
    assert plan.decide(replace(seen, now=NOW + 5)) == plan.Replay(waiting)


def test_does_not_give_a_verdict_after_its_deadline():
    item = observed(CaseStatus.JUDGING, deadline=NOW - 1)
    assert plan.decide(view(item, replayed=JUDGED)) == plan.ReplaceJudge(item)


@pytest.mark.parametrize("comparison", list(Comparison))
def test_never_gives_its_word_without_looking(comparison):
    """Attack 22: in every class a finding comes before the verdict, and without one nothing is said."""
    item = observed(CaseStatus.JUDGING, case={"comparison": comparison})
    assert plan.decide(view(item)) == plan.Replay(item)
    assert rests(view(item, failed=JUDGED))
    member = voting(BallotStatus.SEALING, case={"comparison": comparison})
    assert plan.decide(view(member)) == plan.Replay(member)


@pytest.mark.parametrize("comparison", list(Comparison))
def test_votes_in_every_class_on_whether_a_result_can_be_fetched(comparison):
    item = voting(BallotStatus.SEALING, case={"comparison": comparison, "segment": UNDELIVERED})
    assert plan.decide(view(item)) == plan.Replay(item)


# committees


def test_does_not_seal_twice_and_not_late():
    item = voting(BallotStatus.SEALING)
    assert plan.decide(view(item, replayed=VOTED)) == plan.Seal(item, 0)
    assert rests(view(voting(BallotStatus.SEALING, sealed=1), replayed=VOTED))
    late = voting(BallotStatus.SEALING, deadline=NOW - 1)
    assert not isinstance(plan.decide(view(late, replayed=VOTED)), plan.Seal)


def test_re_executes_for_every_round_anew():
    """The finding of round 0 is another segment's or another judge's: only that of this round is sealed."""
    item = voting(BallotStatus.SEALING)
    assert plan.decide(view(item, replayed=JUDGED)) == plan.Replay(item)


def test_knows_its_seat():
    item = voting(BallotStatus.SEALING)
    assert plan.decide(view(item, mine=frozenset({OTHERS[1]}), replayed=VOTED)) == plan.Seal(item, 2)


def test_does_not_reveal_while_others_may_still_seal():
    """Attack 23: what is revealed early can be copied."""
    item = voting(BallotStatus.SEALING, sealed=1)
    assert rests(view(item, replayed=VOTED, sealed=VOTED))
    over = voting(BallotStatus.SEALING, sealed=1, deadline=NOW - 1)
    assert plan.decide(view(over, replayed=VOTED, sealed=VOTED, reveal_seconds=10)) == plan.Reveal(over, 0)


def test_reveals_once_all_have_sealed_and_not_too_late():
    item = voting(BallotStatus.REVEALING, sealed=ALL)
    assert plan.decide(view(item, replayed=VOTED, sealed=VOTED)) == plan.Reveal(item, 0)
    late = voting(BallotStatus.REVEALING, sealed=ALL, deadline=NOW - 1)
    assert plan.decide(view(late, replayed=VOTED, sealed=VOTED)) == plan.Tally(late)


def test_does_not_reveal_once_the_time_after_an_unfinished_sealing_is_over():
    item = voting(BallotStatus.SEALING, sealed=1, deadline=NOW - 11)
    assert plan.decide(view(item, replayed=VOTED, sealed=VOTED, reveal_seconds=10)) == plan.Tally(item)


def test_does_not_reveal_twice_or_what_never_arrived():
    assert rests(view(voting(BallotStatus.REVEALING, sealed=ALL, revealed=1), replayed=VOTED, sealed=VOTED))
    assert rests(view(voting(BallotStatus.REVEALING, sealed=0b110), replayed=VOTED, sealed=VOTED))


def test_does_not_reveal_what_another_process_sealed():
    assert rests(view(voting(BallotStatus.REVEALING, sealed=ALL), replayed=VOTED))


def test_tallies_when_all_who_sealed_have_revealed_or_time_is_over():
    assert rests(view(voting(BallotStatus.REVEALING, sealed=ALL, revealed=0b011)))
    heard = voting(BallotStatus.REVEALING, sealed=0b011, revealed=0b011)
    assert plan.decide(view(heard)) == plan.Tally(heard)
    late = voting(BallotStatus.REVEALING, sealed=ALL, revealed=0b011, deadline=NOW - 1)
    assert plan.decide(view(late)) == plan.Tally(late)


def test_leaves_the_tally_to_others_until_its_turn_but_not_beyond_the_deadline():
    """Where two reveal in one block neither takes the tally with it, and all see at once that it is due."""
    heard = voting(BallotStatus.REVEALING, sealed=0b011, revealed=0b011, heard_since=NOW - 5)
    assert rests(view(heard, turn_seconds=lambda job_id: 6))
    assert plan.decide(view(heard, turn_seconds=lambda job_id: 5)) == plan.Tally(heard)


def test_a_committee_that_sealed_but_never_reveals_does_not_hang():
    """Attack 30: silence ends the case once the time to reveal is over."""
    item = voting(BallotStatus.SEALING, sealed=1, deadline=NOW - 5)
    seen = view(item, mine=frozenset(), reveal_seconds=10)
    assert rests(seen)
    assert plan.decide(replace(seen, now=NOW + 6)) == plan.Tally(item)
    silent = voting(BallotStatus.SEALING, deadline=NOW - 5)
    assert plan.decide(view(silent, mine=frozenset(), reveal_seconds=10)) == plan.Tally(silent)


def test_takes_a_ballot_without_a_committee_to_its_ruling():
    item = voting(BallotStatus.FAILED)
    assert plan.decide(view(item)) == plan.Tally(item)


def test_executes_a_ruling_once_nobody_can_appeal():
    item = observed(CaseStatus.APPEALABLE, deadline=NOW)
    assert rests(view(item))
    assert plan.decide(view(item, now=NOW + 1)) == plan.Execute(item)


# seeds and draws


def test_brings_a_seed_only_when_its_round_is_due():
    item = observed(job_status=JobStatus.SUBMITTED, seed_known=False)
    assert rests(view(item))
    due = replace(item, seed_due=True)
    assert plan.decide(view(due)) == plan.BringSeed(due)


def test_brings_no_seed_for_a_job_whose_draw_is_answered():
    due = observed(job_status=JobStatus.SUBMITTED, seed_known=False, seed_due=True)
    assert rests(view(replace(due, job=replace(due.job, audited=True))))


def test_opens_an_audit_only_when_the_job_is_drawn_and_not_twice():
    item = observed(job_status=JobStatus.SUBMITTED)
    assert rests(view(item))
    drawn = replace(item, drawn=True)
    assert plan.decide(view(drawn)) == plan.OpenAudit(drawn)
    assert rests(view(replace(drawn, job=replace(drawn.job, audited=True))))


def test_brings_the_seed_that_draws_a_committee_and_then_draws():
    item = voting(BallotStatus.DRAWING, seed_known=False, seed_due=True)
    assert plan.decide(view(item)) == plan.BringSeed(item)
    known = replace(item, seed_known=True, seed_due=False)
    assert plan.decide(view(known)) == plan.DrawCommittee(known)


def test_gives_up_a_committee_without_a_seed_only_after_the_ballots_patience():
    item = voting(BallotStatus.DRAWING, deadline=NOW - 1, seed_known=False)
    assert rests(view(item))
    assert plan.decide(view(item, now=NOW + plan.SEED_PATIENCE_SECONDS)) == plan.DrawCommittee(item)


def test_does_not_draw_again_at_once_where_seats_stayed_empty():
    item = voting(BallotStatus.DRAWING, deadline=NOW + 1_000)
    seen = view(item, drawn_in_vain={item.key: NOW})
    assert rests(seen)
    assert plan.decide(replace(seen, now=NOW + plan.REDRAW_SECONDS)) == plan.DrawCommittee(item)
    over = voting(BallotStatus.DRAWING, deadline=NOW - 1)
    assert plan.decide(view(over, drawn_in_vain={over.key: NOW})) == plan.DrawCommittee(over)


# late judges and volunteers


def test_waits_for_its_turn_with_what_anyone_may_do():
    item = observed(CaseStatus.JUDGING, deadline=NOW - 1)
    seen = view(item, mine=frozenset(), turn_seconds=lambda job_id: 4)
    assert rests(seen)
    assert plan.decide(replace(seen, now=NOW + 4)) == plan.ReplaceJudge(item)


def orphaned(**changes) -> Observed:
    """A case whose judge could not be drawn; a segment takes at most 60 seconds."""
    facts = {"fee": 10, "barred": frozenset({BOB, SALLY}), "deadline": NOW + 60} | changes
    return observed(CaseStatus.JUDGING, case={"judge": SlotId(0)} | facts.pop("case", {}), **facts)


def test_volunteers_for_a_case_without_a_judge():
    item = orphaned()
    assert plan.decide(view(item, hands=[hand()])) == plan.Volunteer(item, MINE)


@pytest.mark.parametrize(
    "unfit",
    [
        hand(active_until=NOW),
        hand(hardware_class=2),
        hand(cases=plan.MAX_CASES),
        hand(left=49),
        hand(left=100, reserved=51),
        hand(owner=BOB),
        hand(operator=SALLY),
    ],
)
def test_volunteers_only_with_a_slot_the_bench_would_take(unfit):
    assert rests(view(orphaned(), hands=[unfit]))


def test_does_not_volunteer_where_its_owner_or_operator_was_late_before():
    """No key judges twice in one case, whichever slot it uses."""
    assert rests(view(orphaned(barred=frozenset({OWNER})), hands=[hand()]))
    assert rests(view(orphaned(barred=frozenset({JUDY})), hands=[hand(), hand(slot_id=SlotId(5))]))


def test_does_not_volunteer_for_what_it_could_not_finish():
    assert rests(view(orphaned(deadline=NOW + 59), hands=[hand()]))
    assert rests(view(orphaned(), hands=[hand()], replaying=(JobId(5), 0)))


def test_does_not_volunteer_where_there_is_a_judge():
    assert rests(view(orphaned(case={"judge": OTHERS[0]}), hands=[hand()]))


# order


def test_what_it_owes_comes_before_what_anyone_may_do():
    other = observed(job_status=JobStatus.SUBMITTED, drawn=True)
    owed = observed(CaseStatus.JUDGING)
    assert plan.decide(view(other, owed)) == plan.Replay(owed)


def test_the_nearest_deadline_comes_first_whatever_kind_it_is():
    judged = observed(CaseStatus.JUDGING, deadline=NOW + 50)
    sealing = replace(voting(BallotStatus.SEALING, deadline=NOW + 40), job=job(2, JobStatus.UNDER_AUDIT))
    assert plan.decide(view(judged, sealing)) == plan.Replay(sealing)


def test_what_was_refused_comes_after_everything_else_and_is_tried_again_in_turn():
    """A beacon that is silent, or a call the contracts refuse, must not hold up other cases."""
    silent = voting(BallotStatus.DRAWING, seed_known=False, seed_due=True)
    stuck = replace(observed(CaseStatus.APPEALABLE, deadline=NOW - 9), job=job(2, JobStatus.UNDER_AUDIT))
    fine = replace(stuck, job=job(3, JobStatus.UNDER_AUDIT))
    moves = [plan.move_of(plan.BringSeed(silent)), plan.move_of(plan.Execute(stuck))]
    refused = dict(zip(moves, (4, 7), strict=True))
    assert plan.decide(view(silent, stuck, fine, refused=refused)) == plan.Execute(fine)
    assert plan.decide(view(silent, stuck, refused=refused)) == plan.BringSeed(silent)
    assert plan.decide(view(silent, stuck, refused=refused | {moves[0]: 8})) == plan.Execute(stuck)
