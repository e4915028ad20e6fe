# SPDX-License-Identifier: Apache-2.0
"""A base model in 4 bit (QLoRA; Dettmers et al. 2023): nf4 with double quantisation, through bitsandbytes.

Weights are quantised on the processor whatever is trained on: every machine then has the same codes, and what differs
between machines is only how products are rounded, as without 4 bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from swarm.errors import JobFailed


def has_four_bit() -> bool:
    """Whether this Python can hold a model in 4 bit."""
    return find_spec("bitsandbytes") is not None


@dataclass(frozen=True, slots=True)
class FourBit:
    """How a base model is quantised. `precision`: what its products are computed in."""

    precision: str
    is_double: bool = True

    def options(self) -> dict[str, Any]:
        """For `from_pretrained`. Raises JobFailed without bitsandbytes."""
        import torch
        from transformers import BitsAndBytesConfig

        if not has_four_bit():
            raise JobFailed("adapter qlora needs bitsandbytes, which is not installed here", hint="adapter: lora")
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=self.is_double,
            bnb_4bit_compute_dtype=torch.bfloat16 if self.precision == "bf16" and _is_native() else torch.float32,
        )
        return {"quantization_config": config, "device_map": {"": "cpu"}}

    def prepared(self, model: Any) -> Any:
        """The loaded model, with everything that is not in 4 bit in fp32."""
        from bitsandbytes.nn import Linear4bit
        from peft import prepare_model_for_kbit_training

        for module in model.modules():
            if isinstance(module, Linear4bit):
                # Processors with AVX512-BF16 would compute some layers in bf16, whatever the class says.
                module.support_avx512bf16_for_cpu = False
        # Checkpoints are ours to switch on: they must not depend on how the base is held.
        return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def _is_native() -> bool:
    """A processor emulates bf16 by rounding what enters and leaves a layer (swarm.jobs.numeric)."""
    import torch

    return torch.cuda.is_available()
