# SPDX-License-Identifier: Apache-2.0
"""In which arithmetic a job computes: the class its spec pins, on the device at hand, or emulated for calibration.

    fp32   every matrix product in fp32, tf32 switched off
    tf32   inputs of matrix products rounded to 10 bits of mantissa, sums in fp32 (NVIDIA, Ampere and later)
    bf16   matrix products in bf16 through autocast, weights and optimiser in fp32

A CPU has neither of the last two. Rounding what enters (and for bf16 leaves) each linear layer, forwards and backwards,
is near enough to measure with; it is never what a seller may run, because it is slower than the real thing and rounds
elsewhere (norms, softmax and attention products stay fp32).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarm.errors import JobFailed

if TYPE_CHECKING:
    import torch

PRECISIONS = ("fp32", "tf32", "bf16")
_LOW_BITS = 13  # of fp32's 23 bits of mantissa, those that tf32 does not have


@dataclass(frozen=True, slots=True)
class Numeric:
    """How to compute. A spec pins `precision`; the rest is free where results are compared within bounds.

    `emulated`: calibration and judges may imitate a class this machine does not have. `micro_batch_size` 0: the spec's.
    """

    precision: str = "fp32"
    attention: str = "sdpa"
    micro_batch_size: int = 0
    emulated: bool = False


def device_of(precision: str, *, emulated: bool = False, exact: bool = False) -> str:
    """Where to compute. The exact class is a processor's. Raises JobFailed for a class this machine does not have."""
    import torch

    if exact or emulated or not torch.cuda.is_available():
        if precision != "fp32" and not emulated:
            raise JobFailed(f"precision {precision} needs a GPU, this machine has none", hint="precision: fp32")
        return "cpu"
    needed = {"fp32": (0, 0), "tf32": (8, 0), "bf16": (8, 0)}[precision]
    if torch.cuda.get_device_capability() < needed:
        raise JobFailed(f"precision {precision} needs a GPU of compute capability 8.0: {torch.cuda.get_device_name()}")
    return "cuda"


@contextlib.contextmanager
def computing(numeric: Numeric, device: str) -> Iterator[None]:
    """Around every forward pass: autocast for bf16 on a GPU, tf32 only where it was asked for."""
    import torch

    if device == "cpu":
        yield
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = numeric.precision == "tf32"
    with torch.autocast(device, dtype=torch.bfloat16, enabled=numeric.precision == "bf16"):
        yield


def emulate(model: Any, precision: str) -> None:
    """Makes every linear layer of a model round as `precision` does."""
    import torch

    if precision == "fp32":
        return
    narrow = _rounding(_to_bf16 if precision == "bf16" else _to_tf32)
    leave = narrow if precision == "bf16" else _rounding(_to_tf32, forwards=False)

    def forward(layer: torch.nn.Linear):
        return lambda value: leave(torch.nn.functional.linear(narrow(value), narrow(weight_of(layer)), layer.bias))

    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = forward(module)


def weight_of(layer: Any) -> torch.Tensor:
    """A linear layer's weight as numbers, also where it is held in 4 bit."""
    if getattr(layer.weight, "quant_state", None) is None:
        return layer.weight
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(layer.weight, layer.weight.quant_state)


def _to_bf16(value: torch.Tensor) -> torch.Tensor:
    import torch

    return value.to(torch.bfloat16).to(torch.float32)


def _to_tf32(value: torch.Tensor) -> torch.Tensor:
    """To the nearest, halves away from zero."""
    import torch

    bits = value.contiguous().view(torch.int32) + (1 << (_LOW_BITS - 1))
    return (bits & -(1 << _LOW_BITS)).view(torch.float32)


def _rounding(narrow, *, forwards: bool = True):
    """A function that rounds its argument (if `forwards`) and, on the way back, its gradient."""
    import torch

    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return narrow(value) if forwards else value.view_as(value)

        @staticmethod
        def backward(ctx, gradient):
            return narrow(gradient)

    return Round.apply
