# SPDX-License-Identifier: Apache-2.0
"""What a sweep does next: refusals to spend first, then whole sweeps played without a chain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarm.buyer.sweep import plan
from swarm.buyer.sweep.ledger import Fate
from swarm.buyer.sweep.table import best, counts, rows
from tests.unit.buyer.sweep.simulation import TOK, World, sweep

ASHA = {"type": "asha", "min_iter": 3, "eta": 3}


def steady(number: int, steps: int) -> float:
    """Run 4 is best at every rung."""
    return abs(number - 4) + 10 / steps


def test_spends_nothing_more_after_failures_in_a_row():
    world = World(sweep(canary=0, abort_if={"consecutive_failures": 3}), lambda number, steps: None)
    action = world.play()
    assert isinstance(action, plan.Stop) and "3 failures in a row" in action.reason
    assert len(world.runs) == 3


def test_a_success_between_failures_goes_on():
    world = World(
        sweep(canary=0, abort_if={"consecutive_failures": 2}, parallel=1), lambda n, s: None if n % 2 else 1.0
    )
    assert isinstance(world.play(), plan.Finish)
    assert counts(world.view()) == {"done": 5, "running": 0, "waiting": 0, "pruned": 0, "diverged": 4, "failed": 0}


def test_fans_out_only_after_a_canary_succeeded():
    world = World(sweep(canary=1), steady)
    assert isinstance(world.step(), plan.Propose) and len(world.runs) == 1
    assert isinstance(world.step(), plan.Plan) and isinstance(world.step(), plan.Send)
    assert isinstance(world.decide(), plan.Rest) and "canary" in world.decide().reason
    world.finish(0, Fate.CLAIMED)
    assert world.decide() == plan.Propose(3)


def test_stops_when_no_canary_succeeds():
    world = World(sweep(canary=2, abort_if={"consecutive_failures": 9}), lambda number, steps: None)
    action = world.play()
    assert action == plan.Stop("no canary of 2 succeeded") and len(world.runs) == 2


def test_a_failed_job_is_posted_again_and_its_trials_are_never_lost():
    world = World(sweep(canary=0, abort_if={"consecutive_failures": 9}), steady)
    for _ in range(3):
        world.step()
    world.finish(0, Fate.FAILED)
    tasks = world.postings[0].tasks
    action = world.decide()
    assert isinstance(action, plan.Plan) and set(tasks) <= {task for job in action.jobs for task in job}
    assert isinstance(world.play(), plan.Finish)
    assert counts(world.view())["done"] == 9


def test_gives_a_trial_up_after_its_attempts():
    world = World(sweep(canary=0, run_cap=1, max_attempts=2, abort_if={"consecutive_failures": 9}), steady)
    for number in range(2):
        while not world.postings[number : number + 1] or world.postings[number].fate is not Fate.LIVE:
            world.act(world.decide())
        world.finish(number, Fate.FAILED)
    assert isinstance(world.decide(), plan.Finish)
    assert counts(world.view())["failed"] == 1


def test_never_commits_more_than_the_budget():
    world = World(sweep(canary=0, budget={"max_total": "4.5", "max_per_run": 1}, parallel=9, per_job=2), steady)
    action = world.play()
    assert action == plan.Stop("budget.max_total is spent")
    assert world.most_committed <= 4.5 * TOK and len(world.runs) == 4


def test_money_that_returns_is_spent_again():
    world = World(sweep(canary=0, budget={"max_total": 3, "max_per_run": 1}, parallel=3, per_job=1), steady)
    for _ in range(40):
        action = world.decide()
        if isinstance(action, plan.Finish | plan.Stop):
            break
        world.act(action)
        if isinstance(action, plan.Rest):
            live = next(posting for posting in world.postings if posting.is_live)
            world.finish(live.number)
            world.postings[live.number] = replace(world.postings[live.number], cost=TOK // 2)
    assert len(world.runs) == 5 and world.most_committed <= 3 * TOK


def test_all_pieces_of_a_run_stay_within_its_budget():
    world = World(sweep(early_terminate=ASHA), steady)
    world.play()
    limits = world.view().limits
    for run in world.runs:
        tasks = {task for posting in world.postings for task in posting.tasks if task.run == run.id}
        assert sum(plan.share_of(limits, task, 27) for task in tasks) <= limits.per_run


def test_asha_prunes_and_the_best_comes_to_the_end():
    world = World(sweep(canary=0, early_terminate=ASHA, parallel=9), steady)
    assert isinstance(world.play(), plan.Finish)
    assert [run.id for run, _ in best(world.view())] == ["t4"]
    reached = {row["run"]: row["steps"] for row in rows(world.view())}
    assert sorted(reached.values()) == [3] * 6 + [9] * 2 + [27]
    assert counts(world.view())["pruned"] == 8


def test_a_later_rung_goes_on_from_the_committed_output_before():
    world = World(sweep(canary=0, early_terminate=ASHA, parallel=9), steady)
    world.play()
    later = [task for posting in world.postings for task in posting.tasks if task.rung]
    assert later and all(task.start == f"cid-{task.run}-{task.rung - 1}" for task in later)


def test_who_was_let_on_stays_let_on():
    """A better trial that comes later does not take anything back."""
    world = World(sweep(canary=0, early_terminate=ASHA, parallel=3, per_job=3, run_cap=6), lambda n, s: 9.0 - n)
    world.play()
    assert {task.run for posting in world.postings for task in posting.tasks if task.rung == 1} >= {"t2", "t5"}


def test_a_result_that_turns_out_false_takes_what_was_built_on_it_along():
    world = World(sweep(canary=0, early_terminate=ASHA, parallel=9, abort_if={"consecutive_failures": 99}), steady)
    world.play()
    assert best(world.view())[0][0].id == "t4"
    world.postings[0] = replace(world.postings[0], fate=Fate.FAILED, found=())
    lost = {task.run for task in world.postings[0].tasks}
    assert all(not world.view().ledger.outcomes[run] for run in lost)
    again = world.decide()
    assert isinstance(again, plan.Plan)
    assert {task.run for job in again.jobs for task in job if task.rung == 0} == lost


def test_hyperband_and_median_come_to_an_end():
    for kind in ("hyperband", "median"):
        world = World(sweep(canary=1, early_terminate=ASHA | {"type": kind}, parallel=4), steady)
        assert isinstance(world.play(), plan.Finish)
        assert rows(world.view())[0]["steps"] == 27


def test_trials_that_are_jobs_of_their_own_are_evaluated_afterwards():
    world = World(sweep(canary=0, run_cap=2, parallel=2), steady, evaluate_apart=True)
    assert isinstance(world.play(), plan.Finish)
    kinds = [(task.is_job, task.first_step, task.last_step) for posting in world.postings for task in posting.tasks]
    assert kinds == [(True, 0, 27), (True, 0, 27), (False, 27, 27), (False, 27, 27)]
    assert [len(posting.tasks) for posting in world.postings[:2]] == [1, 1]


def test_never_more_under_way_than_asked():
    world = World(sweep(canary=0, parallel=3, per_job=2), steady)
    world.play()
    assert world.peak <= 3


@pytest.mark.parametrize("kind", ["asha", "hyperband", "median"])
def test_any_order_of_ends_leads_to_the_end(kind):
    """Jobs end in another order than they began; nothing is run twice and nothing is forgotten."""
    import random

    generator = random.Random(5)
    world = World(sweep(early_terminate=ASHA | {"type": kind}, parallel=4, per_job=1), steady)
    for _ in range(3000):
        action = world.decide()
        if isinstance(action, plan.Finish):
            break
        world.act(action)
        live = [posting.number for posting in world.postings if posting.fate is Fate.LIVE]
        if live and (isinstance(action, plan.Rest) or generator.random() < 0.3):
            world.finish(generator.choice(live))
    assert isinstance(action, plan.Finish) and len(world.runs) == 9
    done = [(task.run, task.rung) for posting in world.postings for task in posting.tasks]
    assert len(done) == len(set(done))


def test_a_long_trial_goes_piece_by_piece_and_is_stopped_at_its_rung():
    """Pieces of at most two steps; rungs after 3, 9 and 27: nobody is judged in between."""
    world = World(
        sweep(canary=0, early_terminate=ASHA, run_cap=3, parallel=9), lambda number, steps: number + 1 / steps
    )
    world.piece_steps = 2
    assert isinstance(world.play(), plan.Finish)
    tasks = [task for posting in world.postings for task in posting.tasks]
    assert max(task.last_step - task.first_step for task in tasks) == 2
    farthest = {run.id: max(task.last_step for task in tasks if task.run == run.id) for run in world.runs}
    assert sorted(farthest.values()) == [3, 3, 27] and farthest["t0"] == 27
    assert len({(task.run, task.first_step) for task in tasks}) == len(tasks)
