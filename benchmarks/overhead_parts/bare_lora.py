# SPDX-License-Identifier: Apache-2.0
"""A LoRA fine-tune without a market: transformers, peft, torch's AdamW, one file. Prints its seconds as JSON.

python -m benchmarks.overhead_parts.bare_lora TRAINING.json MODEL DATA OUT
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main(training: dict, model_folder: Path, data: Path, out: Path) -> None:
    began = time.monotonic()
    from swarm.jobs import program  # noqa: F401 — the same kernels as the job's
    from swarm.jobs.chat import ChatEncoder
    from swarm.jobs.model import load_model, summed_loss
    from swarm.workloads.dataset import read_dataset
    from swarm.workloads.lora.segments import batch_of, learning_rate

    import torch  # isort: skip — after the kernels are chosen
    from peft import LoraConfig, get_peft_model  # isort: skip

    torch.set_num_threads(training["threads"])
    torch.manual_seed(training["seed"])
    config = LoraConfig(
        r=training["lora_r"],
        lora_alpha=training["lora_alpha"],
        target_modules=list(training["lora_target_modules"]),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(load_model(model_folder), config)
    encoder, rows = ChatEncoder(model_folder), list(read_dataset(data))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=training["weight_decay"])
    size = training["micro_batch_size"] * training["gradient_accumulation_steps"]
    loaded = time.monotonic()
    for step in range(training["max_steps"]):
        indices = batch_of(step, examples=len(rows), batch_size=size, seed=training["seed"])
        batch = [encoder.encode(rows[index], limit=training["sequence_len"]) for index in indices]
        targets = sum(sum(example.trained[1:]) for example in batch)
        for start in range(0, size, training["micro_batch_size"]):
            (summed_loss(model, batch[start : start + training["micro_batch_size"]]) / targets).backward()
        torch.nn.utils.clip_grad_norm_(weights, training["max_grad_norm"])
        schedule = {"schedule": training["lr_scheduler"], "warmup_steps": training["warmup_steps"]}
        rate = learning_rate(step, peak=training["learning_rate"], max_steps=training["max_steps"], **schedule)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    trained = time.monotonic()
    model.save_pretrained(out)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = {"load": loaded - began, "steps": trained - loaded, "save": time.monotonic() - trained}
    print(json.dumps(seconds | {"cpu": usage.ru_utime + usage.ru_stime}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), *map(Path, sys.argv[2:5]))
