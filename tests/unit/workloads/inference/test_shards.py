# SPDX-License-Identifier: Apache-2.0
"""A segment should hold 256 tokens: below, a model that spoofs another one's answers may go unnoticed."""

from __future__ import annotations

import pytest

from swarm.workloads.inference.shards import fitting_size, requests_of, thin_segments
from swarm.workloads.inference.workload import InferenceWorkload
from swarm.workloads.spec import canonical_json, parse_resolved, parse_spec
from tests.unit.workloads.inference.conftest import ask
from tests.unit.workloads.inference.test_workload import pins

WORKLOAD = InferenceWorkload()
THIN = "segments_below_256_tokens"


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ([256] * 1000, 64),
        ([4] * 128, 64),
        ([2] * 1280, 128),
        ([1] * 10, 64),
        ([], 64),
    ],
)
def test_short_answers_make_larger_shards(limits, size):
    found = fitting_size(limits)
    assert found == size or not thin_segments(limits, found)
    assert found >= size


def test_the_last_shard_counts_too():
    """64 requests of 4 tokens are enough, the one left over of 65 is not."""
    limits = [4] * 65
    assert thin_segments(limits, 64) == 1
    size = fitting_size(limits)
    assert size > 64 and thin_segments(limits, size) == 0


def test_no_shard_grows_beyond_what_a_spec_may_say():
    assert fitting_size([1] * 9000) <= 4096
    assert fitting_size([1] * 100) >= 64 and thin_segments([1] * 100, 100) == 1


def test_a_shard_s_tokens_are_those_of_its_own_requests():
    limits = [250, 6, 255]
    assert thin_segments(limits, 2) == 1
    assert [list(requests_of(at, requests=3, size=2)) for at in range(2)] == [[0, 1], [2]]


def test_resolving_chooses_the_size_only_where_nobody_did(written, model_dir, lines, tmp_path):
    lines(*(ask(str(number), max_tokens=2) for number in range(300)))
    chosen = WORKLOAD.resolve(parse_spec(written | {"shards": {"batch": 2}}), pins(tmp_path))
    assert chosen.spec.shards.size >= 128 and THIN not in chosen.facts
    assert parse_resolved(canonical_json(chosen.spec)) == chosen.spec
    said = WORKLOAD.resolve(parse_spec(written | {"shards": {"size": 100}}), pins(tmp_path))
    assert said.spec.shards.size == 100 and said.facts[THIN] == 3


def test_shards_that_are_repeated_byte_for_byte_may_be_short(written, model_dir, lines, tmp_path):
    lines(ask("one"))
    found = WORKLOAD.resolve(parse_spec(written | {"verification": "exact"}), pins(tmp_path))
    assert THIN not in found.facts
