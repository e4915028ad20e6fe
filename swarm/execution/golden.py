# SPDX-License-Identifier: Apache-2.0
"""A tiny LoRA job whose result is known: a machine that does not get the same bytes must not judge, nor sell.

Its model is made here with the same bytes everywhere (sha256 in counter mode), so nothing is downloaded and no torch is
needed outside the sandbox. `DIGESTS` holds D of the last segment by hardware class.
"""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from swarm.errors import JobFailed
from swarm.execution.inputs import Inputs
from swarm.execution.segments import Progress, Sandbox, execute
from swarm.protocol import commitment
from swarm.protocol.types import Digest
from swarm.workloads.fields import Spec
from swarm.workloads.lora.initial import write_initial_state
from swarm.workloads.spec import parse_spec

DIGESTS = {"cpu-fp32": "24a0a86fcd6f7fe2b5b60b5317479261a0e2dc508588f054fdcb8a4fdebc94cb"}
_FOLDER = Path(__file__).with_name("golden_model")
_ANY_CID = "ipfs://bafkrei" + "a" * 52  # the inputs are at hand; the spec only has to look resolved
_SEGMENTS, _WALL_SECONDS = 2, 600
_BENCHMARK_SEGMENTS = 1000


@dataclass(frozen=True, slots=True)
class Golden:
    """`digest` is what this machine got; seconds of the whole run, start of the sandbox included."""

    matches: bool
    digest: Digest
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`startup_seconds` until the model was loaded; the others are medians over the steps that ended in time."""

    startup_seconds: float
    steps: int
    seconds_per_step: float
    tokens_per_second: float


def run_golden(
    sandbox: Sandbox,
    engine: str,
    workspace: Path,
    *,
    hardware_class: str = "cpu-fp32",
    stop: threading.Event | None = None,
) -> Golden:
    """Runs the known segments in the sandbox that jobs run in. Raises as `execute`, KeyError for an unknown class."""
    wanted = DIGESTS[hardware_class]
    begin = time.monotonic()
    spec, inputs = _job(workspace, engine, segments=_SEGMENTS)
    try:
        execution = execute(
            sandbox,
            spec,
            inputs,
            first=0,
            last=_SEGMENTS,
            state=inputs.initial_state,
            workspace=workspace / "run",
            wall_seconds=_WALL_SECONDS,
            stop=stop,
        )
        last = execution.products[-1]
        trace_root = commitment.trace_root(last.trace.read_bytes())
        digest = commitment.segment_digest(trace_root, commitment.directory_output_hash(last.output))
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return Golden(digest.hex() == wanted, digest, time.monotonic() - begin)


def run_benchmark(
    sandbox: Sandbox, engine: str, workspace: Path, *, seconds: float, on_progress: Progress | None = None
) -> Benchmark:
    """Trains a model of about 5 million parameters for at most `seconds` in the sandbox. Raises as `execute`, JobFailed
    where not one step ended in time."""
    begin, stop = time.monotonic(), threading.Event()
    loaded, ends, speeds = [], [], []

    def listen(fact: dict) -> None:
        if fact.get("event") == "loaded":
            loaded.append(time.monotonic())
        if fact.get("event") == "step" and isinstance(fact.get("tokens_per_second"), int | float):
            ends.append(time.monotonic())
            speeds.append(float(fact["tokens_per_second"]))
            if on_progress:
                on_progress({"step": len(ends), "tokens_per_second": speeds[-1]})

    spec, inputs = _job(workspace, engine, segments=_BENCHMARK_SEGMENTS, hidden=256, layers=8)
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        execute(
            sandbox,
            spec,
            inputs,
            first=0,
            last=_BENCHMARK_SEGMENTS,
            state=inputs.initial_state,
            workspace=workspace / "run",
            wall_seconds=seconds + _WALL_SECONDS,
            on_progress=listen,
            stop=stop,
        )
    except JobFailed:
        if not stop.is_set():
            raise
    finally:
        timer.cancel()
        shutil.rmtree(workspace, ignore_errors=True)
    if not ends:
        raise JobFailed(f"not one step ended within {seconds:.0f} s", hint="give it more time with --seconds")
    spans = [after - before for before, after in zip([loaded[0], *ends], ends, strict=False)]
    return Benchmark(loaded[0] - begin, len(ends), statistics.median(spans), statistics.median(speeds))


def _job(workspace: Path, engine: str, *, segments: int, hidden: int = 64, layers: int = 2) -> tuple[Spec, Inputs]:
    shutil.rmtree(workspace, ignore_errors=True)
    files = {name: workspace / name for name in ("model", "train.jsonl", "state")}
    write_model(files["model"], hidden=hidden, layers=layers)
    files["train.jsonl"].write_text(
        "".join(
            json.dumps({"messages": [_turn("user", f"{n} + {n}?"), _turn("assistant", f"It is {2 * n}. " * 4)]}) + "\n"
            for n in range(8)
        )
    )
    training = {"max_steps": 2 * segments, "steps_per_segment": 2, "seed": 7, "threads": 2, "micro_batch_size": 2}
    spec = parse_spec(
        {
            "type": "lora",
            "name": "golden",
            "engine": engine,
            "base_model": _ANY_CID,
            "datasets": [{"path": _ANY_CID}],
            "initial_state": _ANY_CID,
            "training": training | {"learning_rate": 5e-3, "sequence_len": 128, "weight_decay": 0.01},
            "budget": {"max_total": 1},
        }
    )
    write_initial_state(spec, files["model"], files["state"])
    return spec, Inputs(files)


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def write_model(folder: Path, *, hidden: int, layers: int) -> None:
    """A random Llama over bytes; the same bytes on every machine."""
    folder.mkdir(parents=True)
    config = json.loads((_FOLDER / "config.json").read_text())
    heads = config["num_attention_heads"]
    config |= {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 2 * hidden}
    config["head_dim"] = hidden // heads
    (folder / "config.json").write_text(json.dumps(config, sort_keys=True))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(_FOLDER / name, folder / name)
    shared = config["num_key_value_heads"] * config["head_dim"]
    shapes = {"embed_tokens": (config["vocab_size"], hidden)}
    for layer in range(layers):
        block = {"q_proj": (hidden, hidden), "k_proj": (shared, hidden), "v_proj": (shared, hidden)}
        shapes |= {f"layers.{layer}.self_attn.{name}": shape for name, shape in block.items()}
        shapes |= {f"layers.{layer}.self_attn.o_proj": (hidden, hidden)}
        wide = {"gate_proj": (2 * hidden, hidden), "up_proj": (2 * hidden, hidden), "down_proj": (hidden, 2 * hidden)}
        shapes |= {f"layers.{layer}.mlp.{name}": shape for name, shape in wide.items()}
    norms = ["norm"]
    norms += [f"layers.{n}.{name}_layernorm" for n in range(layers) for name in ("input", "post_attention")]
    tensors = {f"model.{name}.weight": _random(name, shape) for name, shape in shapes.items()}
    tensors |= {f"model.{name}.weight": np.ones(hidden, np.float32) for name in norms}
    # One metadata key: with more, their order in the file would be random.
    save_file(dict(sorted(tensors.items())), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def _random(name: str, shape: tuple[int, int]) -> np.ndarray:
    """Uniform in ±0.05, 16 bits of sha256(name, counter) each: exact in fp32 on every machine."""
    count = shape[0] * shape[1]
    blocks = (sha256(f"{name}/{at}".encode()).digest() for at in range(-(-count // 16)))
    words = np.frombuffer(b"".join(blocks), ">u2")[:count].astype(np.int32)
    return ((words - 32768).astype(np.float32) * np.float32(0.05 / 32768)).reshape(shape)
