# SPDX-License-Identifier: Apache-2.0
"""The detection table against a sample of itself, as a program of its own: `benchmarks/detection.py --quick`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(1200)
def test_a_sample_gives_what_the_committed_table_says():
    command = [sys.executable, "benchmarks/detection.py", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_committed_table_keeps_its_promises():
    content = json.loads((ROOT / "docs" / "detection.json").read_text())
    rows = content["rows"]
    needed = {"workload", "name", "kind", "saves_work", "segments", "detected", "slashed", "judge_share"}
    assert all(needed <= set(row) for row in rows)
    honest = [row for row in rows if row["kind"] == "honest"]
    assert sum(row["slashed"] for row in honest) == 0
    assert sum(row["segments"] for row in honest) >= 1000
    assert content["summary"]["honest_segments"] == sum(row["segments"] for row in honest)
