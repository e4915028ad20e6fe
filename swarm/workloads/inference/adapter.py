# SPDX-License-Identifier: Apache-2.0
"""Reads the form of a LoRA adapter on the buyer's machine, so that the spec pins it and nobody else has to guess."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from swarm import hostile_json
from swarm.errors import SpecError
from swarm.workloads.inference.spec import LoraForm
from swarm.workloads.lora.initial import ADAPTER_FILE, lora_shapes
from swarm.workloads.refusal import first_refusal
from swarm.workloads.tensors import TensorInfo, read_header, read_model_headers

CONFIG_FILE = "adapter_config.json"
_MAX_CONFIG_BYTES = 1 << 20
# What peft may ask for beside rank, alpha and modules, with the value that asks for nothing.
_PLAIN = {
    "use_rslora": False,
    "use_dora": False,
    "bias": "none",
    "modules_to_save": None,
    "fan_in_fan_out": False,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layers_to_transform": None,
}


def read_form(folder: Path) -> LoraForm:
    """From adapter_config.json. Raises SpecError for a missing file or an adapter that is more than plain LoRA."""
    path = folder / CONFIG_FILE
    if not path.is_file() or path.stat().st_size > _MAX_CONFIG_BYTES:
        raise SpecError(f"lora: missing, and the adapter has no {CONFIG_FILE}; expected lora_r, lora_alpha, modules")
    try:
        config = hostile_json.parse(path.read_bytes())
    except ValueError as error:
        raise SpecError(f"adapter: {CONFIG_FILE} is not JSON") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise SpecError(f"adapter: {CONFIG_FILE} does not describe a LoRA adapter")
    for key, plain in _PLAIN.items():
        if (config.get(key) or plain) != plain:
            raise SpecError(f"adapter: {key} is {str(config[key])[:40]}, expected {plain}: plain LoRA only")
    form = {"lora_r": "r", "lora_alpha": "lora_alpha", "lora_target_modules": "target_modules"}
    try:
        return LoraForm.model_validate({key: config.get(name) for key, name in form.items()})
    except ValidationError as error:
        raise SpecError(f"adapter: {CONFIG_FILE}: {first_refusal(error, LoraForm)}") from error


def require_fitting(form: LoraForm, adapter: Path, model: Path) -> None:
    """Raises SpecError unless the weights have this form for this model, in fp32."""
    shapes = lora_shapes(read_model_headers(model), form.lora_target_modules, form.lora_r)
    if read_header(adapter / ADAPTER_FILE) != {name: TensorInfo("F32", shape) for name, shape in shapes.items()}:
        raise SpecError(f"adapter: the weights are not fp32 LoRA of rank {form.lora_r} for the model's modules")
