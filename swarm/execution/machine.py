# SPDX-License-Identifier: Apache-2.0
"""What machine re-executed a segment: the part of evidence that explains a difference."""

from __future__ import annotations

import functools
import os
import platform
from importlib import metadata
from pathlib import Path

LIBRARIES = ("torch", "transformers", "peft", "safetensors", "numpy")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "fma")


@functools.cache
def facts() -> dict[str, object]:
    """Processor, instruction sets and versions of this machine. A container's own libraries follow from its image."""
    model, flags = _processor()
    return {
        "processor": model,
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _processor() -> tuple[str, set[str]]:
    """Model name and flags, as Linux tells them; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor(), set()
    found = dict(reversed([line.split(":", 1) for line in lines if ":" in line]))
    named = {key.strip(): value.strip() for key, value in found.items()}
    return named.get("model name", platform.machine()), set(named.get("flags", "").split())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
