# SPDX-License-Identifier: Apache-2.0
"""The validation loss of a LoRA job: mean cross-entropy over the trained tokens of examples that nobody trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import JobFailed
from swarm.jobs.numeric import computing
from swarm.jobs.program import INPUTS, emit
from swarm.workloads.dataset import Examples, Format

if TYPE_CHECKING:
    from swarm.jobs.training import Trainer


def heldout_of(
    spec: dict, trainer: Trainer, held_out: Callable[[int], bool], *, inputs: Path = INPUTS
) -> Examples | None:
    """The examples a spec keeps apart, from its own file or a share of the data; None where it wants no validation.

    Raises JobFailed before any work when none of them has an answer within sequence_len.
    """
    if spec["test_datasets"]:
        heldout = Examples(inputs / "heldout.jsonl", format_=Format.of(spec["test_datasets"][0]))
    elif spec["val_set_size"]:
        heldout = Examples(inputs / "train.jsonl", format_=Format.of(spec["datasets"][0]), keep=held_out)
    else:
        return None
    limit = trainer.training["sequence_len"]
    if not any(any(trainer.encoder.encode(example, limit=limit).trained[1:]) for example in heldout):
        words = "no validation example has an answer within sequence_len"
        raise JobFailed(words, hint="raise sequence_len, or leave val_set_size out")
    return heldout


def measure(trainer: Trainer, heldout: Examples) -> dict[str, float | int]:
    """What metrics.json holds. Examples in the order of the file and a micro-batch at a time: the same sums everywhere.

    The losses of training are not in it: with them a lazy judge could guess the hidden trace.
    """
    import torch

    from swarm.jobs.model import summed_loss

    total, tokens, cut = 0.0, 0, 0
    limit, size = trainer.training["sequence_len"], trainer.training["micro_batch_size"]
    with torch.no_grad():
        for start in range(0, len(heldout), size):
            end = min(start + size, len(heldout))
            batch = [trainer.encoder.encode(heldout[index], limit=limit) for index in range(start, end)]
            targets = sum(sum(example.trained[1:]) for example in batch)
            cut += sum(example.is_cut for example in batch)
            if targets:
                with computing(trainer.numeric, trainer.device):
                    total += float(summed_loss(trainer.model, batch))
            tokens += targets
            emit("evaluated", done=end, of=len(heldout))
    counts = {"eval_examples": len(heldout), "eval_cut": cut, "train_examples": len(trainer.conversations)}
    return {"eval_loss": total / tokens, "eval_tokens": tokens} | counts
