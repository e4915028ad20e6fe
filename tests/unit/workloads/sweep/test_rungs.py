# SPDX-License-Identifier: Apache-2.0
"""Early termination, by golden decisions."""

from swarm.workloads.sweep.rungs import EarlyTerminate, going_on, pieces_of, rungs_of

ASHA = EarlyTerminate(type="asha", min_iter=3, eta=3)
LOSSES = {f"t{n}": loss for n, loss in enumerate([1.9, 1.2, None, 1.5, 1.1, 1.8, 2.0, 1.7, 1.6])}


def test_rungs_grow_by_eta_up_to_the_end():
    assert rungs_of(ASHA, 27, 0) == [3, 9, 27]
    assert rungs_of(ASHA, 28, 5) == [3, 9, 27, 28]
    assert rungs_of(ASHA, 2, 0) == [2]
    assert rungs_of(None, 27, 0) == [27]


def test_hyperband_looks_later_at_every_second_and_third_trial():
    policy = EarlyTerminate(type="hyperband", min_iter=3, eta=3, brackets=3)
    assert [rungs_of(policy, 27, number) for number in range(4)] == [[3, 9, 27], [9, 27], [27], [3, 9, 27]]


def test_asha_lets_the_best_of_eta_go_on():
    assert going_on(ASHA, LOSSES, is_closed=False) == {"t4", "t1", "t3"}
    assert going_on(ASHA, {"t0": 1.9, "t1": 1.2}, is_closed=False) == set()
    assert going_on(ASHA, {"t0": 1.9, "t1": 1.2, "t2": None}, is_closed=False) == {"t1"}


def test_the_best_goes_on_where_nobody_else_will_come():
    assert going_on(ASHA, {"t0": 1.9, "t1": 1.2}, is_closed=True) == {"t1"}
    assert going_on(ASHA, {"t0": None}, is_closed=True) == set()


def test_equal_losses_are_told_apart_by_id():
    assert going_on(ASHA, {"b": 1.0, "a": 1.0, "c": 1.0}, is_closed=False) == {"a"}


def test_median_stops_the_worse_half():
    policy = EarlyTerminate(type="median", min_iter=3)
    assert going_on(policy, LOSSES, is_closed=False) == {"t4", "t1", "t3", "t8"}
    assert going_on(policy, {"t0": 1.0, "t1": 2.0}, is_closed=False) == set()


def test_a_long_way_between_rungs_has_several_pieces():
    assert pieces_of([3, 9, 27], 0) == [(0, 3), (3, 9), (9, 27)]
    assert pieces_of([3, 9], 4) == [(0, 3), (3, 7), (7, 9)]
    assert pieces_of([4], 4) == [(0, 4)]
    assert pieces_of([10], 4) == [(0, 4), (4, 8), (8, 10)]
