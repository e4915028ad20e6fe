# SPDX-License-Identifier: Apache-2.0
"""The LoRA job program as its own process on a tiny random Llama: refusals, and equality bit by bit."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from swarm.workloads.exact import compare
from swarm.workloads.lora.adapter import write_adapter
from tests.integration.lora_bench import Bench, events, refused

# Of everything a run of four segments leaves, on any processor of class cpu-fp32 with the pinned libraries.
GOLDEN = "7af5dbedb36e88b360baf20f10ab6e46945b4bf6c6f7498529d943005e3f4637"


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
