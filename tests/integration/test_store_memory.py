# SPDX-License-Identifier: Apache-2.0
"""A file of the size of a small model passes through the store without ever sitting in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "store.py"
MODEL_MEGABYTES = 400
ALLOWED_MEGABYTES = 150


def test_a_model_is_added_pushed_fetched_and_exported_in_little_memory(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), str(MODEL_MEGABYTES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peaks = [int(line.split("peak ")[1].split()[0]) for line in done.stdout.splitlines() if "peak " in line]
    assert len(peaks) == 6, done.stdout
    assert max(peaks) < ALLOWED_MEGABYTES, done.stdout
    assert list(tmp_path.iterdir()) == [], "the benchmark cleans up"
