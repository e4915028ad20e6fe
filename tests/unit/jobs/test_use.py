# SPDX-License-Identifier: Apache-2.0
"""A delivered adapter on its buyer's machine: merged it computes what base and adapter compute together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.errors import IntegrityError
from swarm.jobs.fake import write_tiny_model
from swarm.jobs.use import chat, main, merge
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.spec import parse_spec

CID = "ipfs://bafkrei" + "a" * 52


@pytest.fixture
def bought(tmp_path: Path) -> tuple[Path, Path]:
    """(base, adapter) whose B matrices are not zero."""
    base = write_tiny_model(tmp_path / "base")
    inputs = {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID, "budget": {"max_total": 1}}
    training = {"max_steps": 1, "steps_per_segment": 1, "seed": 1, "lora_r": 2}
    spec = parse_spec({"type": "lora", "name": "x", "training": training} | inputs)
    write_initial_state(spec, base, tmp_path / "state")
    path = tmp_path / "state" / "adapter_model.safetensors"
    save_file({name: array + np.float32(0.05) for name, array in load_file(path).items()}, path, {"format": "pt"})
    write_adapter(spec, tmp_path / "state", tmp_path / "adapter")
    return base, tmp_path / "adapter"


def test_a_merged_model_computes_the_same(bought: tuple[Path, Path], tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, adapter = bought
    merge(base, adapter, tmp_path / "merged", "fp32")
    ids = torch.tensor([[5, 9, 30, 7]])
    apart = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        wanted, found, before = (model(ids).logits for model in (apart, whole, plain))
    assert torch.allclose(wanted, found, atol=1e-5)
    assert not torch.allclose(before, found, atol=1e-3)
    assert (tmp_path / "merged" / "chat_template.jinja").exists()


def test_answers_a_prompt(bought: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    chat(*bought, "hi", 3)
    assert capsys.readouterr().out.endswith("\n")


def test_refuses_an_adapter_that_is_no_safetensors(
    bought: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter = bought
    (adapter / "adapter_model.safetensors").write_bytes(b"\x80\x04 a pickle")
    command = ["use", "--base", str(base), "--adapter", str(adapter), "merge", "--to", str(tmp_path / "merged")]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(IntegrityError):
        main()
    assert not (tmp_path / "merged").exists()
