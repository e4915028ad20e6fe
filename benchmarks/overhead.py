# SPDX-License-Identifier: Apache-2.0
"""What the market costs on top of the work.

    python -m benchmarks.overhead lora [--steps 40]      one LoRA of SmolLM2 through the market, against a bare script
    python -m benchmarks.overhead trials [--trials 200]  small trials through the market, against Ray Tune

Both sides run one after the other in one call, on the same two cores. The market is the shipped commands: a devnet, a
content store, a worker with containers where an engine answers (else a process in bubblewrap). Goals: 1.05 × the bare
script plus 10 s; 1.15 × Ray Tune. Ray lives in .cache/venv-ray, which this script makes; it is no dependency.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from swarm.clock import wait_for
from swarm.errors import SwarmError
from tests.integration.market import Market

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct"
CHATS = ROOT / "data" / "product_chat.train.jsonl"
RAY = ROOT / ".cache" / "venv-ray"
CORES = 2
LORA_GOAL, LORA_FIXED_SECONDS, TRIALS_GOAL = 1.05, 10.0, 1.15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lora", "trials"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sandbox", choices=["auto", "docker", "process"], default="auto")
    parser.add_argument("-o", "--output", type=Path, help="also write the figures as JSON")
    options = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "passive"
    with tempfile.TemporaryDirectory(prefix="swarm-overhead-") as folder:
        measure = compare_lora if options.what == "lora" else compare_trials
        figures = measure(Path(folder), options)
    figures["load_before"] = round(LOAD_BEFORE, 2)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


LOAD_BEFORE = os.getloadavg()[0]


# a LoRA


def compare_lora(folder: Path, options: argparse.Namespace) -> dict:
    spec = lora_spec(options.steps)
    bare = bare_lora(folder, spec["training"])
    with market(folder, MODEL, options.sandbox) as place:
        parts = through_the_market(place, folder, spec)
    total = bare["load"] + bare["steps"] + bare["save"]
    print(f"\none LoRA, SmolLM2-135M, {options.steps} steps, {place.sandbox}, load before {LOAD_BEFORE:.1f}\n")
    show({f"bare script: {name}": bare[name] for name in ("load", "steps", "save")} | {"bare script": total})
    show(parts)
    ratio = (parts["market"] - LORA_FIXED_SECONDS) / total
    cpu = parts["cpu of the job"] + parts["cpu of chain, worker, buyer"]
    print(f"{'bare script: cpu':<44} {bare['cpu']:8.1f} s\n\ncpu ratio {cpu / bare['cpu']:.3f}")
    return verdict("(market - 10 s) / bare", ratio, LORA_GOAL) | {"bare": bare, "market": parts}


def lora_spec(steps: int) -> dict:
    training = {
        "lora_r": 8,
        "lora_alpha": 16,
        "lora_target_modules": ["q_proj", "v_proj"],
        "sequence_len": 64,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "max_steps": steps,
        "steps_per_segment": 2,
        "learning_rate": 2e-4,
        "lr_scheduler": "cosine",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": 7,
        "threads": CORES,
    }
    inputs = {"base_model": f"file:{MODEL}", "datasets": [{"path": f"file:{CHATS}"}]}
    return {"type": "lora", "name": "overhead", "training": training, "budget": {"max_total": 10}} | inputs


def bare_lora(folder: Path, training: dict) -> dict:
    (folder / "training.json").write_text(json.dumps(training))
    arguments = [str(folder / "training.json"), str(MODEL), str(CHATS), str(folder / "bare")]
    return json.loads(module("benchmarks.overhead_parts.bare_lora", arguments).splitlines()[-1])


# small trials


def compare_trials(folder: Path, options: argparse.Namespace) -> dict:
    from benchmarks.detection_rows.sweep_stage import Bench

    bench = Bench(folder / "bench", trials=options.trials, steps=12)
    ray = ray_trials(folder, bench)
    spec = bench.spec() | {
        "base_model": f"file:{bench.root / 'model'}",
        "datasets": [{"path": f"file:{bench.root / 'train.jsonl'}"}],
        "validation": f"file:{bench.root / 'validation.jsonl'}",
        "budget": {"max_total": 10},
    }
    with market(folder, bench.root / "model", options.sandbox) as place:
        parts = through_the_market(place, folder, spec)
    print(f"\n{options.trials} trials of 12 steps, {CORES} cores, {place.sandbox}, load before {LOAD_BEFORE:.1f}\n")
    show({"Ray Tune: its start": ray["start"], f"Ray Tune: {ray['trials']} trials, all of it": ray["seconds"]})
    show(parts)
    cpu = parts["cpu of the job"] + parts["cpu of chain, worker, buyer"]
    print(f"{'Ray Tune: cpu':<44} {ray['cpu']:8.1f} s\n\ncpu ratio {cpu / ray['cpu']:.3f}")
    figures = {"ray": ray, "market": parts}
    return verdict("market / Ray Tune", parts["market"] / ray["seconds"], TRIALS_GOAL) | figures


def ray_trials(folder: Path, bench) -> dict:
    python = ray_environment()
    (folder / "job.json").write_text(json.dumps({"spec": bench.spec()}))
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AUTH_MODE": "disabled"}
    environment = os.environ | quiet | {"PYTHONPATH": str(ROOT)}
    arguments = [str(folder / "job.json"), str(bench.root), str(CORES)]
    command = [python, "-m", "benchmarks.overhead_parts.ray_trials", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["errors"] or found["trials"] != bench.trials:
        raise SwarmError(
            f"Ray Tune finished {found['trials']} of {bench.trials} trials, {found['errors']} with an error"
        )
    return found


def ray_environment() -> str:
    """Ray's own environment, on top of this one's packages."""
    python = RAY / "bin" / "python"
    if not (RAY / "bin" / "ray").exists():
        subprocess.run([sys.executable, "-m", "venv", str(RAY)], check=True)
        packages = next((RAY / "lib").glob("python3*")) / "site-packages"
        ours = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        (packages / "shared.pth").write_text(f"{ours}\n")
        subprocess.run([python, "-m", "pip", "install", "-q", "ray[tune]"], check=True)
    return str(python)


# the market


@contextmanager
def market(folder: Path, model: Path, sandbox: str):
    """A devnet with seated judges, a worker with stake, a buyer; judges' services rest, they would share the cores."""
    engine = job_engine(sandbox)
    place = Market(folder / "market", "process" if engine == "process" else "docker", engine, model)
    try:
        place.open()
        place.seat_judges()
        place.enter("bob", "sally")
        place.facts("sally", "swarm", "stake", "deposit", "100")
        options = ["--sandbox", place.sandbox, "--cpus", str(CORES), "--log-format", "json"]
        place.start("sally", "swarm", "worker", "start", *options)
        wait_for(lambda: place.events("sally", "resting"), timeout_seconds=90, what="the worker")
        yield place
    finally:
        place.close()


def job_engine(sandbox: str) -> str:
    if sandbox == "process":
        return "process"
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.images import ensure_image

    try:
        DockerRunner().check()
        return ensure_image()
    except SwarmError as error:
        if sandbox == "docker":
            raise
        print(f"no containers: {error}")
        return "process"


def through_the_market(place: Market, folder: Path, spec: dict) -> dict[str, float]:
    """Posts a spec and waits for its submission; seconds of each part, from the buyer's command to the result's."""
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    before, buyer_before = cpu_of([process.pid for process in place.processes]), os.times().children_user
    began = time.time()
    place.facts("bob", "swarm", "job", "post", str(path), "--engine", place.engine, "--yes")
    posted = time.time()
    wait_for(lambda: _ended(place), timeout_seconds=3600, what="the result")
    if failed := place.events("sally", "run_failed"):
        raise SwarmError(f"the job failed: {failed[-1]['reason']}")
    at = {name: place.events("sally", name)[0]["ts"] for name in ("job_accepted", "job_started", "job_executed")}
    at |= {name: place.events("sally", name)[0]["ts"] for name in ("result_published", "result_submitted")}
    loaded = next(each["ts"] for each in place.events("sally", "progress") if each["phase"] == "loaded")
    finished = [each["ts"] for each in place.events("sally", "progress") if each["phase"] == "finished"][-1]
    # The worker may take it before the buyer's command has come back.
    posted = min(posted, at["job_accepted"])
    others = cpu_of([process.pid for process in place.processes]) - before + os.times().children_user - buyer_before
    return {
        "market: buyer checks, pins, posts": posted - began,
        "market: noticed, inputs, accepted": at["job_accepted"] - posted,
        "market: sandbox starts, model loads": loaded - at["job_accepted"],
        "market: work": finished - loaded,
        "market: sandbox ends": at["job_executed"] - finished,
        "market: commitments, publishing": at["result_published"] - at["job_executed"],
        "market: submission mined": at["result_submitted"] - at["result_published"],
        "market": at["result_submitted"] - began,
        "cpu of the job": place.events("sally", "job_executed")[0]["cpu_seconds"],
        # Where the job is a process of the worker's it is counted there too, once it has ended.
        "cpu of chain, worker, buyer": max(0.0, others - _inside(place)),
    }


def _inside(place: Market) -> float:
    return place.events("sally", "job_executed")[0]["cpu_seconds"] if place.sandbox == "process" else 0.0


def cpu_of(pids: list[int]) -> float:
    """CPU seconds of processes and everything below them, those that have ended included."""
    import psutil

    total = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            total += sum(sum(each.cpu_times()[:4]) for each in (root, *root.children(recursive=True)))
    return total


def _ended(place: Market) -> bool:
    return bool(place.events("sally", "result_submitted") or place.events("sally", "run_failed"))


# telling


def module(name: str, arguments: list[str]) -> str:
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def show(parts: dict[str, float]) -> None:
    for name, seconds in parts.items():
        print(f"{name:<44} {seconds:8.1f} s")


def verdict(name: str, ratio: float, goal: float) -> dict:
    word = "reached" if ratio <= goal else "MISSED"
    print(f"\n{name} = {ratio:.3f}, goal {goal}: {word}")
    return {"ratio": round(ratio, 4), "goal": goal, "is_reached": ratio <= goal}


if __name__ == "__main__":
    main()
