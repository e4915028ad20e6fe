# SPDX-License-Identifier: Apache-2.0
"""What every step of a LoRA job uses, as pure functions of the spec: its segment, its examples, its learning rate, and
which examples are kept apart for the validation.

Nothing here may ever change for `version: 1`: a judge that computes another order or rate than the seller convicts an
honest one. The golden values in tests/unit/workloads/test_segments.py freeze it.
"""

from __future__ import annotations

import hashlib
import math
import struct
from array import array
from collections.abc import Iterator
from functools import lru_cache

_ORDER_DOMAIN = b"computeswarm/order/v1"
_HELD_OUT_DOMAIN = b"computeswarm/held-out/v1"


def segment_count(max_steps: int, steps_per_segment: int) -> int:
    """How many segments a run of `max_steps` optimiser steps has; the last one may be shorter."""
    return -(-max_steps // steps_per_segment)


def steps_of(segment: int, *, max_steps: int, steps_per_segment: int) -> range:
    """The optimiser steps (0-based) of one segment. Raises ValueError for a segment the run does not have."""
    if not 0 <= segment < segment_count(max_steps, steps_per_segment):
        raise ValueError(f"segment {segment} is outside the run of {max_steps} steps")
    first = segment * steps_per_segment
    return range(first, min(first + steps_per_segment, max_steps))


def is_held_out(index: int, *, share: float, seed: int) -> bool:
    """Whether example `index` (0-based) is kept apart: each is drawn on its own, so the share is met about.

    The first 64 bits of sha256(domain ‖ uint64 seed ‖ uint64 index) lie below share · 2^64, which is exact in fp64.
    """
    word = hashlib.sha256(_HELD_OUT_DOMAIN + struct.pack(">QQ", seed, index)).digest()[:8]
    return int.from_bytes(word, "big") < int(share * 2.0**64)


def batch_of(step: int, *, examples: int, batch_size: int, seed: int) -> list[int]:
    """Indices (0-based) of the examples of one optimiser step.

    The order is the concatenation of one permutation per epoch; step s takes positions s·batch_size and on, so a batch
    may span two epochs and every example is seen once per epoch.
    """
    positions = range(step * batch_size, (step + 1) * batch_size)
    return [_order(examples, seed, position // examples)[position % examples] for position in positions]


def epoch_order(examples: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The permutation of range(examples) for one epoch: Fisher-Yates from the top, fed by sha256 in counter mode."""
    return tuple(_order(examples, seed, epoch))


@lru_cache(maxsize=4)
def _order(examples: int, seed: int, epoch: int) -> array[int]:
    """Four bytes an example: there may be ten million."""
    order = array("I", range(examples))
    words = _words(_ORDER_DOMAIN + struct.pack(">QQ", seed, epoch))
    for last in range(examples - 1, 0, -1):
        other = _below(last + 1, words)
        order[last], order[other] = order[other], order[last]
    return order


def _words(key: bytes) -> Iterator[int]:
    """64-bit words: the big-endian quarters of sha256(key ‖ uint64 counter), counter = 0, 1, 2, …"""
    counter = 0
    while True:
        yield from struct.unpack(">4Q", hashlib.sha256(key + struct.pack(">Q", counter)).digest())
        counter += 1


def _below(bound: int, words: Iterator[int]) -> int:
    # Rejection keeps it exactly uniform; at most one word in 2**33 is rejected for any data set we accept.
    limit = (1 << 64) - (1 << 64) % bound
    return next(word for word in words if word < limit) % bound


def learning_rate(step: int, *, peak: float, schedule: str, warmup_steps: int, max_steps: int) -> float:
    """The learning rate of one step (0-based): linear warm-up to `peak`, then constant, linear or cosine decay.

    Rounded to the nearest fp32, so that the last bit of a platform's cosine cannot reach the weights.
    """
    if step < warmup_steps:
        return _fp32(peak * (step + 1) / warmup_steps)
    progress = (step - warmup_steps) / max(1, max_steps - warmup_steps)
    decay = {"constant": 1.0, "linear": 1.0 - progress, "cosine": 0.5 * (1.0 + math.cos(math.pi * progress))}
    return _fp32(peak * decay[schedule])


def power(base: float, exponent: int) -> float:
    """`base ** exponent` (exponent ≥ 0) by IEEE multiplications only, so that it is the same on every C library."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def _fp32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]
