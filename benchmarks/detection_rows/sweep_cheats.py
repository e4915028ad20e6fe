# SPDX-License-Identifier: Apache-2.0
"""What dishonest sellers of a sweep do, and what honest ones on other hardware would find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.detection_rows.sweep_stage import Bench, Claim
from swarm.jobs.trials import Trained, TrialTrainer

_INT8 = 127
_GROUP = 32


class Seller(TrialTrainer):
    """Overrides one part of a step."""


# Honest ones whose hardware or kernels differ: they are of another class and never meet in the exact one.


class Eager(Seller):
    """Another attention kernel."""

    def __init__(self, training, stage, state) -> None:
        super().__init__(training, stage, state)
        self.model.base_model.model.config._attn_implementation = "eager"


class Halved(Seller):
    """One example at a time, in the other order: the same sums in another order."""

    def indices(self, step):
        return super().indices(step)[::-1]

    def __init__(self, training, stage, state) -> None:
        super().__init__(training, stage, state)
        self.micro_batch_size = 1


class Tf32(Seller):
    precision = "tf32"

    def __init__(self, training, stage, state) -> None:
        from swarm.jobs.numeric import emulate

        super().__init__(training, stage, state)
        emulate(self.model, self.precision)


class Rounded(Tf32):
    precision = "bf16"


# Cheats that train otherwise.


class SkipsTenth(Seller):
    """Repeats the last record for every tenth step instead of taking it."""

    last = None

    def step(self, step):
        if step % 10 == 5 and self.last:
            self.steps = step + 1
            return replace(self.last, step=step)
        self.last = super().step(step)
        return self.last


class StopsEarly(Seller):
    """Two thirds of the steps; the records of the others are the last one's."""

    last = None

    def step(self, step):
        if step >= 2 * self.training["max_steps"] // 3 and self.last:
            self.steps = step + 1
            return replace(self.last, step=step)
        self.last = super().step(step)
        return self.last


class HalfBatch(Seller):
    def indices(self, step):
        found = super().indices(step)
        return found[: len(found) // 2]


class WrongData(Seller):
    def encoded(self, index):
        return super().encoded((index + 1) % len(self.conversations))


class RepeatedData(Seller):
    def indices(self, step):
        return super().indices(0)


class SlowRate(Seller):
    def rate(self, step):
        return super().rate(step) * 0.9


class Frozen(Seller):
    """Never moves the second layer."""

    def update(self, step, norm):
        kept = {name: weight.detach().clone() for name, weight in self.weights.items() if ".layers.1." in name}
        super().update(step, norm)
        for name, weight in kept.items():
            self.weights[name].data.copy_(weight)


class Int8(Seller):
    """The base model rounded to 8 bits in groups of 32."""

    def __init__(self, training, stage, state) -> None:
        super().__init__(training, stage, state)
        for name, weight in self.model.named_parameters():
            if "lora" not in name and weight.dim() == 2:
                groups = weight.data.reshape(-1, _GROUP)
                scale = groups.abs().amax(1, keepdim=True) / _INT8
                weight.data.copy_(((groups / scale).round() * scale).reshape(weight.shape))


@dataclass(frozen=True, slots=True)
class Cheat:
    """`saves_work` is the share of a trial's work that is not done."""

    name: str
    saves_work: float
    claim: Callable[[Bench, int], Claim]


def _trains(kind: type[Seller]) -> Callable[[Bench, int], Claim]:
    return lambda bench, at: bench.run(at, kind)


def _forged(change: Callable[[Trained], Trained]) -> Callable[[Bench, int], Claim]:
    """An honest run of which something was changed afterwards."""
    return lambda bench, at: bench.claim(change(bench.judged[at].trained))


def _invented_metric(trained: Trained) -> Trained:
    loss = trained.metrics.eval_loss
    return replace(trained, metrics=replace(trained.metrics, eval_loss=loss * 0.99 if loss else 1.0))


def _last_bit(trained: Trained) -> Trained:
    """The metric's last digit."""
    import math

    loss = trained.metrics.eval_loss or 1.0
    return replace(trained, metrics=replace(trained.metrics, eval_loss=math.nextafter(loss, 0)))


def _forged_trace(trained: Trained) -> Trained:
    """The right result without the records that only computing it gives."""
    return replace(trained, trace=bytes(len(trained.trace)))


def _moved(trained: Trained) -> Trained:
    """The right trace, with one weight of the adapter moved."""
    adapter = {name: tensor.clone() for name, tensor in trained.state[0].items()}
    next(iter(adapter.values()))[0, 0] += 1e-3
    return replace(trained, state=(adapter, trained.state[1]))


def _noise(bench: Bench, at: int) -> Claim:
    """Random weights of the right shapes, with a metric and a trace that look right."""
    import torch

    trained = bench.judged[at].trained
    generator = torch.Generator().manual_seed(at)
    adapter, optimizer = trained.state
    shaped = {name: torch.randn(tensor.shape, generator=generator) * 0.02 for name, tensor in adapter.items()}
    return bench.claim(_forged_trace(replace(trained, state=(shaped, optimizer))))


def _untrained(bench: Bench, at: int) -> Claim:
    """The state after the first step as the last one, evaluated."""
    return bench.run(at, StandsStill)


class StandsStill(Seller):
    last = None

    def step(self, step):
        if self.last is None:
            self.last = super().step(step)
        self.steps = step + 1
        return replace(self.last, step=step)


def _neighbours(bench: Bench, at: int) -> Claim:
    """The result of the trial before, under this trial's name."""
    # Ranks alternate, so the neighbour of the same shape is two away.
    return bench.claim(_renamed(bench, at, bench.judged[at - 2].trained))


def _renamed(bench: Bench, at: int, trained: Trained) -> Trained:
    return replace(trained, metrics=replace(trained.metrics, trial=bench.entries[at]["id"]))


def _invented_failure(bench: Bench, at: int) -> Claim:
    """Says that the trial diverged at its second step."""
    trained = bench.judged[at].trained
    why = "the loss is nan at step 1: the training diverged (lower learning_rate)"
    metrics = replace(trained.metrics, eval_loss=None, eval_tokens=0, train_loss=None, step=1, failure=why)
    return bench.claim(Trained(metrics, trained.trace[:16] + bytes(16), None))


def _other_seed(bench: Bench, at: int) -> Claim:
    parameters = bench.entries[at]["training"]
    return bench.run(at, training=parameters | {"seed": parameters["seed"] + 1})


def _smaller_rank(bench: Bench, at: int) -> Claim:
    """Half the rank, padded with zeros."""
    import torch

    parameters = bench.entries[at]["training"]
    trained = bench.run(at, training=parameters | {"lora_r": parameters["lora_r"] // 2, "lora_alpha": 8}).trained

    def padded(name: str, tensor):
        if tensor.dim() != 2:
            return tensor
        return torch.cat([tensor, torch.zeros_like(tensor)], 0 if "lora_A" in name else 1).contiguous()

    adapter, optimizer = ({name: padded(name, tensor) for name, tensor in part.items()} for part in trained.state)
    return bench.claim(replace(trained, state=(adapter, optimizer)))


CHEATS = (
    Cheat("skips every tenth step", 0.1, _trains(SkipsTenth)),
    Cheat("two thirds of the steps", 0.33, _trains(StopsEarly)),
    Cheat("half batch", 0.5, _trains(HalfBatch)),
    Cheat("wrong data", 0.0, _trains(WrongData)),
    Cheat("one batch again and again", 0.0, _trains(RepeatedData)),
    Cheat("learning rate 0.9", 0.0, _trains(SlowRate)),
    Cheat("wrong seed", 0.0, _other_seed),
    Cheat("frozen layer", 0.15, _trains(Frozen)),
    Cheat("smaller rank", 0.05, _smaller_rank),
    Cheat("int8 base", 0.5, _trains(Int8)),
    Cheat("first step only", 0.9, _untrained),
    Cheat("copied neighbour's result", 1.0, _neighbours),
    Cheat("noise of the right shape", 1.0, _noise),
    Cheat("invented divergence", 0.9, _invented_failure),
    Cheat("invented metric, 1 % better", 0.1, _forged(_invented_metric)),
    Cheat("metric moved by one bit", 0.0, _forged(_last_bit)),
    Cheat("forged trace with right result", 0.0, _forged(_forged_trace)),
    Cheat("right trace with forged result", 0.0, _forged(_moved)),
)


def evidence_of(bench: Bench) -> int:
    """Bytes of one segment that a judge opens: outputs and trace; the JSON around them is about 2 kB more."""
    folder = bench.root / "written" / "segments" / "0001"
    trace = bench.root / "written" / "traces" / "0001.bin"
    return sum(path.stat().st_size for path in folder.iterdir()) + trace.stat().st_size + 2048
