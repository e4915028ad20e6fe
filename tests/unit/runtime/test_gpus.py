# SPDX-License-Identifier: Apache-2.0
"""GPUs through a described driver: found, chosen, lent to one job at a time, and looked at when they come back."""

import sys
from pathlib import Path

import pytest

from swarm.errors import TransientError, UsageError
from swarm.execution.segments import Sandbox
from swarm.runtime import gpu_loan, gpus
from swarm.runtime.docker import _confinement
from swarm.runtime.environment import environment_of
from swarm.runtime.fake import FakeRunner
from swarm.runtime.gpu_loan import lent
from swarm.runtime.port import JobRun
from tests.unit.runtime.nvml import Card, FakeNvml

MIB = 1 << 20


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Puts cards into the machine; locks and log lines are the test's own."""
    monkeypatch.setattr(gpu_loan.tempfile, "gettempdir", lambda: str(tmp_path))

    def install(*cards, **facts):
        nvml = FakeNvml(*cards, **facts)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        return nvml

    return install


@pytest.fixture
def said(monkeypatch):
    lines = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(gpu_loan.log, level, lambda event, **facts: lines.append((event, facts)))
    return lines


def test_finds_what_the_driver_shows(driver):
    nvml = driver(Card("GPU-1"), Card("GPU-2", temperature=None, milliwatts=None))
    found, reason = gpus.gpus()
    assert reason == "" and nvml.open == 0
    assert [(gpu.uuid, gpu.temperature_celsius, gpu.power_watts) for gpu in found] == [
        ("GPU-1", 50.0, 120.0),
        ("GPU-2", None, None),
    ]
    assert found[0].name == "RTX 4090" and found[0].free_bytes == found[0].memory_bytes - 100 * MIB


def test_says_why_there_is_none(driver):
    driver(has_driver=False)
    assert gpus.gpus() == ([], "none (no NVIDIA driver)")
    driver()
    assert gpus.gpus() == ([], "none")


def test_chooses_by_index_and_uuid(driver):
    driver(Card("GPU-1"), Card("GPU-2"))
    assert gpus.choose("auto").uuid == "GPU-1"
    assert gpus.choose("1").uuid == gpus.choose("GPU-2").uuid == "GPU-2"
    assert gpus.choose("none") is None
    with pytest.raises(UsageError, match="no GPU '7'"):
        gpus.choose("7")
    driver(has_driver=False)
    assert gpus.choose("auto") is None


def test_the_card_is_lent_to_one_job_at_a_time(driver, said):
    driver(Card("GPU-1"), Card("GPU-2"))
    with lent("GPU-1"):
        with pytest.raises(TransientError, match="another job runs on GPU GPU-1"), lent("GPU-1"):
            pytest.fail("lent twice")
        with lent("GPU-2"):
            pass
    with lent("GPU-1"):
        pass
    assert [event for event, _ in said] == ["gpu_freed"] * 3


def test_is_not_lent_while_somebody_works_on_it_and_is_again_later(driver, said):
    card = Card("GPU-1", used=3000 * MIB, processes=[4711])
    driver(card)
    with pytest.raises(TransientError, match="process 4711: 3000 MiB"), lent("GPU-1"):
        pytest.fail("lent although in use")
    card.processes.clear()  # a desktop holds memory too, without computing
    with lent("GPU-1"):
        pass


def test_waits_until_the_memory_is_free(driver, said, monkeypatch):
    monkeypatch.setattr(gpu_loan, "_LOOK_SECONDS", 0)
    card = Card("GPU-1", used=100 * MIB)
    nvml = driver(card)
    with lent("GPU-1"):
        card.used = 9000 * MIB
        looks = []

        def later():
            looks.append(card.used)
            if len(looks) == 3:
                card.used = 110 * MIB

        nvml.later = later
    assert len(looks) == 3
    assert said == [("gpu_freed", {"gpu": "GPU-1", "before_mib": 100, "after_mib": 110, "seconds": 0.0})]


def test_tells_when_the_memory_stays_in_use_and_keeps_the_result(driver, said, monkeypatch):
    monkeypatch.setattr(gpu_loan, "FREE_SECONDS", -1)
    card = Card("GPU-1")
    driver(card)
    with lent("GPU-1"):
        card.used, card.processes = 9000 * MIB, [815]
    assert said[0][0] == "gpu_not_freed" and said[0][1]["processes"] == [815]
    with pytest.raises(TransientError, match="process 815"), lent("GPU-1"):
        pytest.fail("lent although in use")


def test_the_lock_goes_back_when_the_job_fails(driver, said):
    driver(Card("GPU-1"))
    with pytest.raises(ZeroDivisionError), lent("GPU-1"):
        raise ZeroDivisionError
    with lent("GPU-1"):
        pass


def test_a_container_is_given_that_card_alone():
    class Client:
        def info(self):
            return {"NCPU": 2, "Runtimes": {"runc": {}, "nvidia": {}, "runsc": {}}}

    plain = JobRun("sha256:" + 64 * "0", ("x",), {}, Path("/nowhere"))
    with_gpu = JobRun("sha256:" + 64 * "0", ("x",), {}, Path("/nowhere"), gpu="GPU-1")
    asked = _confinement(Client(), with_gpu)
    (request,) = asked["device_requests"]
    assert request["DeviceIDs"] == ["GPU-1"] and request["Driver"] == "nvidia" and request["Count"] == 0
    assert asked["runtime"] is None and asked["network_mode"] == "none" and asked["cap_drop"] == ["ALL"]
    assert _confinement(Client(), plain)["device_requests"] == []
    assert _confinement(Client(), plain)["runtime"] == "runsc"


def test_a_program_sees_its_card_or_none():
    folders = {"inputs": "/i", "outputs": "/o", "scratch": "/t"}
    shown = {"CUDA_VISIBLE_DEVICES": "all"}  # a buyer's wish
    plain = JobRun("process", ("x",), {}, Path("/nowhere"), environment=shown)
    with_gpu = JobRun("process", ("x",), {}, Path("/nowhere"), environment=shown, gpu="GPU-1")
    assert environment_of(plain, **folders)["CUDA_VISIBLE_DEVICES"] == ""
    assert environment_of(with_gpu, **folders)["CUDA_VISIBLE_DEVICES"] == "GPU-1"


@pytest.mark.parametrize(
    ("capability", "computes"), [(None, ["fp32"]), ((7, 5), ["fp32"]), ((8, 6), ["fp32", "tf32", "bf16"])]
)
def test_a_class_is_taken_where_its_arithmetic_is(driver, capability, computes):
    driver(*([] if capability is None else [Card("GPU-1", capability=capability)]))
    box = Sandbox(FakeRunner(lambda run, emit: None), "me", gpu=gpus.choose("auto"))
    assert [name for name in ("fp32", "tf32", "bf16") if box.computes(name)] == computes
    assert box.gpu_for("cpu-fp32") is None
    assert box.gpu_for("bf16") == (None if capability is None else "GPU-1")
