# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from swarm.workloads.inference.bounds import BOUNDS
from swarm.workloads.inference.margins import Answered, assess, is_hopeless, measured
from swarm.workloads.workload import Zone


def answer(margins, errors=None) -> Answered:
    margins = np.array(margins, float)
    return Answered(margins, np.zeros(len(margins)) if errors is None else np.array(errors, float))


def zone(*answers: Answered) -> Zone:
    return assess(measured(answers)).zone


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rejects_figures_that_are_no_numbers(bad):
    assert zone(answer([0, bad])) is Zone.REJECT
    assert zone(answer([0, 0], [0, bad])) is Zone.REJECT


def test_rejects_a_margin_a_rounding_cannot_explain():
    found = assess(measured([answer([0] * 49 + [3.0] * 2)]))
    assert found.zone is Zone.REJECT and "tail_share" in found.facts["decided_by"]


def test_rejects_one_false_answer_among_many():
    honest = [answer([0.0] * 50) for _ in range(400)]
    assert zone(*honest, answer([0.3] * 2 + [0.0] * 48)) is Zone.REJECT


def test_rejects_logits_of_other_weights():
    assert zone(answer([0.0] * 20, [0.1] * 20)) is Zone.REJECT


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_escalates_between_the_bounds_and_slashes_nobody_there(name):
    accept, reject = BOUNDS[name]
    assert 0 <= accept < reject
    if name == "tail_share":
        return
    middle = (accept + reject) / 2
    is_margin = "margin" in name
    many = 1 if name.startswith("mean") else 1000
    rest = [answer([0.0] * 10) for _ in range(many - 1)]
    one = answer([middle] * 10) if is_margin else answer([0.0] * 10, [middle] * 10)
    assert zone(*rest, one) is Zone.ESCALATE


def test_accepts_the_pinned_draw_with_rounding():
    found = assess(measured([answer([0.0] * 63 + [1e-5], [1e-5] * 64)]))
    assert found.zone is Zone.ACCEPT and found.facts["decided_by"] == ""


def test_accepts_a_shard_of_errors_only():
    assert zone(answer([])) is Zone.ACCEPT


def test_what_no_other_request_can_mend_is_hopeless():
    false = answer([0.3] * 10)
    assert is_hopeless(measured([false])) and zone(false, *[answer([0.0] * 10)] * 5000) is Zone.REJECT
    assert not is_hopeless(measured([answer([5e-4] * 10)]))
    assert is_hopeless(measured([answer([np.nan])]))
