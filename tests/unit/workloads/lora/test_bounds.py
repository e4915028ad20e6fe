# SPDX-License-Identifier: Apache-2.0
"""Zones: noise passes, a cheat does not, and what lies between is looked at more closely."""

import math

import pytest

from swarm.protocol.hardware import PRECISIONS
from swarm.workloads.certificates import Bound, certificate_for, certificates
from swarm.workloads.lora import bounds
from swarm.workloads.lora.distance import Distance
from swarm.workloads.workload import Zone

LIMITS = {name: Bound(1e-5, 5e-3) for name in ("weights", "first_moment", "second_moment")}
NEAR = {"weights": 1e-6, "first_moment": 1e-6, "second_moment": 1e-6}


def changed(**values: float) -> dict[str, float]:
    return NEAR | values


@pytest.mark.parametrize(
    ("found", "zone"),
    [
        (NEAR, Zone.ACCEPT),
        (changed(first_moment=1e-4), Zone.ESCALATE),
        (changed(second_moment=6e-3), Zone.REJECT),
        (changed(weights=math.nan), Zone.REJECT),
        (changed(weights=math.inf), Zone.REJECT),
    ],
)
def test_a_first_look_has_three_zones(found, zone):
    assert bounds.zone_of(found, LIMITS) is zone


def test_early_weights_have_bounds_of_their_own():
    """B starts at zero: AdamW divides small numbers by small ones."""
    near = Distance(1.0, 2.0, 3.0)
    assert bounds.named(near, 4) == {"early_weights": 1.0, "first_moment": 2.0, "second_moment": 3.0}
    assert "weights" in bounds.named(near, 5)


def test_a_closer_look_rejects_only_what_two_stacks_see():
    far = changed(first_moment=1e-3)
    assert bounds.closer_look(far, far, NEAR, LIMITS) is Zone.REJECT
    assert bounds.closer_look(far, NEAR, NEAR, LIMITS) is Zone.ACCEPT


def test_a_closer_look_forgives_what_this_segment_s_own_noise_explains():
    far = changed(first_moment=1e-3)
    assert bounds.closer_look(far, far, changed(first_moment=6e-6), LIMITS) is Zone.ACCEPT
    assert bounds.closer_look(far, far, changed(first_moment=4e-6), LIMITS) is Zone.REJECT


# first look, second look and the judge's own noise of the first moment, as measured
TF32_ON_THE_TINY_MODEL = (5.83e-4, 5.83e-4, 4.8e-7)  # the nearest of 200 segments
TF32_ON_SMOLLM2 = (1.84e-3, 1.84e-3, 3.06e-6)
AVX_512_ON_SMOLLM2 = (9.7e-5, 9.7e-5, 3.3e-6)  # the farthest that any honest machine was


def decided(first: float, second: float, noise: float) -> Zone:
    sides = ({"first_moment": value} for value in (first, second, noise))
    return bounds.closer_look(*sides, certificate_for("process", "fp32").bounds["fp32"])


@pytest.mark.parametrize("measured", [TF32_ON_THE_TINY_MODEL, TF32_ON_SMOLLM2])
def test_tf32_sold_as_fp32_does_not_pass_a_closer_look(measured):
    assert decided(*measured) is Zone.REJECT


def test_the_farthest_honest_machine_could_be_four_times_farther_and_would_pass_a_closer_look():
    first, second, noise = AVX_512_ON_SMOLLM2
    assert decided(4 * first, 4 * second, noise) is Zone.ACCEPT


def test_noise_that_grows_with_the_model_is_forgiven_whatever_the_class_s_bound():
    """A model a hundred times as noisy as any that was measured: the judge's own stacks show it."""
    assert decided(*(100 * value for value in AVX_512_ON_SMOLLM2)) is Zone.ACCEPT


@pytest.mark.parametrize(("ratio", "zone"), [(1.1, Zone.ACCEPT), (2.3, Zone.ESCALATE), (3.5, Zone.REJECT)])
def test_noise_is_measured_in_the_judge_s_own(ratio, zone):
    """An int8 base in bf16 is about twice as far as honest bf16: neither one look's acceptance nor its rejection."""
    noise = {"weights": 0.01, "first_moment": 0.03, "second_moment": 0.03}
    assert bounds.noise_zone(noise | {"first_moment": 0.03 * ratio}, noise) is zone


def test_several_segments_tell_a_base_from_chance():
    noise = [{"first_moment": 0.03}] * 4
    chance = [{"first_moment": value} for value in (0.06, 0.03, 0.028, 0.031)]
    base = [{"first_moment": value} for value in (0.06, 0.07, 0.065, 0.055)]
    assert bounds.pooled(chance, noise) < bounds.POOLED_REJECT < bounds.pooled(base, noise)


def test_no_noise_of_ours_makes_any_difference_of_theirs_infinite():
    assert bounds.noise_ratio({"weights": 1e-9}, {"weights": 0.0}) == math.inf
    assert bounds.noise_ratio({"weights": 0.0}, {"weights": 0.0}) == 0.0


def test_adam_cannot_move_farther_than_its_bound():
    """Against the worst history of gradients there is: each (β2/β1)^k times the one before."""
    beta1, beta2 = 0.9, 0.999
    m = v = 0.0
    largest = 0.0
    for step in range(1, 200):
        gradient = (beta2 / beta1) ** step
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        largest = max(largest, (m / (1 - beta1**step)) / math.sqrt(v / (1 - beta2**step)))
    assert largest <= bounds.step_bound(beta1, beta2) == pytest.approx(7.27, abs=0.01)
    assert bounds.step_bound(0.99, 0.9) == math.inf


def test_the_committed_certificates_hold_what_a_judge_needs():
    assert "process" in certificates()
    for certificate in certificates().values():
        for name, limits in certificate.bounds.items():
            assert set(limits) == {"weights", "early_weights", "first_moment", "second_moment"}
            for bound in limits.values():
                assert 0 <= bound.accept < bound.reject
                assert (bound.accept == 0) is (PRECISIONS[name] != "fp32")


def test_only_a_named_or_trusted_engine_is_certified(monkeypatch):
    image = "sha256:" + "a" * 64
    assert certificate_for("process", "fp32").name == "process"
    assert certificate_for(image, "fp32") is None
    monkeypatch.setenv("SWARM_CERTIFIED_IMAGES", f"sha256:{'b' * 64},{image}")
    assert certificate_for(image, "bf16").name == "process"
    assert certificate_for("", "fp32") is None
