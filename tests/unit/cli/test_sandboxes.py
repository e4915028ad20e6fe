# SPDX-License-Identifier: Apache-2.0
"""A worker takes jobs of the hardware classes that its machine computes, and says what the others need."""

import importlib.util

import pytest

from swarm.cli.sandboxes import has_four_bit, restricted
from swarm.errors import UsageError
from swarm.execution.segments import Sandbox
from swarm.protocol.hardware import CLASSES
from swarm.runtime.docker import DockerRunner
from swarm.runtime.gpus import Gpu
from swarm.runtime.process import ProcessRunner

H100 = Gpu(0, "GPU-0", "H100", 80 << 30, 80 << 30, (9, 0))
GTX = Gpu(0, "GPU-1", "GTX 1080", 8 << 30, 8 << 30, (6, 1))
PROCESSES = ProcessRunner(use_bubblewrap=False)


@pytest.mark.parametrize(
    ("gpu", "four_bit", "computed"),
    [
        (None, False, {"fp32"}),
        (None, True, {"fp32", "nf4-fp32"}),
        (GTX, True, {"fp32", "nf4-fp32"}),
        (H100, False, {"fp32", "tf32", "bf16"}),
        (H100, True, set(CLASSES) - {"cpu-fp32"}),
    ],
)
def test_a_class_needs_its_gpu_and_its_library(gpu, four_bit, computed):
    sandbox = Sandbox(PROCESSES, owner="test", gpu=gpu, has_four_bit=four_bit)
    assert {name for name in CLASSES if name != "cpu-fp32" and sandbox.computes(name)} == computed


def test_processes_have_what_is_installed_and_containers_what_their_owner_says(monkeypatch):
    assert has_four_bit(PROCESSES) is (importlib.util.find_spec("bitsandbytes") is not None)
    assert not has_four_bit(DockerRunner())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not has_four_bit(PROCESSES)


def test_a_worker_that_says_nothing_takes_what_its_machine_computes():
    sandbox = Sandbox(PROCESSES, owner="test")
    assert restricted(sandbox, None) == (sandbox, None)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("fp32, nf4-fp32", "class nf4-fp32 .it needs bitsandbytes"),
        ("bf16", "class bf16 .it needs a GPU, Ampere or newer"),
        ("nf4-bf16", "class nf4-bf16 .it needs a GPU, Ampere or newer and bitsandbytes"),
        ("nf5", "unknown hardware class 'nf5'"),
    ],
)
def test_a_worker_that_promises_too_much_is_told_what_it_lacks(wanted, words):
    with pytest.raises(UsageError, match=words):
        restricted(Sandbox(PROCESSES, owner="test"), wanted)


def test_the_owner_of_an_image_may_say_what_it_holds_but_not_that_there_is_a_gpu():
    sandbox = Sandbox(DockerRunner(), owner="test")
    found, classes = restricted(sandbox, "nf4-fp32")
    assert classes == {"nf4-fp32"} and found.computes("nf4-fp32") and not sandbox.computes("nf4-fp32")
    with pytest.raises(UsageError, match="class nf4-bf16"):
        restricted(sandbox, "nf4-bf16")
