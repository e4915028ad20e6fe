# SPDX-License-Identifier: Apache-2.0
"""Makes a LoRA job's first state on any machine with the same bytes: adapter weights, optimizer moments, step 0.

The state is an artifact with a CID and not a seed, because no library promises the same random numbers on two devices.
A is uniform as in peft (Kaiming with a = sqrt(5), so within ±1/sqrt(inputs)), B is zero (Hu et al. 2021, section 4.1).
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from swarm.errors import SpecError
from swarm.workloads.tensors import TensorInfo, read_model_headers

if TYPE_CHECKING:
    from swarm.workloads.lora.spec import LoraSpec

ADAPTER_FILE = "adapter_model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
TRACE_FILE = "trace.bin"
MAX_PARAMETERS = 1 << 30
_DOMAIN = b"computeswarm/lora-init/v1"
_IN_BLOCK = re.compile(r"\.\d+\.(?:\w+\.)*?(\w+)\.weight$")


def write_initial_state(spec: LoraSpec, model_dir: Path, target: Path) -> None:
    """Writes adapter_model.safetensors and optimizer.safetensors (all fp32) into the new directory `target`.

    Raises SpecError when a target module is not in the model, IntegrityError when the model's headers lie.
    """
    training = spec.training
    shapes = lora_shapes(read_model_headers(model_dir), training.lora_target_modules, training.lora_r)
    adapter = {name: _initial(name, shape, training.seed) for name, shape in shapes.items()}
    target.mkdir(parents=True)
    # One metadata key: with more, their order in the file would be random.
    save_file(adapter, target / ADAPTER_FILE, metadata={"format": "pt"})
    save_file(_fresh_optimizer(shapes), target / OPTIMIZER_FILE)
    for name in (ADAPTER_FILE, OPTIMIZER_FILE):
        (target / name).chmod(0o644)


def lora_shapes(model: dict[str, TensorInfo], modules: tuple[str, ...], rank: int) -> dict[str, tuple[int, int]]:
    """Shapes by peft's tensor names: lora_A (rank, inputs) and lora_B (outputs, rank) per adapted linear layer."""
    shapes: dict[str, tuple[int, int]] = {}
    for module in modules:
        layers = [name for name in sorted(model) if f".{name}".endswith(f".{module}.weight")]
        if not layers:
            raise SpecError(f"training.lora_target_modules: found {module!r}, expected a module of the base model")
        for name in layers:
            shapes |= _pair(name, model[name], rank)
    if sum(rows * columns for rows, columns in shapes.values()) > MAX_PARAMETERS:
        raise SpecError(f"training.lora_r: found {rank}, expected an adapter of at most {MAX_PARAMETERS} parameters")
    return dict(sorted(shapes.items()))


def linear_modules(model: dict[str, TensorInfo]) -> tuple[str, ...]:
    """The names of every linear layer inside the model's numbered blocks, so neither embeddings nor the head."""
    found = {match[1] for name, info in model.items() if (match := _IN_BLOCK.search(name)) and len(info.shape) == 2}
    if not found:
        raise SpecError("training.lora_target_linear: found no linear layer in the base model's blocks")
    return tuple(sorted(found))


def _pair(name: str, info: TensorInfo, rank: int) -> dict[str, tuple[int, int]]:
    if len(info.shape) != 2 or not all(info.shape):
        raise SpecError(f"training.lora_target_modules: found {name!r} of shape {info.shape}, expected a linear layer")
    outputs, inputs = info.shape
    prefix = "base_model.model." + name.removesuffix(".weight")
    return {f"{prefix}.lora_A.weight": (rank, inputs), f"{prefix}.lora_B.weight": (outputs, rank)}


def _initial(name: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    if name.endswith(".lora_B.weight"):
        return np.zeros(shape, np.float32)
    return _uniform(name, shape, seed) * np.float32(1 / math.sqrt(shape[1]))


def _uniform(name: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """fp32 in [-1, 1): the top 24 bits of Philox words keyed by sha256(domain ‖ uint64 seed ‖ name)."""
    digest = hashlib.sha256(_DOMAIN + struct.pack(">Q", seed) + name.encode()).digest()
    generator = np.random.Philox(key=int.from_bytes(digest[:16], "big"), counter=0)
    words = generator.random_raw(shape[0] * shape[1]) >> np.uint64(40)
    # Exact in fp32: 24 bits, then a power of two, then a subtraction of numbers on the same grid.
    return (words.astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).reshape(shape)


def _fresh_optimizer(shapes: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    moments = {f"{kind}.{name}": np.zeros(shape, np.float32) for kind in "mv" for name, shape in shapes.items()}
    return moments | {"step": np.zeros(1, np.int64)}
