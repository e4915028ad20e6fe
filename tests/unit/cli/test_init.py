# SPDX-License-Identifier: Apache-2.0
"""`swarm init sweep | infer | container`, and what leaves bad lines out: refusals, then files that are read back."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from swarm.cli.main import command
from swarm.errors import SwarmError, UsageError
from swarm.workloads.spec import load_spec
from swarm.workloads.sweep.search import load_sweep

IMAGE = "sha256:" + "a" * 64
ASK = {"custom_id": "1", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """`swarm …` in a folder with a model, requests of which one is wrong, and data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    rows = [ASK, {"custom_id": "2"}, ASK | {"custom_id": "3"}, ASK]
    (tmp_path / "requests.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "good.jsonl").write_text(json.dumps(ASK) + "\n")
    (tmp_path / "data.csv").write_text("a,b")

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner(env={"SWARM_HOME": str(tmp_path / "home")}).invoke(command, arguments)
        found = result.exception.exit_code if isinstance(result.exception, SwarmError) else result.exit_code
        assert found == code, result.output + str(result.exception)
        return result.output if code == 0 else str(result.exception)

    return run


def test_infer_refuses_a_bad_line_and_writes_nothing(call, tmp_path):
    said = call("init", "infer", "-m", "model", "-i", "requests.jsonl", code=4)
    assert "requests.jsonl line 2: no list 'messages'" in said
    assert not (tmp_path / "infer.yaml").exists()
    assert "does not exist" in call("init", "infer", "-m", "none", "-i", "good.jsonl", code=3)


def test_infer_writes_a_spec_and_a_cleaned_copy(call, tmp_path):
    said = call("init", "infer", "-m", "model", "-i", "requests.jsonl", "--skip-invalid", "--max-tokens", "64")
    assert "with 2 requests, without 2 lines" in said and "line 4: custom_id '1' stands on another line too" in said
    spec = load_spec(tmp_path / "infer.yaml")
    assert (spec.model, spec.input, spec.sampling.max_tokens) == ("file:model", "file:requests.clean.jsonl", 64)
    assert "size" not in spec.shards.model_fields_set
    assert "exists already" in call("init", "infer", "-m", "model", "-i", "good.jsonl", code=2)


def test_container_refuses_a_tag_and_writes_nothing(call, tmp_path):
    assert "an image by digest" in call("init", "container", "python:3.11", "--", "python3", code=4)
    assert not (tmp_path / "container.yaml").exists()


def test_container_writes_a_spec(call, tmp_path):
    call("init", "container", IMAGE, "-i", "data.csv", "--", "python3", "-c", 'print("{x}: é")')
    spec = load_spec(tmp_path / "container.yaml")
    assert (spec.entrypoint, spec.args) == (("python3",), ("-c", 'print("{x}: é")'))
    assert [(entry.source, entry.target) for entry in spec.inputs] == [("file:data.csv", "/inputs/data.csv")]
    assert spec.determinism == "exact"


def test_sweep_is_written_over_what_is_there(call, tmp_path):
    training = {"max_steps": 90, "seed": 1}
    lora = {"type": "lora", "name": "mine", "budget": {"max_total": 1}, "base_model": "file:model"}
    (tmp_path / "lora.yaml").write_text(
        json.dumps(lora | {"datasets": [{"path": "file:d.jsonl"}], "training": training})
    )
    call("init", "sweep", "--from", "lora.yaml", "--max-spend", "25")
    sweep = load_sweep(tmp_path / "sweep.yaml")
    assert sweep.lora.training.max_steps == 90 and sweep.early_terminate.min_iter == 10
    assert sweep.budget.max_total == 25 and sweep.name == "mine-sweep"

    call("init", "container", IMAGE, "--", "python3", "train.py")
    call("init", "sweep", "--from", "container.yaml", "-o", "program.yaml")
    assert load_sweep(tmp_path / "program.yaml").program.image == IMAGE
    call("init", "infer", "-m", "model", "-i", "good.jsonl")
    assert "expected lora or container" in call("init", "sweep", "--from", "infer.yaml", "-o", "x.yaml", code=4)
    assert "no such spec file" in call("init", "sweep", "--from", "none.yaml", "-o", "x.yaml", code=3)


def test_cleaning_is_for_types_whose_data_is_ours_to_read(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from swarm.cli.cleaning import cleaned
    from swarm.workloads.spec import parse_spec

    notes: list[str] = []
    context = SimpleNamespace(screen=SimpleNamespace(note=notes.append))
    budget = {"name": "x", "budget": {"max_total": 1}}
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (row, row, {})))
    data = {"datasets": [{"path": "file:d.jsonl"}], "training": {"max_steps": 1, "seed": 1}}
    lora = parse_spec(budget | data | {"type": "lora", "base_model": "file:m"})
    found = cleaned(context, lora, tmp_path, skip_invalid=True, dedupe=True)
    assert (tmp_path / "d.clean.jsonl").read_text().count("\n") == 1
    assert found.datasets[0].path == f"file:{tmp_path / 'd.clean.jsonl'}"
    assert any(note.startswith("✗ line 3") for note in notes)
    program = parse_spec(budget | {"type": "container", "image": IMAGE, "entrypoint": ["x"]})
    with pytest.raises(UsageError, match="--skip-invalid is not for jobs of type container"):
        cleaned(context, program, tmp_path, skip_invalid=True, dedupe=False)
    (tmp_path / "r.jsonl").write_text(json.dumps(ASK) + "\n{\n")
    infer = parse_spec(budget | {"type": "inference", "model": "file:m", "input": "file:r.jsonl"})
    found = cleaned(context, infer, tmp_path, skip_invalid=True, dedupe=False)
    assert found.input.endswith("r.clean.jsonl")
    with pytest.raises(UsageError, match="--dedupe is not for jobs of type inference"):
        cleaned(context, infer, tmp_path, skip_invalid=True, dedupe=True)
