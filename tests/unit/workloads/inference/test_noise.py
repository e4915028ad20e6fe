# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from swarm.errors import JobFailed
from swarm.workloads.inference.noise import Sampler, gumbel, gumbel_of


def test_golden_noise():
    """Other bits would convict every honest seller of a running job."""
    assert gumbel(7, 0, 0, 4).tobytes().hex() == "153c06bf99ce36beda0d8d3f3fa089bf"
    assert gumbel(1 << 62, 9, 300, 2).tobytes().hex() == "de2da23dd6f0e33f"


def test_refuses_logits_that_are_no_numbers():
    for bad in (np.nan, np.inf):
        with pytest.raises(JobFailed, match="request 3 is not finite"):
            Sampler(0.0, 1).choose(np.array([0, bad], np.float32), 3, 0)


def test_the_logarithm_is_near_the_library_s():
    words = np.random.default_rng(1).integers(0, 1 << 64, 100_000, dtype=np.uint64)
    words[:3] = 0, (1 << 64) - 1, 1 << 63
    uniform = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    np.testing.assert_allclose(gumbel_of(words), -np.log(-np.log(uniform)), rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 2.0])
def test_the_short_way_is_the_whole_way(temperature):
    """Only few tokens get a logarithm; the best two are the same as with all of them."""
    generator = np.random.default_rng(5)
    sampler = Sampler(temperature, 11)
    for position in range(50):
        logits = generator.normal(0, 3, 2000).astype(np.float32)
        scores = logits + np.float32(temperature) * gumbel(11, 2, position, 2000)
        found = sampler.choose(logits, 2, position)
        first, second = np.argsort(-scores, kind="stable")[:2]
        assert (found.token, found.runner_up) == (first, second)
        assert (found.score, found.runner_up_score) == (scores[first], scores[second])
        assert sampler.score(logits, 2, position, int(first)) == found.score


def test_draws_from_the_softmax():
    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    drawn = [Sampler(1.0, 3).choose(logits, 0, position).token for position in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn) / 4000, [0.6, 0.3, 0.1], atol=0.03)


def test_equal_scores_go_to_the_lowest_token():
    found = Sampler(0.0, 0).choose(np.array([1, 5, 5, 5], np.float32), 0, 0)
    assert (found.token, found.runner_up) == (1, 2)


def test_every_seed_request_and_place_has_noise_of_its_own():
    keys = [(7, 0, 0), (8, 0, 0), (7, 1, 0), (7, 0, 1)]
    assert len({gumbel(*key, 3).tobytes() for key in keys}) == 4
