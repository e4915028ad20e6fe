# SPDX-License-Identifier: Apache-2.0
"""Hardware classes: which machines can check each other's work, and how closely. Names in specs, numbers on chain.

    cpu-fp32   x86-64 processors with AVX2 and pinned kernels: the same bits on every one
    fp32       any device that computes in fp32: equal within bounds
    tf32       GPUs whose matrix products round their inputs to tf32: equal within wider bounds
    bf16       GPUs that compute in bf16: as near to fp32 as the judge's own bf16 replay is
    nf4-fp32   fp32 over a base model in 4 bit (bitsandbytes), on a GPU or a processor: equal within bounds
    nf4-bf16   bf16 over a base model in 4 bit, on a GPU: as bf16

A judge's seat serves one class, so a class is also a promise of its judges to have what it takes to check it.
"""

from __future__ import annotations

from swarm.errors import UsageError

EXACT_CLASS = "cpu-fp32"
CLASSES = {EXACT_CLASS: 1, "fp32": 2, "tf32": 3, "bf16": 4, "nf4-fp32": 5, "nf4-bf16": 6}
# In which arithmetic a class computes.
PRECISIONS = {
    EXACT_CLASS: "fp32",
    "fp32": "fp32",
    "tf32": "tf32",
    "bf16": "bf16",
    "nf4-fp32": "fp32",
    "nf4-bf16": "bf16",
}
# The base model is held in 4 bit, so a machine needs bitsandbytes; only QLoRA jobs are of these classes.
FOUR_BIT = frozenset({"nf4-fp32", "nf4-bf16"})
# What no processor computes in: a GPU of compute capability 8.0 or more.
NEEDS_GPU = frozenset({"tf32", "bf16", "nf4-bf16"})


def class_number(name: str) -> int:
    """The number the contracts know a class by. Raises UsageError for an unknown name."""
    if name not in CLASSES:
        raise UsageError(f"unknown hardware class {name!r}", hint=f"one of: {', '.join(CLASSES)}")
    return CLASSES[name]


def parse_classes(text: str) -> frozenset[str]:
    """`"cpu-fp32,bf16"`. Raises UsageError for an unknown name."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        class_number(name)
    return frozenset(names)


def needs_of(name: str) -> str:
    """What a machine must have to compute a class, in words."""
    found = ["an x86-64 processor with AVX2"] if name == EXACT_CLASS else []
    found += ["a GPU, Ampere or newer"] if name in NEEDS_GPU else []
    found += ["bitsandbytes"] if name in FOUR_BIT else []
    return " and ".join(found) or "nothing special"
