# SPDX-License-Identifier: Apache-2.0
"""Proposals: none twice, the same ones for the same history."""

from dataclasses import replace

import pytest

from swarm.buyer.sweep.proposals import Known, propose
from tests.unit.buyer.sweep.simulation import sweep


def known(proposals, loss=1.0):
    return [Known(each.id, each.raw, loss) for each in proposals]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_the_same_history_gives_the_same_proposals(method):
    search = sweep(method=method)
    first = propose(search, [], 4)
    assert first == propose(search, [], 4) and len({each.id for each in first}) == 4
    second = propose(search, known(first), 4)
    assert second == propose(search, known(first), 4)
    assert not {each.id for each in first} & {each.id for each in second}
    assert first != propose(search.model_copy(update={"seed": 1}), [], 4)


def test_a_space_that_is_used_up_gives_fewer():
    search = sweep(method="random", parameters={"training.lora_r": {"values": [2, 4]}})
    first = propose(search, [], 5)
    assert sorted(each.parameters["lora_r"] for each in first) == [2, 4]
    assert propose(search, known(first), 5) == []


def test_a_grid_comes_in_its_order_and_goes_on_where_it_was():
    parameters = {"training.lora_r": {"values": [2, 4, 8]}, "training.max_steps": {"values": [9, 27]}}
    search = sweep(method="grid", parameters=parameters)
    first = propose(search, [], 4)
    assert [tuple(each.parameters.values()) for each in first] == [(2, 9), (2, 27), (4, 9), (4, 27)]
    assert [each.max_steps for each in first] == [9, 27, 9, 27]
    rest = propose(search, known(first), 9)
    assert [tuple(each.parameters.values()) for each in rest] == [(8, 9), (8, 27)]


def test_a_combination_that_does_not_fit_together_is_left_out():
    parameters = {"training.warmup_steps": {"values": [0, 20]}, "training.max_steps": {"values": [9, 27]}}
    found = propose(sweep(method="grid", parameters=parameters), [], 9)
    assert {(each.parameters["warmup_steps"], each.max_steps) for each in found} == {(0, 9), (0, 27), (20, 27)}


def test_bayes_learns_from_what_came_back():
    """With losses that fall with the rank's distance from 8, later proposals crowd there."""
    search = sweep(parameters={"training.learning_rate": {"min": 0.0001, "max": 0.1}}, run_cap=60)
    history: list[Known] = []
    for _ in range(8):
        for each in propose(search, history, 5):
            history.append(Known(each.id, each.raw, abs(each.parameters["learning_rate"] - 0.02)))
    late = [entry.loss for entry in history[-10:]]
    early = [entry.loss for entry in history[:10]]
    assert sum(late) / len(late) < sum(early) / len(early) / 2


def test_runs_under_way_and_failed_ones_are_told_too():
    search = sweep()
    first = known(propose(search, [], 12))
    mixed = [*first[:4], *(replace(each, loss=None) for each in first[4:8])]
    mixed += [replace(each, loss=None, has_failed=True) for each in first[8:]]
    assert len(propose(search, mixed, 3)) == 3


def test_groups_move_together():
    groups = [{"training.lora_r": 2, "training.lora_alpha": 4}, {"training.lora_r": 8, "training.lora_alpha": 64}]
    parameters = {"training.learning_rate": {"min": 1e-4, "max": 1e-3}}
    found = propose(sweep(parameters=parameters, groups=groups), [], 9)
    assert {(each.parameters["lora_r"], each.parameters["lora_alpha"]) for each in found} == {(2, 4), (8, 64)}


def test_epochs_become_the_steps_that_each_batch_size_needs():
    parameters = {"training.num_epochs": {"values": [1, 2.5]}, "training.micro_batch_size": {"values": [2, 4]}}
    search = sweep(method="grid", parameters=parameters)
    found = propose(search, [], 9, 20)
    assert {(each.parameters["micro_batch_size"], each.max_steps) for each in found} == {
        (2, 10),
        (4, 5),
        (2, 25),
        (4, 13),
    }
    assert all("num_epochs" not in each.parameters for each in found)
    assert propose(search, [], 9) == []


def test_epochs_that_mean_the_same_steps_are_one_trial():
    search = sweep(method="grid", parameters={"num_epochs": {"values": [1, 1.01]}})
    assert len(propose(search, [], 9, 8)) == 2
    assert len(propose(search, [], 9, 4)) == 2
    assert len(propose(sweep(method="grid", parameters={"num_epochs": {"values": [0.1, 0.2]}}), [], 9, 4)) == 1
