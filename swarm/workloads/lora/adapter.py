# SPDX-License-Identifier: Apache-2.0
"""Makes what the buyer receives from a job's last output: a folder peft and transformers load as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.workloads.lora.initial import ADAPTER_FILE
from swarm.workloads.lora.metrics import METRICS_FILE, Metrics, read_metrics
from swarm.workloads.tensors import read_header

if TYPE_CHECKING:
    from swarm.workloads.lora.spec import LoraSpec


def write_adapter(spec: LoraSpec, output: Path, target: Path, *, base_model: str | None = None) -> None:
    """Writes adapter_model.safetensors, adapter_config.json, README.md and metrics.json, if there is one, into
    the new directory `target`.

    `output` is the directory of the last segment, `base_model` a name or path people can load (default: the spec's).
    Raises IntegrityError when the weights' header lies, NotFound when they are missing.
    """
    read_header(output / ADAPTER_FILE)
    metrics = read_metrics(output)
    target.mkdir(parents=True)
    shutil.copyfile(output / ADAPTER_FILE, target / ADAPTER_FILE)
    config = json.dumps(adapter_config(spec, base_model or spec.base_model), indent=2, sort_keys=True)
    (target / "adapter_config.json").write_text(config + "\n", "utf-8")
    (target / "README.md").write_text(model_card(spec, base_model or spec.base_model, metrics), "utf-8")
    if metrics:
        shutil.copyfile(output / METRICS_FILE, target / METRICS_FILE)


def adapter_config(spec: LoraSpec, base_model: str) -> dict[str, object]:
    """peft's LoraConfig as it lies on disk."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": spec.training.lora_r,
        "lora_alpha": spec.training.lora_alpha,
        "lora_dropout": spec.training.lora_dropout,
        "target_modules": list(spec.training.lora_target_modules),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "modules_to_save": None,
    }


def model_card(spec: LoraSpec, base_model: str, metrics: Metrics | None = None) -> str:
    """A model card in the Hub's form, with what a reader needs to train it again."""
    training = spec.training
    rows = _validation_rows(metrics) + "".join(f"| {name} | {_cell(text)} |\n" for name, text in spec.labels.items())
    return f"""---
library_name: peft
base_model: {json.dumps(base_model)}
tags: [lora, computeswarm]
---

# {spec.name}

LoRA adapter trained on ComputeSwarm.

| | |
|---|---|
| base model | `{spec.base_model}` |
| data | `{spec.datasets[0].path}` |
| initial state | `{spec.initial_state}` |
| rank, alpha, modules | {training.lora_r}, {training.lora_alpha}, {", ".join(training.lora_target_modules)} |
| steps | {training.max_steps} |
| examples per step | {training.micro_batch_size} × {training.gradient_accumulation_steps} |
| learning rate, schedule, warm-up | {training.learning_rate}, {training.lr_scheduler}, {training.warmup_steps} steps |
| seed, precision | {training.seed}, {training.precision} |
{rows}
```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), "THIS FOLDER")
```
"""


def _validation_rows(metrics: Metrics | None) -> str:
    if metrics is None:
        return ""
    cut = f", {metrics.eval_cut} of them cut at sequence_len" if metrics.eval_cut else ""
    return (
        f"| validation loss | {metrics.eval_loss:.4f} over {metrics.eval_tokens:,} tokens |\n"
        f"| examples | {metrics.train_examples:,} trained on, {metrics.eval_examples:,} kept apart{cut} |\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
