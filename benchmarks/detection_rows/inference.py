# SPDX-License-Identifier: Apache-2.0
"""Batch inference in the detection table: honest variants and cheats against the check of tokens.

    python benchmarks/detection_rows/inference.py [--quick] [--tiny] [--only REGEX] [--json FILE]

SmolLM2-135M-Instruct where it lies in .cache (else a small random Llama). A segment is one request of up to 16 tokens,
the least that a judge can be given; a row says where it is more. Every variant answers all requests once; each segment
is then checked by itself, by the judge's own code. One thread; seconds are this process's.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from inference_bench import Bench, Size, check, cost, measure, model_folder, parts  # noqa: E402

from benchmarks.detection_rows import inference_cheats as known  # noqa: E402
from benchmarks.detection_rows.inference_cheats import Claim  # noqa: E402
from swarm.workloads.inference.margins import assess, measured  # noqa: E402
from swarm.workloads.tensors import read_model_headers  # noqa: E402
from swarm.workloads.workload import Assessment, Zone  # noqa: E402

# Weights read per token: 106 of 134.5 million parameters are in the rounded layers, the rest stays fp32.
LINEAR = 0.79

# A spoof leaves margins alone, and those of int8 are zero for most tokens: so many tokens tell it with certainty.
LEAST_TOKENS = 256

FULL, QUICK = Size(50, 1, 16), Size(3, 2, 12)
IN_QUICK = {"same", "int8 weights", "spoofed int8 weights", "wrong seed", "truncated output"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: what it is called, what it saves at most of the seller's work, how it answers (temperature 1)."""

    name: str
    kind: str
    saves_work: float
    claims: Callable[[Bench], list[Claim]]
    temperature: float = 1.0
    shard: int | None = None  # requests a segment, where not the table's


def rows(quick: bool) -> list[dict]:
    """The table's rows; see `docs/detection.md` for their keys."""
    return list(each_row(quick))


def each_row(quick: bool, only: str = "", *, tiny: bool = False) -> Iterator[dict]:
    import torch

    from swarm.jobs.model import make_deterministic

    make_deterministic(1)
    with torch.inference_mode(), tempfile.TemporaryDirectory(prefix="swarm-detection-") as scratch:
        bench = Bench(model_folder(Path(scratch), tiny=tiny), QUICK if quick else FULL)
        spent = cost(bench)
        for variant in variants():
            if (not quick or variant.name in IN_QUICK) and re.search(only, variant.name):
                yield _row(bench, variant, spent)


def variants() -> list[Variant]:
    honest = [
        Variant("same", "honest", 0, lambda bench: bench.tokens("honest", known.answers)),
        Variant("same, greedy", "honest", 0, lambda bench: bench.tokens("honest", known.answers), temperature=0.0),
        Variant("2 threads", "honest", 0, _two_threads),
        Variant("eager attention", "honest", 0, _eager),
        Variant("another batch", "honest", 0, lambda bench: known.answers(bench.responder, bench.prompts, batch=4)),
        Variant("no AVX2", "honest", 0, _without_avx2),
    ]
    weights = {
        "int8 weights": (LINEAR * (1 - 1.125 / 4), known.quantised("int8")),
        "fp8 weights": (LINEAR * (1 - 1.125 / 4), known.quantised("fp8")),
        "int4 weights": (LINEAR * (1 - 0.625 / 4), known.quantised("int4")),
        "bf16-rounded weights (another hardware class)": (0.5, known.quantised("bf16")),
        "28 of 30 layers": (0.05, known.without_last_layers(2)),
        "another fine-tune": (0.0, known.fine_tuned()),
    }
    cheats = [Variant(name, "cheat", saved, _by(name, change)) for name, (saved, change) in weights.items()]
    # The prefill that spoofs the logits costs a sixth of the generation.
    cheats += [
        Variant(f"spoofed {name}", "cheat", weights[name][0] - 0.17, _spoofed(_by(name, weights[name][1])))
        for name in ("int8 weights", "int4 weights")
    ]
    cheats += [
        Variant(
            f"spoofed int8 weights, {shard} requests a segment",
            "cheat",
            weights["int8 weights"][0] - 0.17,
            by,
            shard=shard,
        )
        for shard in (4, 16)
        for by in [_spoofed(_by("int8 weights", weights["int8 weights"][1]))]
    ]
    samplers = {
        "wrong seed": lambda honest: replace(honest, seed=8),
        "temperature 0.8": lambda honest: replace(honest, temperature=0.8),
        "temperature 0.95": lambda honest: replace(honest, temperature=0.95),
        "2 % of tokens second best": lambda honest: known.Sloppy(honest, 0.02),
    }
    cheats += [
        Variant(name, "cheat", 0, lambda bench, change=change: bench.tokens(str(change), known.with_sampler(change)))
        for name, change in samplers.items()
    ]
    cheats += [
        Variant("hidden system prompt", "cheat", 0, lambda b: b.tokens("system", known.hidden_system_prompt)),
        Variant("half the prompt dropped", "cheat", 0.1, lambda b: b.tokens("half", known.half_prompt)),
        Variant("truncated output", "cheat", 0.5, _after(known.truncated)),
        Variant("stopped early", "cheat", 0.5, _after(known.stopped_early)),
        Variant("copied neighbour's answer", "cheat", 1.0, _after(known.copied)),
        Variant("forged trace, right output", "cheat", 0, _after(lambda responder, claims: list(claims))),
    ]
    return honest + cheats


# How the variants answer.


def _by(name: str, change: Callable) -> Callable[[Bench], list[Claim]]:
    return lambda bench: bench.tokens(name, known.with_weights(change))


def _spoofed(first: Callable[[Bench], list[Claim]]) -> Callable[[Bench], list[Claim]]:
    return lambda bench: known.spoofed(bench.responder, first(bench))


def _after(change: Callable) -> Callable[[Bench], list[Claim]]:
    return lambda bench: change(bench.responder, bench.tokens("honest", known.answers))


def _two_threads(bench: Bench) -> list[Claim]:
    import torch

    torch.set_num_threads(2)
    try:
        return known.answers(bench.responder, bench.prompts)
    finally:
        torch.set_num_threads(1)


def _eager(bench: Bench) -> list[Claim]:
    bench.responder.model.set_attn_implementation("eager")
    try:
        return known.answers(bench.responder, bench.prompts)
    finally:
        bench.responder.model.set_attn_implementation("sdpa")


def _without_avx2(bench: Bench) -> list[Claim]:
    """In a process of its own: the kernels are chosen when torch is imported."""
    command = [sys.executable, __file__, "--plain", str(bench.folder), *map(str, _numbers(bench.size))]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    answers = json.loads(found.splitlines()[-1])
    return [Claim(prompt, *answer) for prompt, answer in zip(bench.prompts, answers, strict=True)]


def _numbers(size: Size) -> tuple[int, int, int]:
    return size.segments, size.shard, size.tokens


def _plain(folder: str, *size: str) -> None:
    os.environ.update(ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41", MKL_CBWR="COMPATIBLE")
    import torch

    torch.set_num_threads(1)
    assert torch.backends.cpu.get_cpu_capability() == "DEFAULT"
    with torch.inference_mode():
        bench = Bench(Path(folder), Size(*map(int, size)))
        claims = known.answers(bench.responder, bench.prompts)
    print(json.dumps([(claim.tokens, claim.logits) for claim in claims]))


# How they are checked.


def _row(bench: Bench, variant: Variant, spent: tuple[float, float]) -> dict:
    bench.temperature = variant.temperature
    claims = variant.claims(bench)
    if variant.shard is None:
        found = [check(bench, shard) for shard in parts(claims, bench.size.shard)]
    else:
        found = _drawn(bench, claims, variant.shard)
    zones = [zone for zone, _, _ in found]
    note = _note(bench, variant)
    return ({"note": note} if note else {}) | {
        "workload": "inference",
        "name": variant.name,
        "kind": variant.kind,
        "saves_work": round(variant.saves_work, 2),
        "segments": len(found),
        "detected": sum(zone is not Zone.ACCEPT for zone in zones),
        "slashed": zones.count(Zone.REJECT),
        "judge_share": round(spent[1] / spent[0], 3),
        "evidence_bytes": max(size for _, _, size in found),
        "model": bench.folder.name,
        "requests_per_segment": variant.shard or bench.size.shard,
        "tokens": sum(len(claim.tokens) for claim in claims),
        "temperature": variant.temperature,
        "figures": _summary([figures for _, figures, _ in found if figures]),
    }


def _note(bench: Bench, variant: Variant) -> str:
    """Why a row is no measure of the goal, where it is none."""
    if variant.name.startswith("bf16") and read_model_headers(bench.folder).popitem()[1].dtype == "BF16":
        return "no cheat here: the weights are stored in bf16 already"
    if (variant.shard or bench.size.shard) * bench.size.tokens < LEAST_TOKENS:
        return f"fewer than {LEAST_TOKENS} tokens a segment" if variant.name.startswith("spoofed") else ""
    return ""


def _drawn(bench: Bench, claims: Sequence[Claim], shard: int) -> list[tuple[Zone, dict, int]]:
    """Larger segments than the table's, drawn from the same answers: some requests are in several of them."""
    answers = measure(bench, claims)
    draw = random.Random(1)
    found: list[Assessment] = []
    for _ in range(bench.size.segments):
        found.append(assess(measured(draw.sample(answers, min(shard, len(answers))))))
    return [(one.zone, dict(one.facts), len(json.dumps(one.facts))) for one in found]


def _summary(figures: list[dict]) -> dict:
    """Least, median and most over the segments that were measured."""
    names = ("mean_margin", "worst_request_margin", "tail_share", "mean_logit_error", "worst_request_logit_error")
    columns = {name: sorted(figure[name] for figure in figures) for name in names}
    return {name: [column[0], statistics.median(column), column[-1]] for name, column in columns.items() if column}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="A small random Llama, in seconds.")
    parser.add_argument("--only", default="", help="Rows whose name matches.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plain", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        _plain(*options.plain)
        return
    found = []
    for row in each_row(options.quick, options.only, tiny=options.tiny):
        found.append(row)
        print(json.dumps(row), flush=True)
        if options.json:
            options.json.write_text(json.dumps({"rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
