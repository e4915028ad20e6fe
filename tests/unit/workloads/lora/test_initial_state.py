# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.errors import IntegrityError, SpecError
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE, write_initial_state
from swarm.workloads.lora.spec import LoraSpec


def changed(spec: LoraSpec, **training: object) -> LoraSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update=training)})


def test_refuses_a_module_the_model_does_not_have(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="found 'k_proj', expected a module of the base model"):
        write_initial_state(changed(resolved, lora_target_modules=("k_proj",)), model_dir, tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_refuses_a_module_that_is_not_linear(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    save_file({"model.norm.weight": np.zeros(4, np.float32)}, model_dir / "norm.safetensors")
    with pytest.raises(SpecError, match="expected a linear layer"):
        write_initial_state(changed(resolved, lora_target_modules=("norm",)), model_dir, tmp_path / "state")


def test_refuses_a_tensor_that_two_files_claim(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    (model_dir / "twin.safetensors").write_bytes((model_dir / "model.safetensors").read_bytes())
    with pytest.raises(IntegrityError, match="stands in another file too"):
        write_initial_state(resolved, model_dir, tmp_path / "state")


def test_gives_the_same_bytes_every_time(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        write_initial_state(resolved, model_dir, tmp_path / name)
        files = (tmp_path / name / file for file in (ADAPTER_FILE, OPTIMIZER_FILE))
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files])
    assert digests == [["6e40fe32403f072a", "299ee6274addda02"]] * 2


def test_another_seed_gives_another_state(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    write_initial_state(resolved, model_dir, tmp_path / "first")
    write_initial_state(changed(resolved, seed=8), model_dir, tmp_path / "second")
    assert (tmp_path / "first" / ADAPTER_FILE).read_bytes() != (tmp_path / "second" / ADAPTER_FILE).read_bytes()


def test_carries_names_and_shapes_of_peft(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    write_initial_state(resolved, model_dir, tmp_path / "state")
    adapter = load_file(tmp_path / "state" / ADAPTER_FILE)
    prefix = "base_model.model.model.layers.1.self_attn.v_proj"
    assert len(adapter) == 8
    assert adapter[f"{prefix}.lora_A.weight"].shape == (8, 16)
    assert adapter[f"{prefix}.lora_B.weight"].shape == (8, 8)
    assert {array.dtype for array in adapter.values()} == {np.dtype(np.float32)}


def test_starts_where_a_fresh_adapter_changes_nothing(resolved: LoraSpec, model_dir: Path, tmp_path: Path) -> None:
    write_initial_state(resolved, model_dir, tmp_path / "state")
    adapter = load_file(tmp_path / "state" / ADAPTER_FILE)
    optimizer = load_file(tmp_path / "state" / OPTIMIZER_FILE)
    uniform = np.concatenate([array.ravel() for name, array in adapter.items() if "lora_A" in name])
    assert not any(array.any() for name, array in adapter.items() if "lora_B" in name)
    assert np.abs(uniform).max() <= 0.25
    assert uniform.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.1)
    assert optimizer.keys() == {f"{kind}.{name}" for kind in "mv" for name in adapter} | {"step"}
    assert not any(array.any() for array in optimizer.values())
