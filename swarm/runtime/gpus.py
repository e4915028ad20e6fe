# SPDX-License-Identifier: Apache-2.0
"""The NVIDIA GPUs of this machine, through nvidia-ml-py where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swarm.errors import TransientError, UsageError

# Tensor cores that round to tf32 and bf16 came with this one (Ampere).
TENSOR_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Gpu:
    """`index` is the driver's, `uuid` stays the card's own; memory in bytes; what a card does not tell is None."""

    index: int
    uuid: str
    name: str
    memory_bytes: int
    free_bytes: int
    capability: tuple[int, int]
    temperature_celsius: float | None = None
    power_watts: float | None = None

    def computes(self, precision: str) -> bool:
        """Whether it has the arithmetic of a precision: fp32, tf32 or bf16."""
        return precision == "fp32" or self.capability >= TENSOR_CAPABILITY


@dataclass(frozen=True, slots=True)
class Usage:
    """The memory in use on one GPU, bytes, and the process numbers that the driver names."""

    used_bytes: int
    processes: tuple[int, ...]


def gpus() -> tuple[list[Gpu], str]:
    """What the driver shows, and where that is nothing the reason in a few words."""
    try:
        with _driver() as nvml:
            found = [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except TransientError as error:
        return [], f"none ({error.message})"
    return found, "" if found else "none"


def usage(uuid: str) -> Usage:
    """What is in use on a GPU now. Raises TransientError when the driver does not tell."""
    with _driver() as nvml:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        return Usage(nvml.nvmlDeviceGetMemoryInfo(handle).used, tuple(process.pid for process in processes))


def choose(wanted: str) -> Gpu | None:
    """The GPU for jobs: `none`, `auto` (the first one, or none), an index or a UUID. Raises UsageError."""
    if wanted == "none":
        return None
    found, reason = gpus()
    if wanted == "auto":
        return found[0] if found else None
    chosen = next((gpu for gpu in found if wanted in (str(gpu.index), gpu.uuid)), None)
    if chosen is None:
        there = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in found) or reason
        raise UsageError(f"there is no GPU {wanted[:80]!r}", hint=f"GPUs here: {there}; or --gpu none")
    return chosen


@contextmanager
def _driver() -> Iterator[Any]:
    try:
        import pynvml
    except ImportError as error:
        raise TransientError("nvidia-ml-py is not installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise TransientError("no NVIDIA driver") from error
    try:
        yield pynvml
    except pynvml.NVMLError as error:
        raise TransientError(f"the driver failed: {error}") from error
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    power = _told(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    return Gpu(
        index,
        _text(nvml.nvmlDeviceGetUUID(handle)),
        _text(nvml.nvmlDeviceGetName(handle)),
        memory.total,
        memory.free,
        tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
        _told(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        None if power is None else power / 1000,  # milliwatts
    )


def _told(nvml: Any, ask: Any, *arguments: Any) -> float | None:
    """A reading that some cards do not have."""
    try:
        return float(ask(*arguments))
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
