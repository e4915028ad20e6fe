# SPDX-License-Identifier: Apache-2.0
"""The LoRA job program as its own process on a tiny random Llama: refusals, and equality bit by bit."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.jobs.fake import write_tiny_model
from swarm.workloads.exact import compare
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.lora.metrics import read_metrics
from swarm.workloads.lora.segments import is_held_out
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.spec import canonical_json, parse_spec

CID = "ipfs://bafkrei" + "a" * 52
# Of everything a run of four segments leaves, on any processor of class cpu-fp32 with the pinned libraries.
GOLDEN = "7af5dbedb36e88b360baf20f10ab6e46945b4bf6c6f7498529d943005e3f4637"
TRAINING = {
    "max_steps": 7,
    "steps_per_segment": 2,
    "seed": 7,
    "sequence_len": 256,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-3,
    "weight_decay": 0.01,
    "warmup_steps": 2,
    "threads": 1,
}


class Bench:
    """A directory with a model and data, and a way to run the program on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model = write_tiny_model(root / "model")
        self.data = root / "train.jsonl"
        rows = (
            {
                "messages": [
                    {"role": "user", "content": f"What is {n} plus {n}?"},
                    {"role": "assistant", "content": f"It is {2 * n}. " * (1 + n % 3)},
                ]
            }
            for n in range(11)
        )
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        self.heldout = root / "heldout.jsonl"

    def spec(self, *, change: dict | None = None, **training: object) -> LoraSpec:
        inputs = {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID}
        rest = {"type": "lora", "name": "tiny", "budget": {"max_total": 1}}
        return parse_spec(rest | inputs | {"training": TRAINING | training} | (change or {}))

    def state(self, spec: LoraSpec, name: str = "state") -> Path:
        write_initial_state(spec, self.model, self.root / name)
        return self.root / name

    def run(self, program: str, name: str, job: dict, **inputs: Path) -> tuple[subprocess.CompletedProcess, Path]:
        folder, outputs = self.root / name / "inputs", self.root / name / "outputs"
        folder.mkdir(parents=True)
        outputs.mkdir()
        (folder / "job.json").write_text(json.dumps(job))
        for key, path in ({"model": self.model} | inputs).items():
            (folder / key).symlink_to(path)
        environment = os.environ | {"SWARM_INPUTS": str(folder), "SWARM_OUTPUTS": str(outputs)}
        command = [sys.executable, "-m", f"swarm.jobs.{program}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False), outputs

    def train(self, name: str, spec: LoraSpec, segments: range, state: Path) -> Path:
        finished, outputs = self.attempt(name, spec, segments, state)
        assert finished.returncode == 0, finished.stderr
        return outputs

    def attempt(
        self, name: str, spec: LoraSpec, segments: range, state: Path
    ) -> tuple[subprocess.CompletedProcess, Path]:
        bounds = {"first_segment": segments.start, "last_segment": segments.stop}
        job = {"spec": json.loads(canonical_json(spec))} | bounds
        heldout = {"heldout.jsonl": self.heldout} if spec.test_datasets else {}
        return self.run("lora", name, job, state=state, **{"train.jsonl": self.data}, **heldout)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def events(finished: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]


def refused(finished: subprocess.CompletedProcess, outputs: Path, code: int, message: str) -> None:
    assert finished.returncode == code, finished.stderr
    assert events(finished)[-1]["event"] == "failed"
    assert message in events(finished)[-1]["message"]
    assert not list(outputs.rglob("*.safetensors"))


def test_refuses_a_state_of_another_step(bench: Bench) -> None:
    spec = bench.spec()
    refused(
        *bench.attempt("run", spec, range(1, 2), bench.state(spec)), 13, "the state is of step 0, segment 1 needs 2"
    )


def test_refuses_a_state_of_another_rank(bench: Bench) -> None:
    state = bench.state(bench.spec(lora_r=4))
    refused(*bench.attempt("run", bench.spec(lora_r=8), range(1), state), 13, "other tensors")


def test_refuses_a_state_with_a_value_that_is_no_number(bench: Bench) -> None:
    spec = bench.spec()
    path = bench.state(spec) / "optimizer.safetensors"
    arrays = load_file(path)
    next(array for name, array in arrays.items() if name.startswith("v."))[0, 0] = np.nan
    save_file(arrays, path)
    refused(*bench.attempt("run", spec, range(1), path.parent), 13, "not finite")


def test_refuses_a_state_with_a_negative_second_moment(bench: Bench) -> None:
    """It would become NaN one step later: the program refuses it by rule, the same on every judge's machine."""
    state = bench.state(bench.spec())
    tensors = load_file(state / "optimizer.safetensors")
    name = next(key for key in tensors if key.startswith("v."))
    tensors[name] = tensors[name] - 1
    save_file(tensors, state / "optimizer.safetensors")
    refused(*bench.attempt("run", bench.spec(), range(1), state), 13, "is negative")


def test_refuses_a_state_that_is_no_safetensors(bench: Bench) -> None:
    state = bench.state(bench.spec())
    (state / "optimizer.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    refused(*bench.attempt("run", bench.spec(), range(1), state), 13, "optimizer.safetensors")


def test_refuses_a_model_with_code_in_its_folder(bench: Bench) -> None:
    spec = bench.spec()
    state = bench.state(spec)
    (bench.model / "modeling_evil.py").write_text("raise SystemExit(0)")
    refused(*bench.attempt("run", spec, range(1), state), 13, "modeling_evil.py")


def test_refuses_a_bad_line_of_data(bench: Bench) -> None:
    spec = bench.spec()
    with bench.data.open("a") as file:
        file.write("{}\n")
    refused(*bench.attempt("run", spec, range(1), bench.state(spec)), 4, "line 12")


def test_fails_by_name_when_the_training_diverges(bench: Bench) -> None:
    spec = bench.spec(learning_rate=1, adam_epsilon=1e-30, warmup_steps=0, weight_decay=0, lr_scheduler="constant")
    path = bench.state(spec) / "adapter_model.safetensors"
    save_file({name: array + np.float32(3e38) for name, array in load_file(path).items()}, path)
    refused(*bench.attempt("run", spec, range(1), path.parent), 10, "diverged")


def test_fails_by_name_when_every_answer_is_cut_off(bench: Bench) -> None:
    spec = bench.spec(sequence_len=16)
    refused(*bench.attempt("run", spec, range(1), bench.state(spec)), 10, "nothing to learn")


def test_every_segment_repeats_bit_by_bit_from_the_one_before(bench: Bench) -> None:
    spec = bench.spec()
    state = bench.state(spec)
    whole = bench.train("whole", spec, range(4), state)
    for segment in range(4):
        before = whole / f"segments/{segment - 1:04}" if segment else state
        again = bench.train(f"again{segment}", spec, range(segment, segment + 1), before)
        assert compare(again / f"segments/{segment:04}", whole / f"segments/{segment:04}").matched
        trace = f"traces/{segment:04}.bin"
        assert (again / trace).read_bytes() == (whole / trace).read_bytes()


def test_the_bytes_of_the_exact_class_are_what_they_always_were(bench: Bench) -> None:
    """A judge of another version must not convict an honest seller."""
    spec = bench.spec()
    outputs = bench.train("whole", spec, range(4), bench.state(spec))
    hasher = hashlib.sha256()
    for path in sorted(path for path in outputs.rglob("*") if path.is_file()):
        hasher.update(path.relative_to(outputs).as_posix().encode() + path.read_bytes())
    assert hasher.hexdigest() == GOLDEN


def test_every_segment_changes_the_state(bench: Bench) -> None:
    spec = bench.spec()
    whole = bench.train("whole", spec, range(4), bench.state(spec))
    adapters = (whole / f"segments/{segment:04}/adapter_model.safetensors" for segment in range(4))
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in adapters}) == 4


def test_one_and_two_threads_agree_bit_by_bit(bench: Bench) -> None:
    one, two = bench.spec(threads=1), bench.spec(threads=2)
    state = bench.state(one)
    left = bench.train("one", one, range(1), state)
    right = bench.train("two", two, range(1), state)
    assert compare(left / "segments/0000", right / "segments/0000").matched


def test_a_different_learning_rate_does_not_match(bench: Bench) -> None:
    spec = bench.spec()
    state = bench.state(spec)
    honest = bench.train("honest", spec, range(1), state)
    other = bench.train("other", bench.spec(learning_rate=5.001e-3), range(1), state)
    assert not compare(honest / "segments/0000", other / "segments/0000").matched


def test_agrees_with_torch_s_own_adamw(bench: Bench) -> None:
    """The written-out update against torch.optim.AdamW and the plain mean loss, to fp32 rounding."""
    import torch

    from swarm.jobs.chat import ChatEncoder
    from swarm.jobs.model import attach_lora, load_model
    from swarm.workloads.dataset import read_dataset
    from swarm.workloads.lora.segments import batch_of, learning_rate

    spec = bench.spec()
    state = bench.state(spec)
    outputs = bench.train("run", spec, range(1), state)
    training = spec.training.model_dump()
    model, weights = attach_lora(load_model(bench.model), training, state / "adapter_model.safetensors")
    optimizer = torch.optim.AdamW(weights.values(), weight_decay=0.01, eps=1e-8)
    encoder, data = ChatEncoder(bench.model), list(read_dataset(bench.data))
    losses = []
    for step in range(2):
        logs, targets = [], 0
        for index in batch_of(step, examples=len(data), batch_size=4, seed=7):
            example = encoder.encode(data[index], limit=256)
            ids, kept = torch.tensor([example.ids]), torch.tensor(example.trained[1:])
            chances = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
            logs.append(chances.gather(1, ids[0, 1:, None])[kept].sum())
            targets += int(kept.sum())
        loss = -sum(logs) / targets
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        rate = learning_rate(step, peak=5e-3, schedule="cosine", warmup_steps=2, max_steps=7)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        losses.append((step, loss.item(), targets))
    found = load_file(outputs / "segments/0000/adapter_model.safetensors")
    for name, weight in weights.items():
        np.testing.assert_allclose(found[name], weight.detach().numpy(), rtol=1e-3, atol=2e-5)
    for record, (step, loss, targets) in zip(
        struct.iter_unpack(">IffI", (outputs / "traces/0000.bin").read_bytes()), losses, strict=True
    ):
        assert (record[0], record[3]) == (step, targets)
        assert record[1] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("change", [{"val_set_size": 0.3}, {"test_datasets": [{"path": CID}]}])
def test_the_last_segment_carries_a_validation_loss_that_repeats(bench: Bench, change: dict) -> None:
    bench.heldout.write_text("".join(bench.data.read_text().splitlines(keepends=True)[:3]))
    spec = bench.spec(change=change)
    whole = bench.train("whole", spec, range(4), bench.state(spec))
    again = bench.train("again", spec, range(3, 4), whole / "segments/0002")
    assert compare(again / "segments/0003", whole / "segments/0003").matched
    assert [path.parent.name for path in whole.rglob("metrics.json")] == ["0003"]
    metrics = read_metrics(whole / "segments/0003")
    assert metrics is not None
    assert (metrics.train_examples, metrics.eval_examples) == ((8, 3) if "val_set_size" in change else (11, 3))
    assert 0 < metrics.eval_loss < 10 and metrics.eval_tokens > 20


def test_what_is_kept_apart_is_not_trained_on(bench: Bench) -> None:
    """Changing the answers of the validation examples changes no weight."""
    spec = bench.spec(change={"val_set_size": 0.3})
    state = bench.state(spec)
    first = bench.train("first", spec, range(4), state)
    rows = [json.loads(line) for line in bench.data.read_text().splitlines()]
    for index, row in enumerate(rows):
        if is_held_out(index, share=0.3, seed=7):
            row["messages"][1]["content"] = "Nobody knows."
    bench.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = bench.train("second", spec, range(4), state)
    adapters = [(run / "segments/0003/adapter_model.safetensors").read_bytes() for run in (first, second)]
    assert adapters[0] == adapters[1]
    assert read_metrics(first / "segments/0003") != read_metrics(second / "segments/0003")


def test_refuses_a_validation_that_measures_nothing(bench: Bench) -> None:
    bench.heldout.write_text(bench.data.read_text())
    spec = bench.spec(sequence_len=16, change={"test_datasets": [{"path": CID}]})
    finished = bench.attempt("run", spec, range(1), bench.state(spec))
    refused(*finished, 10, "no validation example has an answer within sequence_len")


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("completion", {"text": "The levy pays the judge."}),
        ("prompt_completion", {"prompt": "Who pays the judge?", "completion": " The levy."}),
        ("alpaca", {"instruction": "Say who pays.", "input": "judge", "output": "The levy."}),
    ],
)
def test_trains_on_plain_text_and_repeats(bench: Bench, kind: str, row: dict) -> None:
    bench.data.write_text((json.dumps(row) + "\n") * 3)
    spec = bench.spec(change={"datasets": [{"path": CID, "type": kind}]}, sequence_len=512)
    state = bench.state(spec)
    left, right = (bench.train(name, spec, range(2), state) for name in ("left", "right"))
    assert compare(left / "segments/0001", right / "segments/0001").matched
    assert not compare(left / "segments/0000", left / "segments/0001").matched


def test_gradient_checkpointing_leaves_the_same_bytes(bench: Bench) -> None:
    plain, saving = bench.spec(), bench.spec(gradient_checkpointing=True)
    state = bench.state(plain)
    left = bench.train("plain", plain, range(2), state)
    right = bench.train("saving", saving, range(2), state)
    assert compare(left / "segments/0001", right / "segments/0001").matched


def test_says_how_many_examples_were_cut(bench: Bench) -> None:
    spec = bench.spec(sequence_len=120)
    finished, _ = bench.attempt("run", spec, range(4), bench.state(spec))
    counts = [event["cut"] for event in events(finished) if event["event"] == "step"]
    assert finished.returncode == 0 and counts == sorted(counts) and counts[-1] > 0


def test_one_line_is_enough(bench: Bench) -> None:
    bench.data.write_text(bench.data.read_text().splitlines()[0])
    spec = bench.spec()
    bench.train("run", spec, range(4), bench.state(spec))


def test_reports_its_progress(bench: Bench) -> None:
    spec = bench.spec()
    finished, outputs = bench.attempt("run", spec, range(2), bench.state(spec))
    found = events(finished)
    steps = [(event["step"], event["steps"], event["segment"]) for event in found if event["event"] == "step"]
    assert steps == [(1, 7, 0), (2, 7, 0), (3, 7, 1), (4, 7, 1)]
    assert [event["segment"] for event in found if event["event"] == "segment"] == [0, 1]
    assert found[-1]["event"] == "finished"
    assert found[-1]["steps"] == 4
    assert found[-1]["cpu_seconds"] > 0
    assert sorted(path.relative_to(outputs).as_posix() for path in outputs.rglob("*") if path.is_file()) == [
        "segments/0000/adapter_model.safetensors",
        "segments/0000/optimizer.safetensors",
        "segments/0001/adapter_model.safetensors",
        "segments/0001/optimizer.safetensors",
        "traces/0000.bin",
        "traces/0001.bin",
    ]


def test_training_lowers_the_held_out_loss_and_peft_loads_the_delivery(bench: Bench) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    spec = bench.spec(max_steps=30, steps_per_segment=30)
    outputs = bench.train("run", spec, range(1), bench.state(spec))
    write_adapter(spec, outputs / "segments/0000", bench.root / "adapter", base_model=str(bench.model))
    found = {}
    for name, inputs in (("before", {}), ("after", {"adapter": bench.root / "adapter"})):
        job = {
            "prompts": ["What is 2 plus 2?"],
            "max_new_tokens": 5,
            "adapter": bool(inputs),
            "training": spec.training.model_dump(),
        }
        finished, evaluated = bench.run("evaluate", name, job, **{"heldout.jsonl": bench.data}, **inputs)
        assert finished.returncode == 0, finished.stderr
        found[name] = json.loads((evaluated / "evaluation.json").read_text("utf-8"))
    assert found["after"]["loss"] < found["before"]["loss"] - 0.1
    assert found["after"]["tokens"] == found["before"]["tokens"] > 0
    assert len(found["after"]["answers"]) == 1
    base = AutoModelForCausalLM.from_pretrained(bench.model)
    assert PeftModel.from_pretrained(base, bench.root / "adapter").active_adapter == "default"
