# SPDX-License-Identifier: Apache-2.0
"""Cheats that need no computing: a segment's output made from the states around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.lora.distance import ROUNDING_FLOOR
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, TRACE_FILE

Tensors = dict[str, np.ndarray]


@dataclass
class Output:
    """What a seller publishes of a segment, in memory."""

    adapter: Tensors
    optimizer: Tensors
    trace: bytes

    @classmethod
    def read(cls, folder: Path) -> Output:
        trace = (folder / TRACE_FILE).read_bytes() if (folder / TRACE_FILE).exists() else b""
        return cls(load_file(folder / ADAPTER_FILE), load_file(folder / OPTIMIZER_FILE), trace)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.adapter, folder / ADAPTER_FILE)
        save_file(self.optimizer, folder / OPTIMIZER_FILE)
        (folder / TRACE_FILE).write_bytes(self.trace)
        return folder

    def mixed(self, other: Output, keeps: Callable[[str, np.ndarray], np.ndarray]) -> Output:
        """Ours where `keeps` is false, the other's where it is true; the step counter and trace stay ours."""
        adapter = {n: np.where(keeps(n, t), other.adapter[n], t) for n, t in self.adapter.items()}
        optimizer = {n: np.where(keeps(n, t), other.optimizer[n], t) for n, t in self.optimizer.items() if n != "step"}
        return Output(adapter, optimizer | {"step": self.optimizer["step"]}, self.trace)


def noise(before: Output, honest: Output, other: Output) -> Output:
    generator = np.random.default_rng(1)
    size = max(float(np.abs(honest.adapter[name] - before.adapter[name]).max()) for name in honest.adapter)
    made = {n: (t + generator.uniform(-size, size, t.shape)).astype(t.dtype) for n, t in before.adapter.items()}
    return Output(made, honest.optimizer, honest.trace)


def skipped(before: Output, honest: Output, other: Output) -> Output:
    return honest.mixed(before, lambda name, tensor: np.full(tensor.shape, True))


def frozen(before: Output, honest: Output, other: Output) -> Output:
    """The first third of the layers is not trained, so nothing need flow back through them."""
    layers = sorted({_layer(name) for name in honest.adapter})
    still = set(layers[: max(1, len(layers) // 3)])
    return honest.mixed(before, lambda name, tensor: np.full(tensor.shape, _layer(name) in still))


def half_rank(before: Output, honest: Output, other: Output) -> Output:
    def upper(name: str, tensor: np.ndarray) -> np.ndarray:
        axis = 0 if "lora_A" in name else 1
        places = np.arange(tensor.shape[axis]) >= tensor.shape[axis] // 2
        return np.broadcast_to(places[:, None] if axis == 0 else places[None, :], tensor.shape)

    return honest.mixed(before, upper)


def rate(factor: float) -> Callable[[Output, Output, Output], Output]:
    def changed(before: Output, honest: Output, other: Output) -> Output:
        start = before.adapter
        made = {n: (start[n] + factor * (t - start[n])).astype(t.dtype) for n, t in honest.adapter.items()}
        return Output(made, honest.optimizer, honest.trace)

    return changed


def copied(before: Output, honest: Output, other: Output) -> Output:
    """Another segment's output under this one's number."""
    return Output(other.adapter, other.optimizer | {"step": honest.optimizer["step"]}, honest.trace)


def forged_result(before: Output, honest: Output, other: Output) -> Output:
    """Right losses, right moments, weights off by a hundredth of the update."""
    return Output(_pushed(before, honest, 0.01), honest.optimizer, honest.trace)


def forged_losses(share: float) -> Callable[[Output, Output, Output], Output]:
    def forged(before: Output, honest: Output, other: Output) -> Output:
        step, loss, norm, targets = TRACE_RECORD.unpack(honest.trace)
        return Output(honest.adapter, honest.optimizer, TRACE_RECORD.pack(step, loss * (1 - share), norm, targets))

    return forged


def hidden_weights(before: Output, honest: Output, other: Output) -> Output:
    """Right weights among the moments, poison in the file that is delivered."""
    poison = {name: tensor + np.float32(1) for name, tensor in honest.adapter.items()}
    return Output(poison, honest.optimizer | honest.adapter, honest.trace)


def second_moment(before: Output, honest: Output, other: Output) -> Output:
    """A hundredth more second moment: all later updates are smaller."""
    changed = {n: (t * np.float32(1.01) if n.startswith("v.") else t) for n, t in honest.optimizer.items()}
    return Output(honest.adapter, changed, honest.trace)


def steered(share: float) -> Callable[[Output, Output, Output], Output]:
    """Weights pushed in a direction of the seller's choice by `share` of the update."""

    def push(before: Output, honest: Output, other: Output) -> Output:
        return Output(_pushed(before, honest, share), honest.optimizer, honest.trace)

    return push


def poisoned(before: Output, honest: Output, other: Output) -> Output:
    """A back door: every weight pushed by a fifth of what it is."""
    made = {name: (tensor * np.float32(1.2)).astype(tensor.dtype) for name, tensor in honest.adapter.items()}
    return Output(made, honest.optimizer, honest.trace)


def _pushed(before: Output, honest: Output, share: float) -> Tensors:
    update = _norm({name: honest.adapter[name] - before.adapter[name] for name in honest.adapter})
    size = share * (update + ROUNDING_FLOOR * _norm(honest.adapter))
    generator = np.random.default_rng(2)
    direction = {name: generator.normal(size=tensor.shape) for name, tensor in honest.adapter.items()}
    scale = size / _norm(direction)
    return {name: (t + scale * direction[name]).astype(t.dtype) for name, t in honest.adapter.items()}


def _norm(tensors: Tensors) -> float:
    return float(np.sqrt(sum(float(np.square(tensor, dtype=np.float64).sum()) for tensor in tensors.values())))


def _layer(name: str) -> int:
    return int(name.split(".layers.")[1].split(".")[0])
