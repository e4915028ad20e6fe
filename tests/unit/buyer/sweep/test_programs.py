# SPDX-License-Identifier: Apache-2.0
"""Sweeps over a program in a container: a job a trial, rungs, a killed controller, what is kept."""

from __future__ import annotations

import json

import pytest

from swarm.buyer.sweep import plan
from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.controller import Controller
from swarm.buyer.sweep.keep import keep
from swarm.buyer.sweep.ledger import Fate
from swarm.buyer.sweep.table import best, counts, progress, rows
from swarm.cli.sweeping import best_spec, quote, short
from swarm.errors import SpecError
from swarm.execution.inputs import read_spec
from swarm.protocol.types import JobStatus
from swarm.storage.fake import FakeStore
from swarm.workloads.spec import parse_spec
from swarm.workloads.sweep.search import parse_sweep
from tests.unit.buyer.sweep.fake_market import FakeMarket
from tests.unit.buyer.sweep.place import SweepPlace
from tests.unit.workloads.sweep.conftest import PROGRAM, PROGRAM_SWEEP

RUNGS = {"type": "asha", "min_iter": 1, "eta": 3, "max_iter": 9}


def accuracy(given: dict, steps: int) -> float | None:
    return None if given == {} else float(given["lr"]) * int(given["SEED"]) + steps / 100


class Place(SweepPlace):
    def __init__(self, root, shown=accuracy, **changes) -> None:
        self.root, self.base, self.store = root, root, FakeStore()
        self.sweep = parse_sweep(PROGRAM_SWEEP | changes, base=root)
        self.market = FakeMarket(self.store, root / "market", shown)
        (root / "text").write_text("data")

    def play(self, controller: Controller) -> plan.Action:
        for _ in range(300):
            action = controller.tick()
            if isinstance(action, plan.Finish | plan.Stop):
                return action
            if isinstance(action, plan.Rest):
                self.market.work_all()
        raise AssertionError("the sweep never ends")


def test_refuses_a_run_that_does_not_pay_for_its_audit(tmp_path):
    with pytest.raises(SpecError, match="does not pay for an audit"):
        Place(tmp_path, budget={"max_total": "0.001"}).begin()


def test_every_trial_is_a_container_job_with_its_parameters(tmp_path):
    inputs = [{"source": "file:text", "target": "/inputs/text"}]
    place = Place(tmp_path, program=PROGRAM | {"inputs": inputs})
    book = place.book()
    controller = place.controller(book)
    assert isinstance(place.play(controller), plan.Finish)
    specs = [read_spec(place.store, job.spec_cid) for job in place.market.jobs]
    assert len(specs) == 9 and len({spec.args + tuple(spec.env.items()) for spec in specs}) == 9
    assert all(spec.type == "container" and spec.engine == spec.image for spec in specs)
    assert all([entry.target for entry in spec.inputs] == ["/inputs/text", "/inputs/parameters.json"] for spec in specs)
    view = controller.view()
    table = rows(view)
    assert table[0]["acc"] == pytest.approx(0.91) and table[0]["lr"] == 0.3 and table[0]["env.SEED"] == 3
    assert [row["acc"] for row in table] == sorted((row["acc"] for row in table), reverse=True)
    assert progress(view)[-1][1] == table[0]["acc"] and list(short(table[0]))[3] == "acc"
    assert view.ledger.spent <= 9 * 10**18


def test_asha_lets_the_best_third_go_on_from_what_it_left(tmp_path):
    place = Place(tmp_path, early_terminate=RUNGS)
    book = place.book()
    controller = place.controller(book)
    assert isinstance(place.play(controller), plan.Finish)
    assert counts(controller.view())["done"] == 1 and counts(controller.view())["pruned"] == 8
    (run, outcome), *_ = best(controller.view())
    assert run.parameters == {"lr": 0.3, "env.SEED": 3} and outcome.task.last_step == 9
    specs = [read_spec(place.store, job.spec_cid) for job in place.market.jobs]
    steps = [(spec.env["TRIAL_FIRST_STEP"], spec.env["TRIAL_LAST_STEP"]) for spec in specs]
    assert steps.count(("0", "1")) == 9 and steps.count(("1", "3")) == 3 and steps.count(("3", "9")) == 1
    known = {f"ipfs://{each.found[0].output_cid}" for each in book.postings()}
    started = {entry.source for spec in specs for entry in spec.inputs if entry.target == "/inputs/trial"}
    assert started and started <= known
    folder = keep(place.store, book, controller.view(), run)
    assert json.loads((folder / "metrics.json").read_text())["acc"] == pytest.approx(0.99)


def test_a_controller_that_was_killed_posts_nothing_twice(tmp_path):
    place = Place(tmp_path, early_terminate=RUNGS)
    book = place.book()
    for _ in range(4):
        place.controller(book).tick()
    assert place.market.jobs
    place.market.work_all()
    book = SweepBook.open(book.folder.parent, book.folder.name)
    assert isinstance(place.play(place.controller(book)), plan.Finish)
    tasks = [(task.run, task.rung) for posting in book.postings() for task in posting.tasks]
    assert len(tasks) == len(set(tasks)) == len(place.market.jobs)
    assert all(posting.fate is Fate.SETTLED for posting in book.postings())


def test_programs_that_fail_end_the_spending(tmp_path):
    place = Place(tmp_path, lambda given, steps: None, canary=1, parallel=1)
    end = place.play(place.controller(place.book()))
    assert isinstance(end, plan.Stop) and len(place.market.jobs) <= 3


def test_a_result_that_turns_out_false_is_run_again(tmp_path):
    place = Place(tmp_path, parameters={"lr": {"value": 0.1}, "env.SEED": {"value": 1}}, canary=0)
    book = place.book()
    controller = place.controller(book)
    while not place.market.jobs:
        controller.tick()
    place.market.work(place.market.jobs[0], cheats=True)
    controller.tick()
    assert rows(controller.view())[0]["acc"] > 1
    place.market.slash(place.market.jobs[0])
    assert isinstance(place.play(controller), plan.Finish)
    assert rows(controller.view())[0]["acc"] == pytest.approx(0.11) and len(place.market.jobs) == 2
    assert place.market.jobs[0].status is JobStatus.SLASHED


def test_the_quote_says_who_vouches_for_the_metrics_and_the_best_is_a_spec(tmp_path):
    assert "repeated by judges" in quote(Place(tmp_path).begin())["trials"]
    place = Place(tmp_path, program=PROGRAM | {"determinism": "none"})
    assert "the seller's word alone" in quote(place.begin())["trials"]
    book = place.book()
    controller = place.controller(book)
    place.play(controller)
    (run, _), *_ = best(controller.view())
    spec = parse_spec(best_spec(book.header, run))
    assert spec.args[-1] == "--lr=0.3" and spec.env["SEED"] == "3"


def test_a_parameter_that_is_called_like_a_column_has_one_of_its_own(tmp_path):
    parameters = {"lr": {"value": 0.1}, "env.SEED": {"value": 1}, "steps": {"value": 5}, "state": {"value": "x"}}
    place = Place(tmp_path, parameters=parameters)
    controller = place.controller(place.book())
    place.play(controller)
    (row,) = rows(controller.view())
    assert row["state"] == "done" and row["parameters.state"] == "x" and row["parameters.steps"] == 5
