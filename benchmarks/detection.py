# SPDX-License-Identifier: Apache-2.0
"""The detection table: what judges notice of every kind of cheat, and that they never convict honest work.

    python benchmarks/detection.py [--quick] [--json FILE] [--text FILE]

Workloads deliver rows: `rows(quick)` of a module in benchmarks/detection_rows, and of the long runs a file
benchmarks/results/NAME_rows.json. Without --quick all are put together into docs/detection.json and docs/detection.md
(the LoRA runs are measured before by benchmarks/detection_rows/lora_measure.py). With --quick a sample is run again and
compared with the committed table; a row that changed ends it with exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("lora", "lora_whole", "inference", "sweep", "container")
TABLE, PAGE = ROOT / "docs" / "detection.json", ROOT / "docs" / "detection.md"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"
# How far a share of detected segments may be from the committed one: a sample is small.
TOLERANCE = 0.25
COLUMNS = ("workload", "name", "kind", "saves_work", "model", "class", "segments", "detected", "slashed", "escalated")
COLUMNS += ("judge_share", "evidence_bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="re-run a sample and compare it with the committed table")
    parser.add_argument("--json", type=Path, default=TABLE)
    parser.add_argument("--text", type=Path, default=PAGE)
    options = parser.parse_args()
    rows = collected(quick=options.quick)
    if options.quick:
        problems = changed(rows, json.loads(options.json.read_text())["rows"])
        print(as_table(rows))
        for problem in problems:
            print(problem, file=sys.stderr)
        sys.exit(1 if problems else 0)
    options.json.write_text(json.dumps({"summary": summary(rows), "rows": rows}, indent=1, sort_keys=True) + "\n")
    text = options.text.read_text()
    before, _, rest = text.partition(BEGIN)
    options.text.write_text(before + BEGIN + as_table(rows) + END + rest.partition(END)[2])
    print(json.dumps(summary(rows)))


def collected(*, quick: bool) -> list[dict]:
    """The rows of every workload that is there; a long run's file takes the place of its module."""
    found = []
    for name in MODULES:
        kept = ROOT / "benchmarks" / "results" / f"{name}_rows.json"
        if not quick and kept.is_file():
            content = json.loads(kept.read_text())
            found += content["rows"] if isinstance(content, dict) else content
        elif (ROOT / "benchmarks" / "detection_rows" / f"{name}.py").is_file():
            found += importlib.import_module(f"detection_rows.{name}").rows(quick)
    return found


def summary(rows: list[dict]) -> dict:
    """The goals in numbers. `rule_of_three`: what no slash in so many honest segments bounds, at 95 %."""
    honest = [row for row in rows if row["kind"] == "honest"]
    segments, slashed = sum(row["segments"] for row in honest), sum(row["slashed"] for row in honest)
    paying = [row for row in rows if row["kind"] == "cheat" and row["saves_work"] >= 0.1 and not row.get("note")]
    missed = [f"{row['workload']}: {row['name']}" for row in paying if row["detected"] < 0.99 * row["segments"]]
    return {
        "honest_segments": segments,
        "honest_slashed": slashed,
        "rule_of_three": round(3 / segments, 6) if segments and not slashed else None,
        "cheats_that_save_work": len(paying),
        "of_these_below_99_percent": sorted(set(missed)),
        "escapes": sorted({_named(row) for row in rows if row["kind"] == "cheat" and not row["detected"]}),
    }


def changed(rows: list[dict], committed: list[dict]) -> list[str]:
    """What a sample shows otherwise than the table. An honest segment that is slashed is always a change."""
    known: dict[str, list[float]] = {}
    for row in committed:
        known.setdefault(_named(row), []).append(row["detected"] / max(1, row["segments"]))
    problems = []
    for row in rows:
        share = row["detected"] / max(1, row["segments"])
        if row["kind"] == "honest" and row["slashed"]:
            problems.append(f"{_named(row)}: {row['slashed']} honest segments slashed")
        elif _named(row) not in known:
            problems.append(f"{_named(row)}: not in the committed table")
        elif not any(abs(share - other) <= _tolerance(row) for other in known[_named(row)]):
            problems.append(f"{_named(row)}: {share:.0%} detected, committed {known[_named(row)][0]:.0%}")
    return problems


def _tolerance(row: dict) -> float:
    """A baseline is a handful of whole jobs that honest noise decides: only its order of magnitude repeats."""
    return 2 * TOLERANCE if row["kind"] == "baseline" else TOLERANCE


def as_table(rows: list[dict]) -> str:
    """Markdown, in the order the rows came."""
    lines = ["| " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        cells = [_cell(row.get(name, "")) for name in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _named(row: dict) -> str:
    return f"{row['workload']}: {row['name']}" + (f" ({row['class']})" if row.get("class") else "")


if __name__ == "__main__":
    main()
