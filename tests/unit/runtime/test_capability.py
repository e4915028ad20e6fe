# SPDX-License-Identifier: Apache-2.0
"""A worker takes jobs of the hardware classes that its machine computes, and says what the others need."""

import pytest

from swarm.errors import UsageError
from swarm.protocol.hardware import CLASSES, FOUR_BIT
from swarm.runtime import capability
from swarm.runtime.capability import classes_of, require_class, shortages
from swarm.runtime.docker import DockerRunner
from swarm.runtime.gpus import Gpu
from swarm.runtime.process import ProcessRunner

H100 = Gpu(0, "H100", 80 << 30, 80 << 30, (9, 0))
GTX = Gpu(0, "GTX 1080", 8 << 30, 8 << 30, (6, 1))


@pytest.fixture
def machine(monkeypatch):
    """What this machine is to have."""

    def make(*gpus, four_bit):
        monkeypatch.setattr(capability, "gpus", lambda: (list(gpus), ""))
        monkeypatch.setattr(capability, "find_spec", lambda name: object() if four_bit else None)

    return make


@pytest.mark.parametrize(
    ("gpus", "has_processes", "has_four_bit", "computed"),
    [
        ([], True, False, {"cpu-fp32", "fp32"}),
        ([], True, True, {"cpu-fp32", "fp32", "nf4-fp32"}),
        ([GTX], True, True, {"cpu-fp32", "fp32", "nf4-fp32"}),
        ([H100], True, False, {"cpu-fp32", "fp32", "tf32", "bf16"}),
        ([GTX, H100], True, True, set(CLASSES)),
        ([H100], False, True, {"cpu-fp32", "fp32"}),
    ],
)
def test_a_class_needs_its_gpu_and_its_library(gpus, has_processes, has_four_bit, computed):
    lacking = shortages(gpus, has_processes=has_processes, has_four_bit=has_four_bit)
    assert set(CLASSES) - lacking.keys() == computed


def test_a_worker_that_says_nothing_takes_what_its_machine_computes(machine):
    machine(four_bit=False)
    assert classes_of(ProcessRunner(use_bubblewrap=False), None).isdisjoint(FOUR_BIT | {"bf16", "tf32"})


def test_a_worker_that_promises_too_much_is_told_what_it_lacks(machine):
    machine(four_bit=False)
    runner = ProcessRunner(use_bubblewrap=False)
    with pytest.raises(UsageError, match=r"class nf4-fp32: bitsandbytes is not installed: pip install"):
        classes_of(runner, "fp32, nf4-fp32")
    with pytest.raises(UsageError, match="class nf4-bf16: it needs an NVIDIA GPU"):
        classes_of(runner, "nf4-bf16")
    with pytest.raises(UsageError, match="unknown hardware class 'nf5'"):
        classes_of(runner, "nf5")


def test_the_owner_of_an_image_may_say_what_it_holds_but_containers_see_no_gpu(machine):
    machine(H100, four_bit=True)
    assert classes_of(DockerRunner(), "nf4-fp32") == {"nf4-fp32"}
    assert "nf4-fp32" not in classes_of(DockerRunner(), None)
    with pytest.raises(UsageError, match="class bf16: containers see no GPU"):
        classes_of(DockerRunner(), "bf16")


def test_a_judge_takes_no_seat_of_a_class_it_cannot_repeat(machine):
    machine(four_bit=True)
    require_class("nf4-fp32")
    with pytest.raises(UsageError, match="class nf4-bf16: it needs an NVIDIA GPU"):
        require_class("nf4-bf16")
