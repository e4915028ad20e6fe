# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from swarm.errors import IntegrityError, JobFailed
from swarm.jobs.model import check_folder, require_finite, same_form


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"w": np.zeros(2, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    return tmp_path


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "modeling_x.py", "x.so", "x.pkl", "x.PY", "x.h5"])
def test_refuses_a_folder_with_anything_that_could_run(folder: Path, name: str) -> None:
    (folder / name).touch()
    with pytest.raises(IntegrityError, match="only plain data files"):
        check_folder(folder)


def test_refuses_links_and_folders(folder: Path) -> None:
    (folder / "a.json").symlink_to("/etc/passwd")
    with pytest.raises(IntegrityError, match="only plain data files"):
        check_folder(folder)
    (folder / "a.json").unlink()
    (folder / "sub").mkdir()
    with pytest.raises(IntegrityError, match="only plain data files"):
        check_folder(folder)


@pytest.mark.parametrize("key", ["auto_map", "quantization_config"])
def test_refuses_a_config_that_names_code_or_another_precision(folder: Path, key: str) -> None:
    (folder / "config.json").write_text(json.dumps({key: {}}))
    with pytest.raises(IntegrityError, match=key):
        check_folder(folder)


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_refuses_a_config_that_is_no_object(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"config\.json"):
        check_folder(folder)


def test_refuses_a_folder_without_a_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(IntegrityError, match=r"config\.json"):
        check_folder(folder)


def test_accepts_plain_data(folder: Path) -> None:
    check_folder(folder)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"w": torch.zeros(2), "x": torch.zeros(2)},
        {"w": torch.zeros(3)},
        {"w": torch.zeros(2, dtype=torch.float16)},
        {"w": torch.tensor([0.0, float("nan")])},
        {"w": torch.tensor([0.0, float("inf")])},
    ],
)
def test_refuses_a_state_of_another_form(found: dict) -> None:
    with pytest.raises(IntegrityError):
        same_form({"w": torch.zeros(2)}, found, "adapter_model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_diverged_training_fails_and_names_the_step(value: float) -> None:
    with pytest.raises(JobFailed, match="at step 3: the training diverged"):
        require_finite(value, "the loss", 3)
