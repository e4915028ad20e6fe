# SPDX-License-Identifier: Apache-2.0
"""One LoRA training as an object: a model, a state and data, moved on step by step.

The maths: AdamW (Loshchilov and Hutter 2019, algorithm 2) written out as single fp32 operations, so that one sequence
of roundings is pinned; the loss is the mean over the trained tokens of the whole optimiser step.

What a step consists of is a method each (`indices`, `encoded`, `rate`, `loss_of`, `update`), so that a sweep's trial or
a cheat of the detection table states only what it does otherwise. Nothing here may change the bytes of the exact
class: tests/integration/test_lora_job.py holds their digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm.errors import IntegrityError, JobFailed
from swarm.jobs.numeric import Numeric, computing, device_of, emulate
from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.dataset import Examples, Format, Keep
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE
from swarm.workloads.lora.segments import batch_of, learning_rate, power

if TYPE_CHECKING:
    import torch

    from swarm.jobs.chat import Encoded

State = dict[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one optimiser step (0-based) leaves: `targets` tokens entered the loss, `tokens` were read.

    `cut`: examples of the step that were longer than sequence_len.
    """

    step: int
    loss: float
    norm: float
    targets: int
    tokens: int
    cut: int = 0

    def packed(self) -> bytes:
        """The step's record in the trace."""
        return TRACE_RECORD.pack(self.step, self.loss, self.norm, self.targets)


class Trainer:
    """A LoRA training. `training` is the spec's mapping; `exact`: the spec is of the exact class.

    Raises IntegrityError for a model, data or state that a stranger made wrong, SpecError for a bad line of data,
    JobFailed for what cannot be trained here.
    """

    def __init__(
        self,
        training: dict,
        *,
        model: Path,
        data: Path,
        state: Path,
        field: str = "messages",
        format_: Format | None = None,
        keep: Keep | None = None,
        exact: bool = True,
        numeric: Numeric | None = None,
    ) -> None:
        from swarm.jobs.chat import ChatEncoder
        from swarm.jobs.model import attach_lora, make_deterministic

        self.training, self.is_exact = training, exact
        self.numeric = numeric or Numeric(training["precision"])
        self.batch_size = training["micro_batch_size"] * training["gradient_accumulation_steps"]
        self.micro_batch_size = self.numeric.micro_batch_size or training["micro_batch_size"]
        self.has_split = False
        self.device = device_of(self.numeric.precision, emulated=self.numeric.emulated, exact=exact)
        make_deterministic(training["threads"])
        format_ = format_ or Format(field_messages=field)
        self.conversations = Examples(data, format_=format_, keep=keep)
        self.encoder = ChatEncoder(model, needs_template=format_.type == "chat_template")
        self.model, self.weights = attach_lora(self.base(model), training, state / ADAPTER_FILE)
        if self.numeric.emulated:
            emulate(self.model, self.numeric.precision)
        self.model.to(self.device)
        self.has_checkpoints = False
        if training.get("gradient_checkpointing"):
            self._checkpoint()
        self.first, self.second, self.steps = {}, {}, 0
        self._restore_optimizer(state / OPTIMIZER_FILE)

    # what a step is made of

    def base(self, folder: Path) -> Any:
        """The frozen base model."""
        from swarm.jobs.four_bit import FourBit
        from swarm.jobs.model import load_model

        four_bit = FourBit(self.numeric.precision) if self.training.get("adapter") == "qlora" else None
        return load_model(folder, attention=self.numeric.attention, four_bit=four_bit)

    def indices(self, step: int) -> list[int]:
        """Which examples a step learns from."""
        examples, seed = len(self.conversations), self.training["seed"]
        return batch_of(step, examples=examples, batch_size=self.batch_size, seed=seed)

    def encoded(self, index: int) -> Encoded:
        """One example as tokens."""
        return self.encoder.encode(self.conversations[index], limit=self.training["sequence_len"])

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        training = self.training
        return learning_rate(
            step,
            peak=training["learning_rate"],
            schedule=training["lr_scheduler"],
            warmup_steps=training["warmup_steps"],
            max_steps=training["max_steps"],
        )

    def loss_of(self, batch: Sequence[Encoded], targets: int) -> torch.Tensor:
        """Leaves the gradients of the mean loss over a step's targets, one micro-batch at a time; returns the loss."""
        import torch

        from swarm.jobs.model import summed_loss

        loss = torch.zeros((), device=self.device)
        for start in range(0, len(batch), self.micro_batch_size):
            with computing(self.numeric, self.device):
                part = summed_loss(self.model, batch[start : start + self.micro_batch_size]) / targets
            part.backward()
            loss += part.detach()
        return loss

    def update(self, step: int, norm: float) -> None:
        """Clips the gradients, then AdamW."""
        import torch

        training = self.training
        scale = min(1.0, training["max_grad_norm"] / (norm + 1e-6))
        rate = self.rate(step)
        beta1, beta2, epsilon = training["adam_beta1"], training["adam_beta2"], training["adam_epsilon"]
        unbias1, unbias2 = 1.0 - power(beta1, step + 1), 1.0 - power(beta2, step + 1)
        with torch.no_grad():
            for name, weight in self.weights.items():
                gradient, m, v = weight.grad.mul_(scale), self.first[name], self.second[name]
                m.mul_(beta1).add_(gradient * (1.0 - beta1))
                v.mul_(beta2).add_(gradient.square() * (1.0 - beta2))
                weight.mul_(1.0 - rate * training["weight_decay"])
                weight.sub_((m / unbias1) / ((v / unbias2).sqrt() + epsilon) * rate)
                weight.grad = None

    # the step

    def step(self, step: int) -> StepRecord:
        """One optimiser step (0-based). Raises JobFailed when there is nothing to learn or the training diverged."""
        import torch

        from swarm.jobs.model import require_finite

        batch = [self.encoded(index) for index in self.indices(step)]
        # The first token of a sequence is never predicted, so it is no target.
        targets = sum(sum(example.trained[1:]) for example in batch)
        if not targets:
            words = f"step {step} has nothing to learn: sequence_len cuts off every answer of its batch"
            raise JobFailed(words, hint="raise sequence_len, or leave the long examples out")
        loss = float(self._gradients(batch, targets))
        gradients = [weight.grad.norm() for weight in self.weights.values()]
        norm = float(torch.linalg.vector_norm(torch.stack(gradients)))
        require_finite(loss, "the loss", step)
        require_finite(norm, "the gradient norm", step)
        self.update(step, norm)
        self.steps = step + 1
        cut = sum(example.is_cut for example in batch)
        return StepRecord(step, loss, norm, targets, sum(len(example.ids) for example in batch), cut)

    def _gradients(self, batch: Sequence[Encoded], targets: int) -> torch.Tensor:
        while True:
            try:
                return self.loss_of(batch, targets)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
            self._make_room()

    def _make_room(self) -> None:
        """Gives up time for memory, then bits where the class allows it. Raises JobFailed when neither is left."""
        import torch

        if not self.has_checkpoints:
            self._checkpoint()
        else:
            self._split()
        for weight in self.weights.values():
            weight.grad = None
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _checkpoint(self) -> None:
        from swarm.jobs.model import checkpoint_blocks

        checkpoint_blocks(self.model)
        self.has_checkpoints = True

    def _split(self) -> None:
        """Halves the micro-batch, once. Another split adds the same numbers in another order: not the same bits, so in
        the exact class it would cost an honest seller its collateral, and the job fails instead."""
        words = f"out of memory with micro_batch_size {self.micro_batch_size}"
        if self.is_exact:
            hint = "lower it and raise gradient_accumulation_steps, or lower sequence_len"
            raise JobFailed(f"{words}; the exact class cannot split it", hint=hint)
        if self.has_split or self.micro_batch_size == 1:
            raise JobFailed(words, hint="lower sequence_len")
        self.micro_batch_size, self.has_split = self.micro_batch_size // 2, True

    # the state

    def state(self) -> tuple[State, State]:
        """Adapter and optimizer as they are published: after `steps` steps, in memory of the host."""
        import torch

        adapter = {name: weight.detach().cpu().contiguous() for name, weight in self.weights.items()}
        moments = {f"m.{name}": tensor.cpu() for name, tensor in self.first.items()}
        moments |= {f"v.{name}": tensor.cpu() for name, tensor in self.second.items()}
        return adapter, moments | {"step": torch.tensor([self.steps], dtype=torch.int64)}

    def restore(self, state: Path) -> None:
        """Goes on from another state of the same job, without loading the model again."""
        import torch

        from swarm.jobs.model import load_state

        adapter = load_state(state / ADAPTER_FILE, self.state()[0])
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(adapter[name])
        self._restore_optimizer(state / OPTIMIZER_FILE)

    def _restore_optimizer(self, path: Path) -> None:
        import torch

        from swarm.jobs.model import load_state

        self.first = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        self.second = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        found = load_state(path, self.state()[1])
        for name in self.weights:
            if (found[f"v.{name}"] < 0).any():
                raise IntegrityError(f"{path.name}: the second moment of {name} is negative")
            self.first[name].copy_(found[f"m.{name}"])
            self.second[name].copy_(found[f"v.{name}"])
        self.steps = int(found["step"])


def numeric_of(job: dict) -> Numeric:
    """How a job file asks to compute: the spec's precision, and what a judge that looks closer wants otherwise."""
    return replace(Numeric(job["spec"]["training"]["precision"]), **job.get("numeric", {}))


def _is_out_of_memory(error: Exception) -> bool:
    """torch says it in several ways; a container that is killed for its memory says nothing and cannot be caught."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)
