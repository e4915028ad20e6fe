# SPDX-License-Identifier: Apache-2.0
"""The same trials by Ray Tune, in an environment of its own.

    python -m benchmarks.overhead_parts.ray_trials JOB.json INPUTS CORES

The training code is the market's, and an actor keeps model and data between trials, so what differs is who runs them.
Prints {"trials", "seconds" (Ray's start included), "start" (of it)} as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

_STAGE: list = []


def train(config: dict) -> None:
    """One trial, in a Ray actor."""
    import copy
    from dataclasses import replace

    from ray import tune

    from swarm.jobs import trials as program
    from swarm.workloads.example import Format

    folder = Path(config["inputs"])
    if not _STAGE:
        _STAGE.append(program.Stage.load(folder, Format()))
    # attach_lora changes the model it is given.
    stage = replace(_STAGE[0], model=copy.deepcopy(_STAGE[0].model))
    trained = program.run_trial(config["template"], config["trial"], stage, inputs=folder)
    program.write(0, trained, Path(config["outputs"]) / config["trial"]["id"])
    tune.report({"eval_loss": trained.metrics.eval_loss})


def _cpu() -> float:
    """CPU seconds of this process and everything below it: Ray's daemons and actors, those that have ended included."""
    import psutil

    me = psutil.Process()
    return sum(sum(each.cpu_times()[:4]) for each in (me, *me.children(recursive=True)))


def main(job: dict, inputs: Path, cores: int) -> None:
    began = time.monotonic()
    import ray
    from ray import tune

    environment = {"PYTHONPATH": os.environ["PYTHONPATH"], "OMP_NUM_THREADS": "1"}
    ray.init(
        num_cpus=cores,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=256 << 20,
        runtime_env={"env_vars": environment},
    )
    started = time.monotonic()
    outputs = inputs.parent / "ray"
    space = {
        "trial": tune.grid_search(job["spec"]["trials"]),
        "template": job["spec"]["training"],
        "inputs": str(inputs),
        "outputs": str(outputs),
    }
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="eval_loss", mode="min", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(outputs), name="trials", verbose=0),
    )
    results = tuner.fit()
    losses = [each.metrics["eval_loss"] for each in results]
    seconds = {"seconds": time.monotonic() - began, "start": started - began, "cpu": _cpu()}
    print(json.dumps(seconds | {"trials": len(losses), "best": min(losses), "errors": results.num_errors}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]).resolve(), int(sys.argv[3]))
