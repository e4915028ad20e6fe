# SPDX-License-Identifier: Apache-2.0
"""What a seller may honestly do otherwise, and how it may cheat, as trainers that differ from ours in one thing.

Quantisers are symmetric round-to-nearest in groups of 32 (verification.md, B1): the model's weights already lie on the
grid of another 4-bit format, which would be no cheat at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from swarm.jobs.chat import Encoded
from swarm.jobs.model import load_model
from swarm.jobs.numeric import Numeric
from swarm.jobs.training import Trainer
from swarm.workloads.lora.segments import batch_of

GROUP = 32
SKIPPED_LAYERS = 0.1  # of all


class Reversed(Trainer):
    """The examples of a step in another order: the same sum, added otherwise."""

    def indices(self, step):
        return super().indices(step)[::-1]


class WrongOrder(Trainer):
    def indices(self, step):
        examples, seed = len(self.conversations), self.training["seed"] + 1
        return batch_of(step, examples=examples, batch_size=self.batch_size, seed=seed)


class RepeatedBatch(Trainer):
    """The batch of the step before, whose activations are still there."""

    def indices(self, step):
        return super().indices(step - 1 if step else 1)


class HalfBatch(Trainer):
    def indices(self, step):
        return super().indices(step)[: self.batch_size // 2]


class Truncated(Trainer):
    """Sequences cut to three quarters."""

    def encoded(self, index):
        whole = super().encoded(index)
        return Encoded(whole.ids[: len(whole.ids) * 3 // 4], whole.trained[: len(whole.ids) * 3 // 4])


class Quantised(Trainer):
    """A base whose linear layers hold fewer bits."""

    quantise: Callable = None

    def base(self, folder):
        model = load_model(folder, attention=self.numeric.attention)
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head"):
                module.weight.copy_(type(self).quantise(module.weight))
        return model


def _grouped(levels: int) -> Callable:
    def quantise(weight: torch.Tensor) -> torch.Tensor:
        groups = weight.reshape(-1, GROUP)
        scale = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) / levels
        return ((groups / scale).round().clamp(-levels, levels) * scale).reshape(weight.shape)

    return staticmethod(quantise)


class Int8(Quantised):
    quantise = _grouped(127)


class Int4(Quantised):
    quantise = _grouped(7)


class Fp8(Quantised):
    @staticmethod
    def quantise(weight):
        groups = weight.reshape(-1, GROUP)
        scale = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) / 448
        return ((groups / scale).to(torch.float8_e4m3fn).to(torch.float32) * scale).reshape(weight.shape)


class SmallerModel(Trainer):
    """Every tenth layer passes its input on."""

    def base(self, folder):
        model = load_model(folder, attention=self.numeric.attention)
        layers = model.model.layers
        for place in range(1, len(layers), max(2, round(1 / SKIPPED_LAYERS))):
            layers[place].forward = lambda hidden, *rest, **named: hidden
        return model

    def loss_of(self, batch, targets):
        loss = super().loss_of(batch, targets)
        for weight in self.weights.values():
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        return loss


@dataclass(frozen=True)
class Variant:
    """One way to run a step. `environment` needs a process of its own: torch reads it once."""

    name: str
    kind: type[Trainer] = Trainer
    numeric: Numeric | None = None
    threads: int = 1
    environment: dict[str, str] = field(default_factory=dict)


def _isa(aten: str, mkl: str, onednn: str) -> dict[str, str]:
    return {"ATEN_CPU_CAPABILITY": aten, "MKL_CBWR": mkl, "ONEDNN_MAX_CPU_ISA": onednn}


TF32, BF16 = Numeric("tf32", emulated=True), Numeric("bf16", emulated=True)
OTHER_BF16 = Numeric("bf16", attention="eager", micro_batch_size=1, emulated=True)
LOOK = "second look"  # what a judge computes when it looks closer; no seller's variant is the same

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("same machine"),
        Variant("2 threads", threads=2),
        Variant("3 threads", threads=3),
        Variant("eager attention", numeric=Numeric(attention="eager")),
        Variant("micro-batches of 1", numeric=Numeric(micro_batch_size=1)),
        Variant("reversed batch", Reversed),
        Variant("eager, reversed batch", Reversed, numeric=Numeric(attention="eager")),
        Variant("AVX-512", environment=_isa("avx512", "AVX512", "AVX512_CORE")),
        Variant("no AVX2", environment=_isa("default", "COMPATIBLE", "SSE41")),
        Variant(LOOK, numeric=Numeric(attention="eager", micro_batch_size=1)),
        Variant("int8 base", Int8),
        Variant("int4 base", Int4),
        Variant("fp8 base", Fp8),
        Variant("a tenth of the layers dropped", SmallerModel),
        Variant("sequences cut to 3/4", Truncated),
        Variant("data of another order", WrongOrder),
        Variant("repeated batch", RepeatedBatch),
        Variant("half the batch", HalfBatch),
        Variant("tf32", numeric=TF32),
        Variant("tf32, eager", Reversed, numeric=Numeric("tf32", attention="eager", emulated=True)),
        Variant("tf32, int8 base", Int8, numeric=TF32),
        Variant("bf16", numeric=BF16),
        Variant("bf16, eager, micro-batches of 1", numeric=OTHER_BF16),
        Variant("bf16, reversed batch", Reversed, numeric=BF16),
        Variant("bf16, int8 base", Int8, numeric=OTHER_BF16),
        Variant("bf16, fp8 base", Fp8, numeric=OTHER_BF16),
        Variant("bf16, int4 base", Int4, numeric=OTHER_BF16),
        Variant("bf16, sequences cut to 3/4", Truncated, numeric=OTHER_BF16),
        Variant("bf16, a tenth of the layers dropped", SmallerModel, numeric=OTHER_BF16),
    )
}
