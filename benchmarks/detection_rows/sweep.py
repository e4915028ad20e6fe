# SPDX-License-Identifier: Apache-2.0
"""Detection rows of sweeps: honest variants, cheats, and the line that fails (whole re-runs compared by final metric).

    python -m benchmarks.detection_rows.sweep [--quick] [-o FILE]

A segment is a whole trial of a tiny random Llama. The seller's output and trace are compared with a judge's as the
exact class does: by D = H(traceRoot ‖ outputHash). The baseline re-runs the whole trial too, but compares what many
sweeps are compared by, the final metric, against what honest sellers with other kernels or number formats would find;
its threshold is the one that falsely accuses 5 % of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detection_rows.sweep_cheats import CHEATS, Cheat, Eager, Halved, Rounded, Seller, Tf32, evidence_of
from benchmarks.detection_rows.sweep_stage import Bench, Claim
from swarm.workloads.sweep.metrics import Metrics

BASELINES = (
    "skips every tenth step",
    "two thirds of the steps",
    "half batch",
    "learning rate 0.9",
    "wrong seed",
    "frozen layer",
    "int8 base",
    "right trace with forged result",
)
FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True)
class Honest:
    """A way to run a trial that must give the same bytes."""

    name: str
    claims: Callable[[Bench], Sequence[tuple[Claim, Claim]]]  # (theirs, the judge's)


def rows(quick: bool) -> list[dict]:
    """One row per variant: `detected` of `segments` differ from the judge's; an honest one that does is slashed."""
    with tempfile.TemporaryDirectory(prefix="swarm-detection-") as folder:
        bench = Bench(Path(folder), trials=6 if quick else 50, steps=6 if quick else 12)
        found = [_honest_row(bench, variant) for variant in honest_variants(quick)]
        claims: dict[str, list[Claim]] = {}
        for cheat in CHEATS:
            claims[cheat.name] = [cheat.claim(bench, at) for at in range(bench.trials)]
            found.append(_cheat_row(bench, cheat, claims[cheat.name]))
        return found + baseline_rows(bench, claims)


def honest_variants(quick: bool) -> list[Honest]:
    def paired(claims: Callable[[Bench], Sequence[Claim]]) -> Callable[[Bench], Sequence[tuple[Claim, Claim]]]:
        return lambda bench: list(zip(claims(bench), bench.judged, strict=True))

    variants = [
        Honest("same machine again", paired(lambda bench: [bench.run(at) for at in range(bench.trials)])),
        Honest("two threads", paired(lambda bench: [bench.run(at, threads=2) for at in range(bench.trials)])),
        Honest("whole job, two at once", paired(lambda bench: bench.program(cores=2))),
        Honest("goes on from a rung", lambda bench: [bench.rung(at) for at in range(bench.trials)]),
    ]
    return variants[:2] + variants[3:] if quick else variants


def baseline_rows(bench: Bench, claims: dict[str, list[Claim]]) -> list[dict]:
    """Whole trials re-run and compared by final metric, for two crowds of honest sellers."""
    crowds: dict[str, Sequence[type[Seller]]] = {
        "fp32 with other kernels": (Eager, Halved),
        "any GPU, tf32 and bf16 too": (Eager, Halved, Tf32, Rounded),
    }
    everybody = dict.fromkeys(kind for kinds in crowds.values() for kind in kinds)
    apart = {kind: _metric_distances(bench, [bench.run(at, kind) for at in range(bench.trials)]) for kind in everybody}
    found = []
    for crowd, kinds in crowds.items():
        honest = sorted(distance for kind in kinds for distance in apart[kind])
        threshold = honest[min(len(honest) - 1, round((1 - FALSE_ALARMS) * len(honest)))]
        slashed = sum(distance > threshold for distance in honest)
        found.append(_row(f"final metric, honest: {crowd}", "baseline", 0.0, len(honest), slashed, slashed, 1.0, 0))
        for name in BASELINES:
            distances = _metric_distances(bench, claims[name])
            detected = sum(distance > threshold for distance in distances)
            cheat = next(each for each in CHEATS if each.name == name)
            told = f"final metric, {name} ({crowd})"
            row = _row(told, "baseline", cheat.saves_work, len(distances), detected, 0, 1.0, 0)
            found.append(row | {"threshold": threshold, "false_alarms": FALSE_ALARMS})
    return found


def _metric_distances(bench: Bench, claims: Sequence[Claim]) -> list[float]:
    """|theirs − ours| of the evaluation loss; endless where only one side has one."""
    return [_apart(claim.metrics, ours.metrics) for claim, ours in zip(claims, bench.judged, strict=True)]


def _apart(theirs: Metrics, ours: Metrics) -> float:
    if theirs.eval_loss is None or ours.eval_loss is None:
        return 0.0 if theirs.eval_loss == ours.eval_loss else float("inf")
    return abs(theirs.eval_loss - ours.eval_loss)


def _honest_row(bench: Bench, variant: Honest) -> dict:
    pairs = variant.claims(bench)
    differ = sum(theirs.digest != ours.digest for theirs, ours in pairs)
    return _row(variant.name, "honest", 0.0, len(pairs), differ, differ, bench.judge_share, evidence_of(bench))


def _cheat_row(bench: Bench, cheat: Cheat, claims: Sequence[Claim]) -> dict:
    differ = sum(theirs.digest != ours.digest for theirs, ours in zip(claims, bench.judged, strict=True))
    share = bench.judge_share
    return _row(cheat.name, "cheat", cheat.saves_work, len(claims), differ, differ, share, evidence_of(bench))


def _row(
    name: str, kind: str, saves_work: float, segments: int, detected: int, slashed: int, share: float, evidence: int
) -> dict:
    return {
        "workload": "sweep",
        "name": name,
        "kind": kind,
        "saves_work": saves_work,
        "segments": segments,
        "detected": detected,
        "slashed": slashed,
        "judge_share": round(share, 4),
        "evidence_bytes": evidence,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six trials instead of fifty")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    found = rows(options.quick)
    for row in found:
        print(f"{row['kind']:<9} {row['detected']:>4}/{row['segments']:<4} {row['name']}")
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
