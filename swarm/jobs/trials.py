# SPDX-License-Identifier: Apache-2.0
"""Trials of a sweep: `python -m swarm.jobs.trials`, with $SWARM_INPUTS and $SWARM_OUTPUTS set.

inputs   job.json {"spec": resolved spec of type trials, "first_segment": a, "last_segment": b (exclusive)},
         model/, train.jsonl, validation.jsonl, start-ID/ for every trial that goes on from an earlier state
outputs  segments/0000/{metrics.json, adapter_model.safetensors, optimizer.safetensors} per trial (published; only the
         metrics of a trial that failed by itself), traces/0000.bin (hidden): a record a step and one of the evaluation

Every trial is a process of its own, forked from one that holds the model and the data: it sees nothing of its
neighbours, so its bytes are the same however many run at once, and a judge repeats one of them alone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from swarm.errors import IntegrityError, JobFailed
from swarm.jobs.forks import cores, run_forked
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.jobs.training import StepRecord, Trainer
from swarm.protocol.commitment import TRACE_RECORD
from swarm.workloads.dataset import Message, read_dataset
from swarm.workloads.example import Format
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, write_initial_state
from swarm.workloads.sweep.metrics import MAX_FAILURE, METRICS_FILE, Metrics

_EVALUATED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """What all trials of a job share, loaded once."""

    model_folder: Path
    model: Any
    encoder: Any
    conversations: list[tuple[Message, ...]]
    validation: list[tuple[Message, ...]]

    @classmethod
    def load(cls, inputs: Path, format_: Format) -> Stage:
        # peft too is imported once, and not by every trial after its fork.
        import peft  # noqa: F401

        from swarm.jobs.chat import ChatEncoder
        from swarm.jobs.model import load_model, make_deterministic

        # One thread: a pool of threads does not survive a fork.
        make_deterministic(1)
        folder = inputs / "model"
        files = (inputs / f"{name}.jsonl" for name in ("train", "validation"))
        data, held_out = (list(read_dataset(file, format_=format_)) for file in files)
        encoder = ChatEncoder(folder, needs_template=format_.type == "chat_template")
        return cls(folder, load_model(folder), encoder, data, held_out)


class TrialTrainer(Trainer):
    """A training that takes model and data from a stage. The process ends with the trial: the model is not cleaned."""

    def __init__(self, training: dict, stage: Stage, state: Path) -> None:
        from swarm.jobs.model import attach_lora, make_deterministic
        from swarm.jobs.numeric import Numeric

        self.training, self.is_exact, self.has_split, self.has_checkpoints = training, True, False, False
        self.numeric, self.device = Numeric(), "cpu"
        self.batch_size = training["micro_batch_size"] * training["gradient_accumulation_steps"]
        self.micro_batch_size = training["micro_batch_size"]
        make_deterministic(training["threads"])
        self.conversations, self.encoder = stage.conversations, stage.encoder
        self.model, self.weights = attach_lora(stage.model, training, state / ADAPTER_FILE)
        self.first, self.second, self.steps = {}, {}, 0
        self._restore_optimizer(state / OPTIMIZER_FILE)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trial leaves: its numbers, its trace and, unless it failed by itself, adapter and optimizer."""

    metrics: Metrics
    trace: bytes
    state: tuple[dict, dict] | None


def main() -> None:
    # What to do.
    job = read_job()
    spec, segments = job["spec"], range(job["first_segment"], job["last_segment"])
    trials = spec["trials"]

    # With what.
    stage = Stage.load(INPUTS, Format.of(spec["datasets"][0]))
    threads = settings(spec["training"], trials[segments[0]])["threads"]
    at_once = max(1, min(len(segments), cores() // threads))
    emit("loaded", examples=len(stage.conversations), trials=len(segments), at_once=at_once)

    def one(segment: int) -> None:
        trained = run_trial(spec["training"], trials[segment], stage, on_step=_telling(trials[segment], segment))
        write(segment, trained)
        found = trained.metrics
        emit("segment", segment=segment, trial=found.trial, eval_loss=found.eval_loss, message=found.failure or "")

    run_forked(segments, at_once=at_once, work=one)
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    emit(
        "finished",
        cpu_seconds=round(sum(each.ru_utime + each.ru_stime for each in usage), 2),
        trials=len(segments),
        peak_memory_bytes=max(each.ru_maxrss for each in usage) * 1024,
    )


def settings(template: dict, trial: dict) -> dict:
    """The whole training of a trial."""
    return template | trial["training"]


def run_trial(
    template: dict,
    trial: dict,
    stage: Stage,
    *,
    trainer: Callable[..., Trainer] = TrialTrainer,
    inputs: Path = INPUTS,
    on_step: Callable[[StepRecord, float], None] = lambda record, seconds: None,
) -> Trained:
    """Trains and evaluates one trial. A trial that cannot be trained with its parameters is a result without a state.

    Raises IntegrityError for a start state that is not one of this trial.
    """
    training = settings(template, trial)
    steps = range(trial["first_step"], trial["last_step"])
    with _start_state(training, trial, stage, inputs) as state:
        at = trainer(training, stage, state)
    if at.steps != steps.start:
        raise IntegrityError(f"the start state of trial {trial['id']} is of step {at.steps}, expected {steps.start}")
    records: list[StepRecord] = []
    try:
        for step in steps:
            began = time.monotonic()
            records.append(at.step(step))
            on_step(records[-1], time.monotonic() - began)
        loss, tokens = evaluate(at, stage, training["sequence_len"])
    except JobFailed as error:
        if "out of memory" in str(error):
            raise  # This machine's matter: a judge with more memory would find another result.
        return _failed(trial, records, str(error))
    mean = sum(record.loss for record in records) / len(records) if records else None
    trace = b"".join(record.packed() for record in records) + TRACE_RECORD.pack(steps.stop, loss, 0.0, tokens)
    return Trained(Metrics(trial["id"], steps.stop, loss, tokens, mean), trace, at.state())


def evaluate(trainer: Trainer, stage: Stage, limit: int) -> tuple[float, int]:
    """Mean cross-entropy over the trained tokens of the validation data, and their number."""
    import torch

    from swarm.jobs.model import require_finite, summed_loss

    examples = [stage.encoder.encode(conversation, limit=limit) for conversation in stage.validation]
    tokens = sum(sum(example.trained[1:]) for example in examples)
    if not tokens:
        raise JobFailed("the validation data has no answer within sequence_len")
    # Batches of similar length pad little.
    ordered = sorted(examples, key=lambda example: len(example.ids))
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(ordered), _EVALUATED_AT_ONCE):
            total += float(summed_loss(trainer.model, ordered[start : start + _EVALUATED_AT_ONCE]))
    require_finite(total, "the validation loss", trainer.steps)
    return total / tokens, tokens


def write(segment: int, trained: Trained, outputs: Path | None = None) -> None:
    """Writes a segment's trace and output; both appear whole or not at all."""
    from safetensors.torch import save_file

    traces, states = (outputs or OUTPUTS) / "traces", (outputs or OUTPUTS) / "segments"
    for folder in (traces, states):
        folder.mkdir(parents=True, exist_ok=True)
    partial = traces / f"{segment:04}.partial"
    partial.write_bytes(trained.trace)
    os.replace(partial, traces / f"{segment:04}.bin")
    partial = states / f"{segment:04}.partial"
    partial.mkdir()
    (partial / METRICS_FILE).write_bytes(trained.metrics.to_bytes())
    if trained.state:
        adapter, optimizer = trained.state
        # One metadata key: with more, their order in the file would be random.
        save_file(adapter, partial / ADAPTER_FILE, metadata={"format": "pt"})
        save_file(optimizer, partial / OPTIMIZER_FILE)
    for path in partial.iterdir():
        path.chmod(0o644)
    os.replace(partial, states / f"{segment:04}")


def _failed(trial: dict, records: list[StepRecord], message: str) -> Trained:
    """The failed step's own numbers are left out: NaN has many bit patterns."""
    trace = b"".join(record.packed() for record in records) + TRACE_RECORD.pack(trial["last_step"], 0.0, 0.0, 0)
    steps = trial["first_step"] + len(records)
    return Trained(Metrics(trial["id"], steps, None, 0, None, message[:MAX_FAILURE]), trace, None)


@contextlib.contextmanager
def _start_state(training: dict, trial: dict, stage: Stage, inputs: Path) -> Iterator[Path]:
    """The folder a trial starts from: what an earlier job left, or a first state made here and removed again.

    The first state is made of sha256 and exact arithmetic (swarm.workloads.lora.initial), so it needs no CID.
    """
    if trial["start"]:
        yield inputs / f"start-{trial['id']}"
        return
    # Below the outputs: the sandbox's /tmp is small.
    with tempfile.TemporaryDirectory(dir=OUTPUTS if OUTPUTS.is_dir() else None, prefix="initial-") as folder:
        like_a_spec = SimpleNamespace(training=SimpleNamespace(**training))
        write_initial_state(like_a_spec, stage.model_folder, Path(folder) / "state")
        yield Path(folder) / "state"


def _telling(trial: dict, segment: int) -> Callable[[StepRecord, float], None]:
    def tell(record: StepRecord, seconds: float) -> None:
        emit(
            "step",
            trial=trial["id"],
            step=record.step + 1,
            steps=trial["last_step"],
            segment=segment,
            loss=record.loss,
            tokens_per_second=round(record.tokens / seconds, 1),
        )

    return tell


if __name__ == "__main__":
    run(main)
