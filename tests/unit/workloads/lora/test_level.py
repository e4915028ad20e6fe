# SPDX-License-Identifier: Apache-2.0
"""The level of a class's noise: it lets honest segments pass without another replay, and never a cheat's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from swarm.workloads.lora import level
from swarm.workloads.lora.assess import look_closer
from swarm.workloads.lora.distance import gradient_error
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import parse_spec
from swarm.workloads.workload import Zone

CID = "ipfs://bafkrei" + "a" * 52
A, B = "base_model.lora_A", "base_model.lora_B"
DECAY = 0.9
KNOWN = [{"gradient": level, "weights": 2e-3, "second_moment": 1e-2} for level in (0.02, 0.03, 0.025)]


def spec(**training) -> LoraSpec:
    asked = {"max_steps": 40, "steps_per_segment": 1, "seed": 1, "precision": "bf16"} | training
    rest = {"type": "lora", "name": "level", "budget": {"max_total": 1}, "base_model": CID, "initial_state": CID}
    return parse_spec(rest | {"datasets": [{"path": CID}], "training": asked, "hardware_class": "bf16"})


def state(folder: Path, gradients: dict[str, float], *, moment: float = 1.0) -> Path:
    """After a step with these gradients, each the same in all its places, from moments of one size."""
    folder.mkdir()
    shape = (4, 4)
    adapter = {name: np.full(shape, 1.0 - 1e-3 * gradient, np.float32) for name, gradient in gradients.items()}
    optimizer = {"step": np.array([21], np.int64)}
    for name, gradient in gradients.items():
        optimizer[f"m.{name}"] = np.full(shape, DECAY * moment + (1 - DECAY) * gradient, np.float32)
        optimizer[f"v.{name}"] = np.full(shape, 1.0 + 1e-3 * gradient**2, np.float32)
    save_file(adapter, folder / ADAPTER_FILE)
    save_file(optimizer, folder / OPTIMIZER_FILE)
    return folder


def before(folder: Path) -> Path:
    folder.mkdir()
    one = np.ones((4, 4), np.float32)
    save_file({A: one, B: one}, folder / ADAPTER_FILE)
    moments = {f"{kind}.{name}": one for kind in "mv" for name in (A, B)}
    save_file(moments | {"step": np.array([20], np.int64)}, folder / OPTIMIZER_FILE)
    return folder


def test_the_error_of_the_gradients_is_that_of_the_gradients_whatever_the_momentum(tmp_path):
    start = before(tmp_path / "before")
    ours, theirs = state(tmp_path / "ours", {A: 1.0, B: 10.0}), state(tmp_path / "theirs", {A: 1.03, B: 10.4})
    expected = np.sqrt((0.03**2 + 0.04**2) / 2)
    assert gradient_error(start, theirs, ours, decay=DECAY) == pytest.approx(expected, rel=1e-3)


def test_a_tensor_without_a_gradient_does_not_count_unless_the_seller_has_one(tmp_path):
    start = before(tmp_path / "before")
    ours = state(tmp_path / "ours", {A: 0.0, B: 1.0})
    theirs, invented = state(tmp_path / "theirs", {A: 0.0, B: 1.02}), state(tmp_path / "other", {A: 0.5, B: 1.02})
    assert gradient_error(start, theirs, ours, decay=DECAY) == pytest.approx(0.02, rel=1e-2)
    assert gradient_error(start, invented, ours, decay=DECAY) > 1e3
    assert gradient_error(start, ours, ours, decay=DECAY) == 0.0


def test_a_level_is_the_least_noise_of_the_newest_segments():
    found = {"gradient": 0.03, "weights": 4e-3, "second_moment": 5e-3}
    assert level.ratios(found, KNOWN) == pytest.approx({"gradient": 1.5, "weights": 2.0, "second_moment": 0.5})
    newer = [{"gradient": 0.03, "weights": 4e-3, "second_moment": 5e-3}] * level.USED
    assert level.ratios(found, KNOWN + newer) == {"gradient": 1.0, "weights": 1.0, "second_moment": 1.0}
    assert level.ratios(found, KNOWN[:2]) is None


@pytest.mark.parametrize(
    ("changed", "is_honest"),
    [({}, True), ({"gradient": 1.7}, False), ({"weights": 4.0}, False), ({"second_moment": float("inf")}, False)],
)
def test_every_part_must_be_that_of_an_honest_seller(changed, is_honest):
    assert level.passes({"gradient": 1.2, "weights": 2.0, "second_moment": 1.0} | changed) is is_honest


def test_trainings_that_only_go_elsewhere_share_a_level_and_others_do_not():
    key = level.key_of(spec())
    assert level.key_of(spec(seed=2, learning_rate=1e-3, max_steps=20)) == key
    others = [spec(sequence_len=256), spec(lora_r=16), spec(steps_per_segment=2)]
    others.append(spec().model_copy(update={"base_model": CID.replace("aaa", "bbb")}))
    assert key not in {level.key_of(other) for other in others}


class Judge:
    """A closer look with outputs made before; counts replays beyond the first."""

    segments = range(40)

    def __init__(self, home: Path, gradient: float) -> None:
        self.start = before(home / "before")
        self.theirs = state(home / "theirs", {A: gradient, B: gradient})
        self.ours = state(home / "ours", {A: 1.0, B: 1.0})
        self.reference = state(home / "reference", {A: 1.02, B: 0.98})
        self.replays = 0
        self.learned: list[dict] = []

    def sides(self, segment: int) -> tuple[Path, Path]:
        return self.start, self.theirs

    def run(self, segment: int, **numeric) -> Path:
        self.replays += bool(numeric)
        return self.reference if numeric else self.ours

    def recall(self, key: str) -> list[dict]:
        return list(self.learned)

    def learn(self, key: str, found: dict) -> None:
        self.learned.append(found)


def test_a_judge_that_knows_the_level_needs_no_second_replay(tmp_path):
    judge = Judge(tmp_path, 1.01)
    for segment in (20, 21, 22):
        found = look_closer(spec(), segment, judge)
        assert (found.zone, found.facts["look"]) == (Zone.ACCEPT, "noise")
    assert len(judge.learned) == level.NEEDED and judge.replays > 0
    judge.replays = 0
    found = look_closer(spec(), 23, judge)
    assert (found.zone, found.facts["look"], judge.replays) == (Zone.ACCEPT, "level", 0)


def test_in_the_first_steps_there_is_no_level(tmp_path):
    judge = Judge(tmp_path, 1.01)
    judge.learned = [{"gradient": 1.0, "weights": 1.0, "second_moment": 1.0}] * level.NEEDED
    assert look_closer(spec(), 4, judge).facts["look"] == "noise"
    assert len(judge.learned) == level.NEEDED


def test_a_level_convicts_nobody_and_a_cheat_teaches_none(tmp_path):
    """What is beyond the level is judged by the segment's own noise, and not measured from."""
    judge = Judge(tmp_path, 1.2)
    judge.learned = [{"gradient": 0.02, "weights": 0.02, "second_moment": 0.04}] * level.NEEDED
    found = look_closer(spec(), 20, judge)
    assert (found.zone, found.facts["look"]) == (Zone.REJECT, "noise")
    assert len(judge.learned) == level.NEEDED
    (tmp_path / "honest").mkdir()
    honest = Judge(tmp_path / "honest", 1.01)
    honest.learned = [{"gradient": 1e-6, "weights": 1e-6, "second_moment": 1e-6}] * level.NEEDED
    assert look_closer(spec(), 20, honest).zone is Zone.ACCEPT
