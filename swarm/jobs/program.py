# SPDX-License-Identifier: Apache-2.0
"""What every job program shares: where its inputs and outputs are, its progress lines, how it ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarm.errors import SwarmError

MAX_JOB_BYTES = 4 << 20

INPUTS = Path(os.environ.get("SWARM_INPUTS", "/inputs"))
OUTPUTS = Path(os.environ.get("SWARM_OUTPUTS", "/outputs"))

# Nothing may look for a network that is not there; every wait for one would count as the job's time.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

# Hardware class cpu-fp32 is x86-64 with AVX2: a processor with AVX-512 would otherwise take other kernels, whose sums
# differ in the last bits, and an honest seller would be denied. Measured to cost nothing. Read when torch is imported.
# STRICT: the same sums for every number of threads and every alignment; without it one processor of two disagreed.
# A calibration asks for another one to see how far apart they are.
INSTRUCTION_SETS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2,STRICT"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_CBWR": "AVX512"},
    "none": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
}
os.environ.update(INSTRUCTION_SETS.get(os.environ.get("SWARM_INSTRUCTION_SET", ""), INSTRUCTION_SETS["avx2"]))
# Spinning threads make a step seven times slower on a machine that does something else too.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def emit(event: str, **fields: Any) -> None:
    """Prints one JSON progress line, in a single write: forked trials share the pipe, often unbuffered."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def read_job() -> dict:
    """The content of job.json, which the worker wrote from a checked spec."""
    with (INPUTS / "job.json").open("rb") as file:
        return json.loads(file.read(MAX_JOB_BYTES))


def run(program: Callable[[], None]) -> None:
    """Runs a program; a SwarmError becomes one line and its exit code."""
    try:
        program()
    except SwarmError as error:
        emit("failed", message=str(error))
        sys.exit(error.exit_code)
