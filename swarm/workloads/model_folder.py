# SPDX-License-Identifier: Apache-2.0
"""Looks at a base model's folder without loading it: plain data files only, headers that tell the truth, its config.

Nothing of a folder is ever executed; a file that could be is refused instead of ignored, so that nobody relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarm import hostile_json
from swarm.errors import IntegrityError
from swarm.workloads.tensors import TensorInfo, read_model_headers

# An allow-list: anything else (pickles, code, shared objects) could run when loaded.
ALLOWED_SUFFIXES = {".json", ".safetensors", ".jinja", ".txt", ".md", ".model", ""}
MAX_CONFIG_BYTES = 1 << 20
_TEMPLATE_FILE, _TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What can be known of a model before it is loaded. `has_chat_template` is None for a folder without tokenizer."""

    tensors: dict[str, TensorInfo]
    config: dict
    has_chat_template: bool | None

    @property
    def context(self) -> int | None:
        """The most tokens it was made for, where it says so."""
        found = self.config.get("max_position_embeddings")
        return found if type(found) is int and found > 0 else None


def read_model_folder(folder: Path) -> ModelFolder:
    """Raises IntegrityError unless the folder holds plain data files only and their headers tell the truth."""
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_file() or path.suffix not in ALLOWED_SUFFIXES:
            raise IntegrityError(f"the base model holds {path.name[:80]!r}, only plain data files are allowed")
    tensors = read_model_headers(folder)
    config = _config(folder / "config.json")
    for key in ("auto_map", "quantization_config"):
        if key in config:
            raise IntegrityError(f"the base model's config.json has {key}, which is not allowed")
    return ModelFolder(tensors, config, _has_chat_template(folder))


def _config(path: Path) -> dict:
    if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
        raise IntegrityError(f"the base model's config.json is missing or larger than {MAX_CONFIG_BYTES} bytes")
    try:
        config = hostile_json.parse(path.read_bytes())
    except ValueError as error:
        raise IntegrityError("the base model's config.json is not JSON") from error
    if not isinstance(config, dict):
        raise IntegrityError("the base model's config.json is not an object")
    return config


def _has_chat_template(folder: Path) -> bool | None:
    if (folder / _TEMPLATE_FILE).is_file():
        return True
    path = folder / _TOKENIZER_CONFIG
    if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
        return None
    try:
        config = hostile_json.parse(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"the base model's {_TOKENIZER_CONFIG} is not JSON") from error
    return isinstance(config, dict) and bool(config.get("chat_template"))
