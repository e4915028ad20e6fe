# SPDX-License-Identifier: Apache-2.0
"""What any judge may do has a turn: who lost a race leaves more to others, and a seed has one turn for all its jobs."""

from dataclasses import replace

import pytest

from swarm.chain import reverts
from swarm.protocol.types import Address, CaseStatus, Epoch, JobId, JobStatus, Slot, SlotId
from tests.unit.seller.test_plan import NOW, job
from tests.unit.verifier.cases import JUDY, OWNER, observed, view
from tests.unit.verifier.test_service import journal, judge_of, judged  # noqa: F401
from tests.unit.verifier.world import World
from verifier import plan
from verifier.observer import Observer


def lost(name, *, is_mined):
    error = reverts.exceptions()[name]("too late")
    error.is_mined = is_mined
    return error


@pytest.mark.parametrize("is_mined, slots", [(True, 8), (False, 2)])
def test_a_judge_who_lost_a_race_leaves_more_to_others_and_less_once_it_wins(journal, is_mined, slots):
    world = World(observed(CaseStatus.APPEALABLE, deadline=NOW - 100))
    world.refuses["execute"] = lost("StaleJob", is_mined=is_mined)
    judge = judge_of(world, journal)
    assert isinstance(judge.tick(), plan.Rest)
    assert judge._observer.window.slots == slots
    world.refuses.clear()
    assert isinstance(judge.tick(), plan.Execute)
    assert judge._observer.window.slots == slots // 2


def test_what_a_judge_owes_and_is_refused_is_no_lost_race(journal):
    world = World(observed(CaseStatus.JUDGING))
    world.refuses["confirm"] = lost("WrongCaseStatus", is_mined=True)
    judge = judged(world, journal)
    judge.tick()
    assert judge._observer.window.slots == 1


def test_the_jobs_of_one_epoch_have_one_turn_for_their_seed():
    """Else a judge with many jobs would nearly always find one whose turn is now."""
    world = World(observed(job_status=JobStatus.SUBMITTED), seed=(None, False))
    world.slots += tuple(Slot(SlotId(n), OWNER, 1, 0, 0, Address(f"0x{n:040x}"), 1) for n in range(3, 30))
    observer = Observer(world.chain(), JUDY)
    observer.my_slots()
    assert len({observer.turn(JobId(number)) for number in range(1, 20)}) > 4
    due = world.chain().beacon.time_of(0)

    def waits(number):
        job = replace(world.item.job, job_id=JobId(number))
        return next(later for later in range(100) if observer._observe(job, due + later).seed_due)

    assert len({waits(number) for number in range(1, 20)}) == 1


def test_judges_begin_with_different_seeds_where_several_are_overdue():
    """Else all bring the same one, all but one of them in vain, and the next one waits."""
    jobs = [job(number, JobStatus.SUBMITTED, epoch=Epoch(number)) for number in range(1, 13)]
    late = [observed(job_status=JobStatus.SUBMITTED, seed_known=False, seed_due=True, deadline=NOW) for _ in jobs]
    items = [replace(item, job=each) for item, each in zip(late, jobs, strict=True)]
    people = [Address(f"0x{number:040x}") for number in range(1, 9)]

    def first(person):
        observer = Observer(World(items[0]).chain(), person)
        return plan.decide(view(*items, seed_order=observer.seed_order)).item.job.epoch

    assert len({first(person) for person in people}) > 4
    assert plan.decide(view(*items)).item.job.epoch == 1
