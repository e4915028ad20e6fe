# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from swarm.workloads.lora.segments import (
    batch_of,
    epoch_order,
    is_held_out,
    learning_rate,
    power,
    segment_count,
    steps_of,
)


@pytest.mark.parametrize("segment", [-1, 4])
def test_refuses_a_segment_outside_the_run(segment: int) -> None:
    with pytest.raises(ValueError, match="outside the run"):
        steps_of(segment, max_steps=7, steps_per_segment=2)


def test_segments_cover_the_run_once() -> None:
    ranges = [steps_of(segment, max_steps=7, steps_per_segment=2) for segment in range(segment_count(7, 2))]
    assert [step for steps in ranges for step in steps] == list(range(7))


def test_the_order_of_version_1_is_frozen() -> None:
    assert epoch_order(10, 7, 0) == (9, 5, 3, 8, 0, 4, 2, 6, 1, 7)
    assert epoch_order(10, 7, 1) == (4, 2, 9, 0, 7, 8, 3, 6, 1, 5)
    assert epoch_order(10, 8, 0) == (4, 5, 0, 9, 8, 6, 2, 1, 7, 3)


def test_the_validation_split_of_version_1_is_frozen() -> None:
    assert [index for index in range(60) if is_held_out(index, share=0.1, seed=7)] == [27, 43, 47, 50, 56, 58, 59]
    assert [index for index in range(60) if is_held_out(index, share=0.1, seed=8)] == [28, 31, 50]


def test_the_validation_split_meets_its_share_and_grows_with_it() -> None:
    small = {index for index in range(20_000) if is_held_out(index, share=0.05, seed=3)}
    large = {index for index in range(20_000) if is_held_out(index, share=0.2, seed=3)}
    assert small < large
    assert (len(small), len(large)) == (pytest.approx(1000, rel=0.1), pytest.approx(4000, rel=0.1))
    assert not any(is_held_out(index, share=0.0, seed=3) for index in range(100))


def test_a_batch_goes_on_into_the_next_epoch() -> None:
    assert batch_of(2, examples=10, batch_size=4, seed=7) == [1, 7, 4, 2]


def test_a_batch_may_be_larger_than_the_data() -> None:
    batch = batch_of(0, examples=3, batch_size=7, seed=1)
    assert (sorted(batch[:3]), sorted(batch[3:6]), len(batch)) == ([0, 1, 2], [0, 1, 2], 7)


def test_every_example_is_seen_once_per_epoch() -> None:
    steps = [index for step in range(25) for index in batch_of(step, examples=50, batch_size=2, seed=3)]
    assert sorted(steps) == list(range(50))


def test_all_places_are_equally_likely() -> None:
    firsts = [epoch_order(4, seed, 0)[0] for seed in range(4000)]
    # Chi-square with 3 degrees of freedom: 16.27 is exceeded once in a thousand; seeds are fixed, so never here.
    assert sum((firsts.count(place) - 1000) ** 2 / 1000 for place in range(4)) < 16.27


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (
            "cosine",
            [
                0.0005000000237487257,
                0.0010000000474974513,
                0.0010000000474974513,
                0.0008535534143447876,
                0.0005000000237487257,
                0.00014644660404883325,
            ],
        ),
        (
            "linear",
            [
                0.0005000000237487257,
                0.0010000000474974513,
                0.0010000000474974513,
                0.000750000006519258,
                0.0005000000237487257,
                0.0002500000118743628,
            ],
        ),
        ("constant", [0.0005000000237487257] + [0.0010000000474974513] * 5),
    ],
)
def test_the_rates_of_version_1_are_frozen(schedule: str, rates: list[float]) -> None:
    found = [learning_rate(step, peak=1e-3, schedule=schedule, warmup_steps=2, max_steps=6) for step in range(6)]
    assert found == rates


def test_a_run_of_warmup_only_has_a_rate() -> None:
    assert learning_rate(3, peak=1.0, schedule="cosine", warmup_steps=4, max_steps=4) == 1.0


@pytest.mark.parametrize("exponent", [0, 1, 2, 7, 40, 1_000_000])
def test_power_agrees_with_the_mathematical_one(exponent: int) -> None:
    assert power(0.999, exponent) == pytest.approx(0.999**exponent, rel=1e-12)
