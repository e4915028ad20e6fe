# SPDX-License-Identifier: Apache-2.0
"""The controller over a market in memory: what is refused, what a crash leaves, what is never done twice."""

from __future__ import annotations

import contextlib
import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarm.buyer.sweep import plan
from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.controller import Controller
from swarm.buyer.sweep.ledger import Fate
from swarm.buyer.sweep.prepare import held_out
from swarm.buyer.sweep.report import report
from swarm.buyer.sweep.table import best, rows, to_csv, to_json
from swarm.errors import NotFound, SpecError, TransientError
from swarm.execution.inputs import read_spec
from swarm.protocol.types import Digest, JobStatus
from swarm.storage.fake import FakeStore
from swarm.workloads.sweep.search import parse_sweep
from tests.unit.buyer.sweep.fake_market import FakeMarket
from tests.unit.buyer.sweep.place import SweepPlace
from tests.unit.workloads.sweep.conftest import SWEEP


def loss(training: dict, steps: int) -> float:
    return abs(np.log10(training["learning_rate"]) + 4) + 1 / steps + training["lora_r"] / 1000


class Place(SweepPlace):
    """A buyer's folder, a store and a market."""

    def __init__(self, root, **changes) -> None:
        folder = root / "buyer"
        self.root, self.base, self.store = root, folder, FakeStore()
        (folder / "model").mkdir(parents=True)
        layers = ("q_proj", "v_proj")
        weights = {f"model.layers.0.self_attn.{name}.weight": np.zeros((8, 8), np.float32) for name in layers}
        save_file(weights, folder / "model" / "model.safetensors")
        (folder / "model" / "config.json").write_text("{}")
        answer = {"role": "assistant", "content": "y"}
        turns = [{"messages": [{"role": "user", "content": f"{n}"}, answer]} for n in range(20)]
        (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
        self.sweep = parse_sweep(copy.deepcopy(SWEEP) | changes, base=folder)
        self.market = FakeMarket(self.store, root / "market", loss)

    def play(self, controller: Controller, ticks: int = 300) -> plan.Action:
        for _ in range(ticks):
            action = controller.tick()
            if isinstance(action, plan.Finish | plan.Stop):
                return action
            if isinstance(action, plan.Rest):
                self.market.work_all()
        raise AssertionError("the sweep never ends")


ASHA = {"type": "asha", "min_iter": 3, "eta": 3}


def test_refuses_a_run_that_does_not_pay_for_its_audit(tmp_path):
    with pytest.raises(SpecError, match="does not pay for an audit"):
        Place(tmp_path, budget={"max_total": "0.001"}).begin()


def test_refuses_to_hold_everything_out(tmp_path):
    with pytest.raises(SpecError, match="leaves nothing"):
        held_out(2, 0.9, 7)
    assert held_out(20, 0.1, 7) == held_out(20, 0.1, 7) and len(held_out(20, 0.1, 7)) == 2


def test_refuses_a_template_of_another_class(tmp_path):
    template = SWEEP["template"] | {"hardware_class": "cpu-fp32-tolerance"}
    with pytest.raises(SpecError):
        Place(tmp_path, template=template).begin()


def test_refuses_validation_data_that_is_not_there(tmp_path):
    with pytest.raises(NotFound, match=r"val\.jsonl"):
        Place(tmp_path, validation="file:val.jsonl").begin()


def test_holds_validation_out_of_the_data_and_says_how_trials_are_posted(tmp_path):
    header = Place(tmp_path).begin()
    assert header.facts == {"examples": 18, "validation_examples": 2}
    assert not header.evaluate_apart and "each trial is a segment" in header.reason
    assert header.dataset != header.validation and header.base_model.startswith("ipfs://")


def test_a_trial_that_takes_longer_than_a_segment_is_a_job_of_its_own(tmp_path):
    training = SWEEP["template"]["training"] | {"max_steps": 1_000_000, "steps_per_segment": 1000}
    header = Place(tmp_path, template=SWEEP["template"] | {"training": training, "segment_seconds": 1}).begin()
    assert header.evaluate_apart and "a job of its own" in header.reason


def test_a_whole_sweep_ends_with_a_table_of_committed_metrics(tmp_path):
    place = Place(tmp_path, early_terminate=ASHA)
    book = place.book()
    controller = place.controller(book)
    assert isinstance(place.play(controller), plan.Finish)
    view = controller.view()
    table = rows(view)
    assert len(table) == 9 and table[0]["state"] == "done" and table[0]["is_settled"]
    run, outcome = best(view)[0]
    assert table[0]["run"] == run.id
    assert outcome.found.metrics.eval_loss == loss({"learning_rate": 0, "lora_r": 0} | dict(run.parameters), 27)
    assert view.ledger.spent == sum(job.price for job in place.market.jobs) <= view.limits.max_total
    assert json.loads(to_json(table)) == table and to_csv(table).count("\n") == 10
    page = report(view, "s-1", "1")
    assert page.count("<svg") == 2 and run.id in page


def test_trials_as_jobs_of_their_own_are_trained_then_evaluated(tmp_path):
    place = Place(tmp_path, trial_as="job", run_cap=2, canary=0)
    controller = place.controller(place.book())
    assert isinstance(place.play(controller), plan.Finish)
    types = [read_spec(place.store, job.spec_cid).type for job in place.market.jobs]
    assert types == ["lora", "lora", "trials"]
    assert [row["state"] for row in rows(controller.view())] == ["done", "done"]


def test_same_jobs_are_posted_in_one_transfer(tmp_path, monkeypatch):
    place = Place(tmp_path, canary=0, parallel=6, per_job=2)
    sizes = []
    post_many = place.market.post_many

    def counted(account, terms, cids, **rest):
        sizes.append(len(cids))
        return post_many(account, terms, cids, **rest)

    monkeypatch.setattr(place.market, "post_many", counted)
    place.play(place.controller(place.book()))
    assert sizes[0] == 3


def test_a_job_nobody_takes_is_refunded_and_its_trials_posted_again(tmp_path):
    place = Place(tmp_path, canary=0, run_cap=3)
    controller = place.controller(place.book())
    for _ in range(3):
        controller.tick()
    place.market.time += 1000
    controller.tick()
    assert place.market.jobs[0].status is JobStatus.REFUNDED
    assert isinstance(place.play(controller), plan.Finish)
    assert len(place.market.jobs) == 2 and {row["state"] for row in rows(controller.view())} == {"done"}


def test_settles_for_a_seller_that_has_gone_but_never_within_the_audit_window(tmp_path):
    place = Place(tmp_path, canary=0, run_cap=3)
    controller = place.controller(place.book())
    for _ in range(3):
        controller.tick()
    place.market.work(place.market.jobs[0])
    controller.tick()
    assert place.market.jobs[0].status is JobStatus.SUBMITTED
    place.market.time += 1000
    for _ in range(2):
        action = controller.tick()
    assert place.market.jobs[0].status is JobStatus.SETTLED and isinstance(action, plan.Finish)


def test_a_resumed_sweep_forgets_the_failures_that_stopped_it(tmp_path):
    place = Place(tmp_path, canary=0, run_cap=1, max_attempts=9, abort_if={"consecutive_failures": 1})
    book = place.book()
    controller = place.controller(book)
    for _ in range(3):
        controller.tick()
    place.market.time += 1000
    assert isinstance(controller.tick(), plan.Stop | plan.Rest) and isinstance(controller.tick(), plan.Stop)
    book.reopen()
    assert isinstance(place.play(place.controller(book)), plan.Finish)


def test_a_false_result_is_forgotten_with_what_was_built_on_it(tmp_path):
    place = Place(tmp_path, canary=0, early_terminate=ASHA, parallel=9, per_job=9)
    book = place.book()
    controller = place.controller(book)
    for _ in range(4):
        controller.tick()
    place.market.work(place.market.jobs[0], cheats=True)
    for _ in range(4):
        controller.tick()
    assert len(place.market.jobs) == 2, "the second rung was posted on a submitted result"
    place.market.slash(place.market.jobs[0])
    controller.tick()
    assert all(not done for done in book.ledger().outcomes.values())
    assert isinstance(place.play(controller), plan.Finish)
    assert book.postings()[0].fate is Fate.FAILED and book.postings()[0].cost == 0
    for run, outcome in best(controller.view(), 9):
        assert outcome.found.metrics.eval_loss == loss(dict(run.parameters), outcome.task.last_step)


def test_waits_while_a_transaction_of_its_own_is_on_its_way(tmp_path):
    place = Place(tmp_path, canary=0)
    controller = place.controller(place.book())
    place.market.is_pending = True
    for _ in range(2):
        controller.tick()
    with pytest.raises(TransientError, match="not mined"):
        controller.tick()
    assert not place.market.jobs


def test_a_result_that_is_not_of_its_trials_decides_nothing(tmp_path):
    place = Place(tmp_path, canary=0, run_cap=3)
    book = place.book()
    controller = place.controller(book)
    for _ in range(3):
        controller.tick()
    place.market.work(place.market.jobs[0])
    place.market.jobs[0] = replace(place.market.jobs[0], segment_root=Digest(bytes(32)))
    controller.tick()
    assert not book.postings()[0].found
    place.market.settle(place.market.jobs[0])
    controller.tick()
    assert book.postings()[0].fate is Fate.FAILED and book.postings()[0].cost > 0


class Crash(BaseException):
    """The machine loses power."""


def crashing(monkeypatch, place: Place, at: int) -> None:
    """Power fails at deed number `at`: right after a job was posted, or right before or after a note was written."""
    deeds = iter(range(10**9))

    def fails_after(function):
        def wrapper(*arguments, **rest):
            found = function(*arguments, **rest)
            if next(deeds) == at:
                raise Crash
            return found

        return wrapper

    def fails_before(function):
        def wrapper(*arguments, **rest):
            if next(deeds) == at:
                raise Crash
            return function(*arguments, **rest)

        return wrapper

    monkeypatch.setattr(place.market, "post_many", fails_after(place.market.post_many))
    for name in ("write", "add_runs"):
        plain = getattr(SweepBook, name)
        monkeypatch.setattr(SweepBook, name, fails_after(fails_before(plain)))


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_a_crash_at_any_point_repeats_no_trial_and_loses_none(tmp_path, monkeypatch, at):
    place = Place(tmp_path, early_terminate=ASHA, parallel=4, per_job=2, run_cap=6)
    book = place.book()
    with monkeypatch.context() as patch:
        crashing(patch, place, at)
        with contextlib.suppress(Crash):
            place.play(place.controller(book))
        book.close()
    again = SweepBook.open(place.root / "home" / "sweeps", book.folder.name)
    controller = place.controller(again)
    assert isinstance(place.play(controller), plan.Finish)
    posted = [job.spec_cid for job in place.market.jobs]
    assert len(posted) == len(set(posted)) == len(again.postings())
    tasks = [(task.run, task.rung) for posting in again.postings() for task in posting.tasks]
    assert len(tasks) == len(set(tasks))
    assert len(again.runs()) == 6 and all(posting.fate is Fate.SETTLED for posting in again.postings())
