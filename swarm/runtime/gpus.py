# SPDX-License-Identifier: Apache-2.0
"""The NVIDIA GPUs of this machine, through nvidia-ml-py where it is installed. Containers see none of them yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """`index` is the driver's; memory in bytes; `capability` is CUDA's compute capability."""

    index: int
    name: str
    memory_bytes: int
    free_bytes: int
    capability: tuple[int, int] = (0, 0)


def gpus() -> tuple[list[Gpu], str]:
    """What the driver shows, and where that is nothing the reason in a few words."""
    try:
        import pynvml
    except ImportError:
        return [], "none (nvidia-ml-py is not installed)"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return [], "none (no NVIDIA driver)"
    try:
        found = [_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
        return found, "" if found else "none"
    except pynvml.NVMLError as error:
        return [], f"none (the driver failed: {error})"
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml, index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name, memory = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetMemoryInfo(handle)
    capability = tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle))
    return Gpu(index, name.decode() if isinstance(name, bytes) else name, memory.total, memory.free, capability)
