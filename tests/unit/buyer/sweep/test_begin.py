# SPDX-License-Identifier: Apache-2.0
"""What a sweep makes of its template: data of every form, validation, epochs, trials longer than a segment."""

from __future__ import annotations

import json

import pytest

from swarm.buyer.sweep import plan
from swarm.errors import SpecError
from swarm.execution.inputs import read_spec
from tests.unit.buyer.sweep.test_controller import ASHA, Place
from tests.unit.workloads.sweep.conftest import SWEEP


def test_a_long_trial_that_may_be_stopped_goes_in_pieces(tmp_path):
    training = SWEEP["template"]["training"] | {"max_steps": 1_000_000, "steps_per_segment": 1000}
    template = SWEEP["template"] | {"training": training, "segment_seconds": 1}
    long = ASHA | {"min_iter": 200_000}
    header = Place(tmp_path, template=template, budget={"max_total": 900}, early_terminate=long).begin()
    assert not header.evaluate_apart and header.piece_steps > 1000 and "piece by piece" in header.reason


def test_reads_the_template_s_own_form_of_data_and_its_validation(tmp_path):
    dataset = {"path": "file:texts.jsonl", "type": "completion"}
    test = dataset | {"path": "file:held.jsonl"}
    place = Place(tmp_path, template=SWEEP["template"] | {"datasets": [dataset], "test_datasets": [test]})
    for name, count in (("texts", 6), ("held", 3)):
        rows = "".join(json.dumps({"text": f"text {n}"}) + "\n" for n in range(count))
        (tmp_path / "buyer" / f"{name}.jsonl").write_text(rows)
    book = place.book()
    assert book.header.facts == {"examples": 6}
    assert isinstance(place.play(place.controller(book)), plan.Finish)
    spec = read_spec(place.store, place.market.jobs[0].spec_cid)
    assert spec.datasets[0].type == "completion" and spec.validation == book.header.validation


def test_validation_data_in_another_form_is_refused(tmp_path):
    test = {"path": "file:chats.jsonl", "type": "completion"}
    with pytest.raises(SpecError, match=r"template\.test_datasets: expected the form of template\.datasets"):
        Place(tmp_path, template=SWEEP["template"] | {"test_datasets": [test]}).begin()


def test_the_template_s_share_is_held_out_where_the_sweep_says_none(tmp_path):
    template = SWEEP["template"] | {"val_set_size": 0.5}
    header = Place(tmp_path / "a", template=template).begin()
    assert header.facts == {"examples": 10, "validation_examples": 10}
    assert header.sweep.template.val_set_size == 0
    other = Place(tmp_path / "b", template=template, val_set_size=0.1).begin()
    assert other.facts == {"examples": 18, "validation_examples": 2}


def test_epochs_are_searched_as_steps(tmp_path):
    place = Place(tmp_path, parameters={"num_epochs": {"values": [1, 2]}, "learning_rate": {"value": 1e-4}})
    place.market.loss = lambda training, steps: 1 / steps
    book = place.book()
    assert isinstance(place.play(place.controller(book)), plan.Finish)
    assert sorted(run.max_steps for run in book.runs()) == [5, 9]
