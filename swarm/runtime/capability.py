# SPDX-License-Identifier: Apache-2.0
"""Which hardware classes this machine can compute, and for the others what is missing: asked before a job is taken.

Containers see no GPU yet, so what needs one runs in the process sandbox alone. Whether an image holds bitsandbytes only
its owner knows: a worker takes such jobs in containers if it is told to (`--classes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from swarm.errors import UsageError
from swarm.protocol.hardware import CLASSES, FOUR_BIT, NEEDS_GPU, listed, parse_classes
from swarm.runtime.gpus import Gpu, gpus
from swarm.runtime.port import Runner
from swarm.runtime.process import ENGINE

LEAST_CAPABILITY = (8, 0)
_NO_LIBRARY = "bitsandbytes is not installed: pip install computeswarm[four-bit]"


def classes_of(runner: Runner, wanted: str | None) -> frozenset[str]:
    """The classes whose jobs a worker takes: those it was told (`"fp32,nf4-fp32"`), or all that this machine has.

    Raises UsageError for one that this machine cannot compute, saying what it lacks.
    """
    found, _ = gpus()
    lacking = shortages(found, has_processes=runner.accepts(ENGINE), has_four_bit=find_spec("bitsandbytes") is not None)
    if wanted is None:
        return frozenset(CLASSES) - lacking.keys()
    asked = parse_classes(wanted)
    for name in asked & lacking.keys():
        if name in NEEDS_GPU or runner.accepts(ENGINE):
            raise UsageError(f"this machine cannot compute class {name}: {lacking[name]}")
    return asked


def shortages(found: Sequence[Gpu], *, has_processes: bool, has_four_bit: bool) -> dict[str, str]:
    """Classes that cannot be computed, each with what is missing."""
    lacking: dict[str, str] = {}
    for name in CLASSES:
        if name in NEEDS_GPU and not any(gpu.capability >= LEAST_CAPABILITY for gpu in found):
            lacking[name] = "it needs an NVIDIA GPU of compute capability 8.0 or more"
        elif name in NEEDS_GPU and not has_processes:
            lacking[name] = "containers see no GPU"
        elif name in FOUR_BIT and not (has_four_bit and has_processes):
            lacking[name] = (
                _NO_LIBRARY if has_processes else "only the owner of an image knows that it has bitsandbytes"
            )
    return lacking


def require_class(name: str) -> None:
    """Raises UsageError where this machine, in whatever sandbox, cannot compute a class."""
    found, _ = gpus()
    lacking = shortages(found, has_processes=True, has_four_bit=find_spec("bitsandbytes") is not None)
    if name in lacking:
        hint = f"classes of this machine: {listed(CLASSES.keys() - lacking.keys())}"
        raise UsageError(f"this machine cannot compute class {name}: {lacking[name]}", hint=hint)
