# SPDX-License-Identifier: Apache-2.0
"""Loads a base model from a folder a stranger filled, attaches a LoRA adapter, computes the loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarm.errors import IntegrityError, JobFailed
from swarm.workloads.model_folder import read_model_folder
from swarm.workloads.tensors import read_header

if TYPE_CHECKING:
    import torch

    from swarm.jobs.chat import Encoded
    from swarm.jobs.four_bit import FourBit


def check_folder(folder: Path) -> None:
    """Raises IntegrityError unless the folder holds plain data files only and their headers tell the truth."""
    read_model_folder(folder)


def load_model(folder: Path, *, attention: str = "sdpa", four_bit: FourBit | None = None) -> Any:
    """The causal language model in fp32, or with its linear layers in 4 bit; frozen, without dropout.

    Raises JobFailed where bitsandbytes is not installed and 4 bit is asked for.
    """
    import torch
    from transformers import AutoModelForCausalLM

    check_folder(folder)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        **(four_bit.options() if four_bit else {}),
    )
    model.config.use_cache = False
    return (four_bit.prepared(model) if four_bit else model).requires_grad_(False).eval()


def attach_lora(model: Any, training: dict, adapter: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Puts the adapter of a safetensors file on the model; returns it and its trainable parameters by peft's names.

    Raises IntegrityError when names or shapes of the file are not those the spec asks for.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=training["lora_r"],
        lora_alpha=training["lora_alpha"],
        lora_dropout=0.0,
        target_modules=training["lora_target_modules"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(model, config)
    trainable = ((name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad)
    parameters = {name.replace(".default.", "."): tensor for name, tensor in sorted(trainable)}
    weights = load_state(adapter, parameters)
    with torch.no_grad():
        for name, tensor in parameters.items():
            tensor.copy_(weights[name])
    return model, parameters


def checkpoint_blocks(model: Any) -> None:
    """Keeps only each block's input for the way back and computes the rest again: the same numbers, bit by bit.

    The library does it in training mode only; here that mode is on for the block itself and nothing in it, so that no
    dropout of another architecture comes along.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    base = model.get_base_model()
    base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for module in base.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True


def load_state(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a stranger's safetensors file, if they have the form of `expected`.

    Shapes are compared from the header, before a byte is loaded. Raises IntegrityError, NotFound.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    claimed = {name: info.shape for name, info in read_header(path).items()}
    if claimed != {name: tuple(tensor.shape) for name, tensor in expected.items()}:
        raise IntegrityError(f"{path.name} holds other tensors than the spec's adapter has")
    try:
        found = load_file(path)
    except (SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(f"{path.name}: not readable as safetensors") from error
    same_form(expected, found, path.name)
    return found


def same_form(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor], name: str) -> None:
    """Raises IntegrityError unless both have the same names, shapes and dtypes and `found` is finite."""
    if expected.keys() != found.keys():
        raise IntegrityError(f"{name} holds other tensors than the spec's adapter has")
    for key, tensor in found.items():
        if tensor.shape != expected[key].shape or tensor.dtype != expected[key].dtype:
            raise IntegrityError(f"{name}: tensor {key} has shape {tuple(tensor.shape)} or type {tensor.dtype}")
        if not tensor.isfinite().all():
            raise IntegrityError(f"{name}: tensor {key} is not finite")


def make_deterministic(threads: int) -> None:
    """Fixes the number of threads and refuses any operation without a deterministic form."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)


def require_finite(value: float, name: str, step: int) -> None:
    """Raises JobFailed for NaN or infinity, naming the step (0-based) and the usual cure."""
    if value != value or value in (float("inf"), float("-inf")):
        raise JobFailed(f"{name} is {value} at step {step}: the training diverged", hint="lower learning_rate")


def summed_loss(model: Any, batch: Sequence[Encoded]) -> torch.Tensor:
    """Cross-entropy summed over the trained tokens of a batch, padded on the right to its longest; a scalar."""
    import torch

    width = max(len(example.ids) for example in batch)
    at = {"device": next(model.parameters()).device}
    ids = torch.tensor([example.ids + [0] * (width - len(example.ids)) for example in batch], **at)
    seen = torch.tensor([[1] * len(example.ids) + [0] * (width - len(example.ids)) for example in batch], **at)
    trained = torch.tensor([example.trained + [False] * (width - len(example.ids)) for example in batch], **at)[:, 1:]
    # Logits are a fifth of the work: only at positions where some row of the batch predicts a trained token.
    kept = trained.any(0).nonzero().squeeze(1)
    if not len(kept):
        return model(input_ids=ids, attention_mask=seen, logits_to_keep=1).logits.sum() * 0.0
    logits = model(input_ids=ids, attention_mask=seen, logits_to_keep=kept).logits
    chosen = trained[:, kept]
    return torch.nn.functional.cross_entropy(logits[chosen], ids[:, 1:][:, kept][chosen], reduction="sum")
