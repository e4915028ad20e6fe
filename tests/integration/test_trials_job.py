# SPDX-License-Identifier: Apache-2.0
"""The trials program as its own process on a tiny random Llama: refusals, and equality bit by bit."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from swarm.jobs.fake import write_tiny_model
from swarm.workloads.exact import compare
from swarm.workloads.spec import canonical_json, parse_spec
from swarm.workloads.sweep.spec import TrialsSpec
from swarm.workloads.sweep.trial import trial_id
from swarm.workloads.sweep.workload import read_metrics
from tests.integration.warm import run_program

CID = "ipfs://bafkrei" + "a" * 52
TRAINING = {
    "max_steps": 6,
    "steps_per_segment": 6,
    "seed": 7,
    "sequence_len": 128,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "warmup_steps": 1,
    "threads": 1,
}
PARAMETERS = [{"learning_rate": 0.001, "lora_r": 2}, {"learning_rate": 0.003, "lora_r": 4}, {"weight_decay": 0.1}]


def trial(parameters: dict, first: int = 0, last: int = 6) -> dict:
    start = CID if first else None
    seed = parameters.get("seed", 7)
    return {
        "id": trial_id(parameters, seed),
        "training": parameters,
        "first_step": first,
        "last_step": last,
        "start": start,
    }


class Bench:
    def __init__(self, root: Path) -> None:
        self.root, self.model = root, write_tiny_model(root / "model")
        for name, numbers in (("train", range(11)), ("validation", range(11, 16))):
            rows = (
                {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"It is {n}."}]}
                for n in numbers
            )
            (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def spec(self, *trials: dict, **training: object) -> TrialsSpec:
        inputs = {"base_model": CID, "datasets": [{"path": CID}], "validation": CID}
        rest = {"type": "trials", "name": "tiny", "budget": {"max_total": 1}, "training": TRAINING | training}
        return parse_spec(rest | inputs | {"trials": trials})

    def attempt(self, name: str, spec: TrialsSpec, segments: range | None = None, *, cores: int = 1, **starts: Path):
        segments = segments or range(spec.segments)
        folder, outputs = self.root / name / "inputs", self.root / name / "outputs"
        folder.mkdir(parents=True)
        outputs.mkdir()
        bounds = {"first_segment": segments.start, "last_segment": segments.stop, "from_initial": True}
        (folder / "job.json").write_text(json.dumps({"spec": json.loads(canonical_json(spec))} | bounds))
        for key in ("model", "train.jsonl", "validation.jsonl"):
            (folder / key).symlink_to(self.root / key)
        for key, path in starts.items():
            (folder / f"start-{key}").symlink_to(path)
        told = {"SWARM_INPUTS": str(folder), "SWARM_OUTPUTS": str(outputs), "OMP_NUM_THREADS": str(cores)}
        return run_program("swarm.jobs.trials", told), outputs

    def run(self, *arguments, **options) -> Path:
        done, outputs = self.attempt(*arguments, **options)
        assert done.returncode == 0, done.stderr + done.stdout
        return outputs


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def events(done: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def same(left: Path, right: Path, segment: int, other: int | None = None) -> bool:
    other = segment if other is None else other
    traces = [side / f"traces/{at:04}.bin" for side, at in ((left, segment), (right, other))]
    folders = [side / f"segments/{at:04}" for side, at in ((left, segment), (right, other))]
    return traces[0].read_bytes() == traces[1].read_bytes() and compare(*folders).matched


def test_refuses_a_start_state_of_another_step_or_trial(bench: Bench) -> None:
    first = bench.run("first", bench.spec(trial(PARAMETERS[0], 0, 2), trial(PARAMETERS[1], 0, 3)))
    second = trial(PARAMETERS[0], 3, 6)
    for number, message in enumerate(("is of step 2, expected 3", "other tensors")):
        starts = {second["id"]: first / f"segments/{number:04}"}
        done, outputs = bench.attempt(f"refused{number}", bench.spec(second), **starts)
        assert done.returncode == 13 and events(done)[-1]["event"] == "failed"
        assert any(message in event.get("message", "") for event in events(done))
        assert not list(outputs.rglob("*.safetensors"))


def test_a_trial_that_diverges_is_a_result_and_its_neighbours_go_on(bench: Bench) -> None:
    wild = {"adam_epsilon": 1e-30, "learning_rate": 1.0, "lr_scheduler": "constant", "max_grad_norm": 1e6}
    cut = {"sequence_len": 8}
    outputs = bench.run("run", bench.spec(trial(PARAMETERS[0]), trial(cut), trial(wild, 0, 6)), cores=2)
    honest, failed = (read_metrics(outputs / f"segments/{at:04}") for at in (0, 1))
    assert honest.failure is None and honest.eval_loss and honest.step == 6
    assert failed.eval_loss is None and "nothing to learn" in str(failed.failure)
    assert [path.name for path in (outputs / "segments/0001").iterdir()] == ["metrics.json"]
    assert (outputs / "traces/0001.bin").stat().st_size == 16


def test_bytes_are_the_same_however_many_run_at_once_and_alone(bench: Bench) -> None:
    spec = bench.spec(*map(trial, PARAMETERS))
    one, two = bench.run("one", spec, cores=1), bench.run("two", spec, cores=2)
    alone = bench.run("alone", spec, range(1, 2), cores=2)
    assert all(same(one, two, segment) for segment in range(3))
    assert same(one, alone, 1)
    assert len({(one / f"segments/{at:04}/adapter_model.safetensors").read_bytes() for at in range(3)}) == 3


def test_a_later_rung_goes_on_as_if_it_had_never_stopped(bench: Bench) -> None:
    whole = bench.run("whole", bench.spec(trial(PARAMETERS[0])))
    first = bench.run("first", bench.spec(trial(PARAMETERS[0], 0, 2)))
    rest = trial(PARAMETERS[0], 2, 6)
    second = bench.run("second", bench.spec(rest), **{rest["id"]: first / "segments/0000"})
    for name in ("adapter_model.safetensors", "optimizer.safetensors"):
        assert (whole / "segments/0000" / name).read_bytes() == (second / "segments/0000" / name).read_bytes()
    assert read_metrics(whole / "segments/0000").eval_loss == read_metrics(second / "segments/0000").eval_loss
    records = [(side / "traces/0000.bin").read_bytes() for side in (whole, first, second)]
    # Two steps, then the evaluation; the rest's records follow the first part's steps.
    assert records[0] == records[1][:32] + records[2]


def test_evaluates_a_state_without_training_it(bench: Bench) -> None:
    whole = bench.run("whole", bench.spec(trial(PARAMETERS[0])))
    only = trial(PARAMETERS[0], 6, 6)
    again = bench.run("again", bench.spec(only), **{only["id"]: whole / "segments/0000"})
    left, right = (read_metrics(side / "segments/0000") for side in (whole, again))
    assert (left.eval_loss, left.eval_tokens, left.step) == (right.eval_loss, right.eval_tokens, right.step)
    assert right.train_loss is None


def test_trains_with_the_very_steps_of_a_lora_job(bench: Bench) -> None:
    """A trial's adapter is the adapter of a LoRA job with its parameters."""
    from swarm.workloads.lora.initial import write_initial_state

    inputs = {"base_model": CID, "datasets": [{"path": CID}], "initial_state": CID}
    rest = {"type": "lora", "name": "tiny", "budget": {"max_total": 1}}
    spec = parse_spec(rest | inputs | {"training": TRAINING | PARAMETERS[0]})
    write_initial_state(spec, bench.model, bench.root / "state")
    folder, outputs = bench.root / "lora" / "inputs", bench.root / "lora" / "outputs"
    folder.mkdir(parents=True)
    outputs.mkdir()
    job = {"spec": json.loads(canonical_json(spec)), "first_segment": 0, "last_segment": 1, "from_initial": True}
    (folder / "job.json").write_text(json.dumps(job))
    for key in ("model", "train.jsonl", "state"):
        (folder / key).symlink_to(bench.root / key)
    told = {"SWARM_INPUTS": str(folder), "SWARM_OUTPUTS": str(outputs)}
    run_program("swarm.jobs.lora", told).check_returncode()
    ours = bench.run("trial", bench.spec(trial(PARAMETERS[0])))
    for name in ("adapter_model.safetensors", "optimizer.safetensors"):
        assert (outputs / "segments/0000" / name).read_bytes() == (ours / "segments/0000" / name).read_bytes()
    # The same steps; a trial's trace ends with its evaluation.
    assert (ours / "traces/0000.bin").read_bytes()[:-16] == (outputs / "traces/0000.bin").read_bytes()


def test_reports_every_trial(bench: Bench) -> None:
    done, outputs = bench.attempt("run", bench.spec(*map(trial, PARAMETERS)), cores=2)
    found = events(done)
    assert found[0]["event"] == "loaded" and found[0]["at_once"] == 2
    assert {event["trial"] for event in found if event["event"] == "step"} == {trial(each)["id"] for each in PARAMETERS}
    assert sorted(event["segment"] for event in found if event["event"] == "segment") == [0, 1, 2]
    assert found[-1]["event"] == "finished" and found[-1]["cpu_seconds"] > 0
    last = struct.unpack(">IffI", (outputs / "traces/0000.bin").read_bytes()[-16:])
    metrics = read_metrics(outputs / "segments/0000")
    assert last[0] == 6 and last[1] == pytest.approx(metrics.eval_loss) and last[3] == metrics.eval_tokens
    assert not list(outputs.glob("initial-*"))


def test_plain_text_is_trained_on_by_its_own_form(bench: Bench) -> None:
    for name in ("train", "validation"):
        rows = (json.dumps({"words": f"{name} {number}"}) + "\n" for number in range(5))
        (bench.root / f"{name}.jsonl").write_text("".join(rows), "utf-8")
    spec = bench.spec(trial({"learning_rate": 0.001}, 0, 6))
    dataset = spec.datasets[0].model_copy(update={"type": "completion", "field": "words"})
    found = read_metrics(bench.run("texts", spec.model_copy(update={"datasets": (dataset,)})) / "segments/0000")
    assert found.step == 6 and found.eval_loss and found.eval_tokens > 5 * len("validation")
