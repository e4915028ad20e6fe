# SPDX-License-Identifier: Apache-2.0
"""Held-out loss and greedy answers, with or without an adapter: `python -m swarm.jobs.evaluate`.

inputs   job.json {"prompts": [text, …], "max_new_tokens": n, "adapter": true | false, "training": spec's training,
         "field_messages": "messages" (optional)}, model/, heldout.jsonl, adapter/ (only if "adapter")
outputs  evaluation.json {"loss": mean over the trained tokens, "tokens": their number, "answers": [text, …]}
"""

from __future__ import annotations

import json
import os

from swarm.errors import JobFailed
from swarm.jobs.program import INPUTS, OUTPUTS, emit, read_job, run
from swarm.workloads.dataset import Message, read_dataset

BATCH = 4


def main() -> None:
    import torch

    from swarm.jobs.chat import ChatEncoder
    from swarm.jobs.model import attach_lora, load_model, make_deterministic

    job = read_job()
    training = job["training"]
    make_deterministic(training["threads"])
    encoder = ChatEncoder(INPUTS / "model")
    conversations = read_dataset(INPUTS / "heldout.jsonl", field=job.get("field_messages", "messages"))
    heldout = [encoder.encode(conversation, limit=training["sequence_len"]) for conversation in conversations]
    model = load_model(INPUTS / "model")
    if job["adapter"]:
        model, _ = attach_lora(model, training, INPUTS / "adapter" / "adapter_model.safetensors")
    emit("loaded", examples=len(heldout))
    with torch.inference_mode():
        loss, tokens = heldout_loss(model, heldout)
        answers = [answer(model, encoder, prompt, job["max_new_tokens"]) for prompt in job["prompts"]]
    partial = OUTPUTS / "evaluation.partial"
    partial.write_text(json.dumps({"loss": loss, "tokens": tokens, "answers": answers}, ensure_ascii=False), "utf-8")
    os.replace(partial, OUTPUTS / "evaluation.json")
    emit("finished", loss=loss, tokens=tokens)


def heldout_loss(model, heldout) -> tuple[float, int]:
    """Mean cross-entropy over all trained tokens of the held-out data, and their number."""
    from swarm.jobs.model import summed_loss

    tokens = sum(sum(example.trained[1:]) for example in heldout)
    if not tokens:
        raise JobFailed("the held-out data has no answer within sequence_len")
    # Batches of similar length pad little.
    ordered = sorted(heldout, key=lambda example: len(example.ids))
    total = 0.0
    for start in range(0, len(ordered), BATCH):
        total += float(summed_loss(model, ordered[start : start + BATCH]))
        emit("evaluated", done=min(start + BATCH, len(ordered)), of=len(ordered))
    return total / tokens, tokens


def answer(model, encoder, prompt: str, max_new_tokens: int) -> str:
    """The model's greedy answer to one user message."""
    import torch
    from transformers import GenerationConfig

    tokenizer = encoder.tokenizer
    ids = torch.tensor([encoder.encode_prompt([Message("user", prompt, False)])])
    # Not the folder's own settings, which a stranger wrote.
    greedy = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=0
    )
    found = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=greedy, use_cache=True)
    emit("answered", tokens=found.shape[1] - ids.shape[1])
    return tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True).strip()


if __name__ == "__main__":
    run(main)
