# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.workloads.exact import Comparison, compare
from swarm.workloads.lora.distance import distance
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, write_initial_state
from swarm.workloads.lora.spec import LoraSpec


@pytest.fixture
def before(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> Path:
    write_initial_state(resolved, model_dir, tmp_path / "before")
    return tmp_path / "before"


def moved(source: Path, target: Path, by: float, files: tuple[str, ...] = (ADAPTER_FILE, OPTIMIZER_FILE)) -> Path:
    """A copy of a state with every fp32 value moved by the same amount."""
    shutil.copytree(source, target)
    for name in files:
        arrays = load_file(target / name)
        shifted = {
            key: array + array.dtype.type(by if array.dtype == np.float32 else 0) for key, array in arrays.items()
        }
        save_file(shifted, target / name)
    return target


def test_one_different_bit_does_not_match(before: Path, tmp_path: Path) -> None:
    other = shutil.copytree(before, tmp_path / "other")
    data = bytearray((other / OPTIMIZER_FILE).read_bytes())
    data[-1] ^= 1
    (other / OPTIMIZER_FILE).write_bytes(data)
    assert compare(other, before) == Comparison(matched=False, different=(OPTIMIZER_FILE,))


def test_a_missing_and_an_added_file_do_not_match(before: Path, tmp_path: Path) -> None:
    other = shutil.copytree(before, tmp_path / "other")
    (other / OPTIMIZER_FILE).rename(other / "extra")
    assert compare(other, before).different == ("extra", OPTIMIZER_FILE)


def test_a_link_to_the_right_bytes_does_not_match(before: Path, tmp_path: Path) -> None:
    other = shutil.copytree(before, tmp_path / "other")
    (other / ADAPTER_FILE).unlink()
    (other / ADAPTER_FILE).symlink_to(before / ADAPTER_FILE)
    assert compare(other, before).different == (ADAPTER_FILE,)


def test_two_empty_directories_do_not_match(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert not compare(tmp_path / "a", tmp_path / "b").matched


def test_the_same_bytes_match(before: Path, tmp_path: Path) -> None:
    other = shutil.copytree(before, tmp_path / "other")
    assert compare(other, before) == Comparison(matched=True, different=())


def test_distance_is_measured_in_the_judge_s_own_update(before: Path, tmp_path: Path) -> None:
    ours = moved(before, tmp_path / "ours", 0.5)
    theirs = moved(before, tmp_path / "theirs", 0.75)
    found = distance(before, theirs, ours)
    assert (found.weights, found.first_moment, found.second_moment) == pytest.approx((0.5, 0.5, 0.5), rel=5e-3)


def test_returning_the_input_is_one_update_away(before: Path, tmp_path: Path) -> None:
    assert distance(before, before, moved(before, tmp_path / "ours", 0.5)).worst == pytest.approx(1.0, rel=5e-3)


def test_doctored_moments_are_seen_apart_from_the_weights(before: Path, tmp_path: Path) -> None:
    ours = moved(before, tmp_path / "ours", 0.5)
    theirs = moved(ours, tmp_path / "theirs", 0.5, files=(OPTIMIZER_FILE,))
    found = distance(before, theirs, ours)
    assert found.weights == 0
    assert found.first_moment == pytest.approx(1.0, rel=5e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_infinitely_far(before: Path, tmp_path: Path, value: float) -> None:
    assert (
        distance(before, moved(before, tmp_path / "theirs", value), moved(before, tmp_path / "ours", 1)).worst == np.inf
    )


def test_other_shapes_and_rubbish_are_infinitely_far(before: Path, tmp_path: Path) -> None:
    ours = moved(before, tmp_path / "ours", 0.5)
    theirs = shutil.copytree(ours, tmp_path / "theirs")
    arrays = load_file(theirs / ADAPTER_FILE)
    save_file({name: array.reshape(-1) for name, array in arrays.items()}, theirs / ADAPTER_FILE)
    assert distance(before, theirs, ours).weights == np.inf
    (theirs / ADAPTER_FILE).write_bytes(b"rubbish")
    assert distance(before, theirs, ours).worst == np.inf


def test_weights_that_hide_among_the_moments_are_not_compared_with_ours(before: Path, tmp_path: Path) -> None:
    """Only the adapter's file is delivered: right weights in the other one would be judged and never bought."""
    ours = moved(before, tmp_path / "ours", 0.5)
    theirs = moved(ours, tmp_path / "theirs", 7.0, files=(ADAPTER_FILE,))
    save_file(load_file(ours / OPTIMIZER_FILE) | load_file(ours / ADAPTER_FILE), theirs / OPTIMIZER_FILE)
    assert distance(before, theirs, ours).worst == np.inf


def test_noise_of_rounding_is_small_however_small_the_update(before: Path, tmp_path: Path) -> None:
    """The last steps of a cosine schedule move a weight by less than its last bit."""
    large = moved(before, tmp_path / "large", 1.0)
    ours = moved(large, tmp_path / "ours", 2e-7)
    assert 0 < distance(large, large, ours).worst < 1e-3
