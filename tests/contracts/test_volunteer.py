# SPDX-License-Identifier: Apache-2.0
"""Judges who do not answer: five replacements, then volunteers, then the job fails open with a longer window."""

import pytest
from stories import Reckoning, add, challenge, each, executed
from world import CLASS, Terms

from swarm.protocol.types import CaseStatus, JobStatus, Ruling

WINDOW = 4 * 3_600


def abandoned(world):
    """An audit nobody answers: after the first judge and five replacements volunteers are wanted."""
    commitment = world.audited()
    for _ in range(6):
        world.replace_judge(commitment.job_id)
    return commitment


@pytest.fixture
def wanted(world):
    """The abandoned audit, and a judge who was never drawn for it."""
    commitment = abandoned(world)
    (judge,) = world.more_judges(1)
    return commitment, judge, world.bench.slotCount()


def volunteer(world, job_id: int, slot_id: int, judge):
    return world.does(world.court.volunteer, *world.with_terms(job_id), slot_id, sender=judge)


# replacing


def test_replace_refuses_while_the_judge_has_time(world):
    commitment = world.audited()
    deadline = world.case(commitment.job_id).deadline
    world.travel_until(deadline)
    arguments = world.with_terms(commitment.job_id)
    values = world.refuses(world.court.replaceJudge, *arguments, sender=world.stranger, error="CaseDeadlineRunning")
    assert values == (deadline, deadline)


def test_replace_refuses_where_no_judge_is_awaited(world):
    commitment = world.denied()
    arguments = world.with_terms(commitment.job_id)
    world.refuses(world.court.replaceJudge, *arguments, sender=world.stranger, error="WrongCaseStatus")


def test_replace_refuses_an_old_state_and_other_terms(world):
    commitment = world.submitted()
    old = world.job(commitment.job_id).state()
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.open_audit(commitment.job_id)
    world.past_case_deadline(commitment.job_id)
    job, state, terms = world.with_terms(commitment.job_id)
    call, other = world.court.replaceJudge, Terms(segments=6).values()
    world.refuses(call, job, old, terms, sender=world.stranger, error="StaleJob")
    world.refuses(call, job, state, other, sender=world.stranger, error="TermsDiffer")


def test_each_of_six_late_judges_pays_one_fee_and_nobody_is_drawn_twice(world):
    commitment = world.audited()
    before, late = world.books.wealth(), []
    for number in range(1, 7):
        late.append(world.name(world.judge_of(commitment.job_id)))
        world.replace_judge(commitment.job_id)
        assert world.case(commitment.job_id).replacements == number
    assert len(set(late)) == 6
    assert world.books.gains(before) == each(late, -world.fee()) | {"pool": 6 * world.fee()}


def test_after_the_fifth_replacement_volunteers_have_twice_the_time(world):
    commitment = world.audited()
    for _ in range(5):
        world.replace_judge(commitment.job_id)
        case = world.case(commitment.job_id)
        assert case.judge != 0 and case.deadline == world.rpc.now() + WINDOW
    world.replace_judge(commitment.job_id)
    case = world.case(commitment.job_id)
    assert (case.status, case.judge) == (CaseStatus.JUDGING, 0)
    assert case.deadline == world.rpc.now() + 2 * WINDOW


# volunteering


def test_volunteer_refuses_while_a_judge_is_at_work(world):
    commitment = world.audited()
    arguments = (*world.with_terms(commitment.job_id), 1)
    world.refuses(world.court.volunteer, *arguments, sender=world.judges[0], error="NoVolunteerWanted")


def test_volunteer_refuses_where_no_judge_is_awaited(world):
    commitment = world.submitted()
    arguments = (*world.with_terms(commitment.job_id), 1)
    world.refuses(world.court.volunteer, *arguments, sender=world.judges[0], error="WrongCaseStatus")


def test_volunteer_refuses_after_the_window(world, wanted):
    commitment, judge, slot_id = wanted
    world.past_case_deadline(commitment.job_id)
    arguments = (*world.with_terms(commitment.job_id), slot_id)
    world.refuses(world.court.volunteer, *arguments, sender=judge, error="CaseDeadlinePassed")


def test_volunteer_refuses_who_does_not_speak_for_the_slot(world, wanted):
    commitment, _, slot_id = wanted
    arguments = (*world.with_terms(commitment.job_id), slot_id)
    assert world.refuses(world.court.volunteer, *arguments, sender=world.stranger, error="NotTheJudge") == (slot_id,)


def test_volunteer_refuses_a_judge_who_was_late_in_this_case(world, wanted):
    commitment, _, _ = wanted
    judge = world.judges[0]
    arguments = (*world.with_terms(commitment.job_id), 1)
    assert world.refuses(world.court.volunteer, *arguments, sender=judge, error="SlotNotEligible") == (1,)


def test_volunteer_refuses_another_seat_of_somebody_who_was_late(world, wanted):
    commitment, _, _ = wanted
    slot_id = world.seat(world.judges[0])
    arguments = (*world.with_terms(commitment.job_id), slot_id)
    world.refuses(world.court.volunteer, *arguments, sender=world.judges[0], error="SlotNotEligible")


def test_volunteer_refuses_a_seat_of_another_class(world, wanted):
    commitment, judge, _ = wanted
    slot_id = world.seat(judge, CLASS + 1)
    arguments = (*world.with_terms(commitment.job_id), slot_id)
    world.refuses(world.court.volunteer, *arguments, sender=judge, error="SlotNotEligible")


def test_volunteer_refuses_the_parties(world, wanted):
    commitment, _, _ = wanted
    for party in (world.buyer, world.seller):
        slot_id = world.seat(party)
        arguments = (*world.with_terms(commitment.job_id), slot_id)
        world.refuses(world.court.volunteer, *arguments, sender=party, error="SlotNotEligible")


def test_volunteer_refuses_a_seat_that_was_left(world, wanted):
    commitment, judge, slot_id = wanted
    world.does(world.bench.leaveSlot, slot_id, sender=judge)
    arguments = (*world.with_terms(commitment.job_id), slot_id)
    world.refuses(world.court.volunteer, *arguments, sender=judge, error="SlotNotEligible")


def test_volunteer_refuses_an_old_state_and_other_terms(world, wanted):
    commitment, judge, slot_id = wanted
    job, state, terms = world.with_terms(commitment.job_id)
    call, old = world.court.volunteer, (*state[:2], int(JobStatus.SUBMITTED), *state[3:])
    world.refuses(call, job, old, terms, slot_id, sender=judge, error="StaleJob")
    world.refuses(call, job, state, Terms(segments=6).values(), slot_id, sender=judge, error="TermsDiffer")


def test_a_second_volunteer_comes_too_late(world, wanted):
    commitment, judge, slot_id = wanted
    (other,) = world.more_judges(1)
    volunteer(world, commitment.job_id, slot_id, judge)
    arguments = (*world.with_terms(commitment.job_id), slot_id + 1)
    world.refuses(world.court.volunteer, *arguments, sender=other, error="NoVolunteerWanted")


def test_a_volunteer_who_confirms_is_paid_like_a_drawn_judge(world, wanted):
    commitment, judge, slot_id = wanted
    before = world.books.wealth()
    volunteer(world, commitment.job_id, slot_id, judge)
    assert world.bond(slot_id).reserved == 5 * world.fee()
    deadline = world.job(commitment.job_id).deadline
    world.confirm(commitment)
    fee, levy = world.fee(), world.levy(commitment.job_id)
    returned = fee * 5 // 4 - levy
    assert world.books.gains(before) == {world.name(judge): fee, "pool": levy - fee, "buyer": returned}
    assert world.job(commitment.job_id).audited and world.job(commitment.job_id).deadline == deadline
    assert world.bond(slot_id).reserved == 0
    world.settle(commitment.job_id)


def test_a_volunteer_may_deny(world, wanted):
    commitment, judge, slot_id = wanted
    world.more_judges(3)
    world.travel(1)
    before = world.books.wealth()
    volunteer(world, commitment.job_id, slot_id, judge)
    world.deny(commitment)
    members = executed(world, commitment, ["other"] * 3)
    reckoning = Reckoning(world, commitment.job_id, pool=before["pool"])
    assert world.books.gains(before) == reckoning.slashed(members, first=world.name(judge))


def test_a_volunteer_who_is_late_pays_and_the_job_fails_open(world, wanted):
    commitment, judge, slot_id = wanted
    before, levy = world.books.wealth(), world.levy(commitment.job_id)
    volunteer(world, commitment.job_id, slot_id, judge)
    world.replace_judge(commitment.job_id)
    fee = world.fee()
    gains = {world.name(judge): -fee, "pool": fee + levy, "buyer": fee * 5 // 4 - levy}
    assert world.books.gains(before) == gains
    assert world.case(commitment.job_id).ruling is Ruling.UNJUDGED


# failing open


def test_without_a_volunteer_the_job_fails_open_after_one_more_window(world):
    """Principle 5, invariants 11 and 14: a longer window, and nobody pays but the absent."""
    commitment = abandoned(world)
    job_id, before = commitment.job_id, world.books.wealth()
    old, levy = world.job(job_id), world.levy(commitment.job_id)
    world.replace_judge(job_id)
    job = world.job(job_id)
    assert world.books.gains(before) == {"pool": levy, "buyer": old.held - old.price - levy}
    assert (job.status, job.audited, job.held) == (JobStatus.SUBMITTED, True, job.price)
    assert job.deadline == world.rpc.now() + world.params.audit_window >= old.deadline
    assert world.case(job_id).ruling is Ruling.UNJUDGED
    arguments = world.with_job(job_id)
    world.refuses(world.escrow.settle, *arguments, sender=world.seller, error="TooEarly")
    before = world.books.wealth()
    world.settle(job_id)
    fee = job.price // 100
    assert world.books.gains(before) == {"seller": job.price - fee, "pool": fee // 2, "burned": fee // 2}


def test_nobody_passes_an_audit_that_nobody_judged(world):
    commitment = abandoned(world)
    world.replace_judge(commitment.job_id)
    assert tuple(world.reputation.recordOf(world.seller)) == (0, 0, 0)


def test_in_the_longer_window_anyone_may_still_challenge(world):
    commitment = abandoned(world)
    world.replace_judge(commitment.job_id)
    before = world.books.wealth()
    challenge(world, commitment.job_id)
    members = executed(world, commitment, ["other"] * 3)
    reckoning = Reckoning(world, commitment.job_id, pool=before["pool"], levy_open=False)
    assert world.books.gains(before) == add(reckoning.slashed(members, ["stranger"]))
