# SPDX-License-Identifier: Apache-2.0
"""metrics.json: the validation loss beside the last segment's tensors, so committed to like them.

    {"eval_loss": mean cross-entropy in nats over "eval_tokens" tokens of "eval_examples" examples, "eval_cut" of them
     longer than sequence_len; "train_examples": what was trained on}

In the exact class a judge compares its bytes. Within bounds the loss of two honest machines differs as their weights
do; the bounds here are far wider than anything measured and not calibrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from swarm import hostile_json
from swarm.errors import IntegrityError
from swarm.workloads.workload import Assessment, Zone

METRICS_FILE = "metrics.json"
MAX_BYTES = 1 << 16
_COUNTS = ("eval_tokens", "eval_examples", "eval_cut", "train_examples")
ESCALATE_ABOVE, REJECT_ABOVE = 1e-3, 5e-2  # relative


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a job measured on the examples nobody trained on."""

    eval_loss: float
    eval_tokens: int
    eval_examples: int
    eval_cut: int
    train_examples: int

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """What is the same on every machine."""
        return self.eval_tokens, self.eval_examples, self.eval_cut, self.train_examples


def read_metrics(folder: Path) -> Metrics | None:
    """Those of a segment's output; None where it has none. Raises IntegrityError for a file that is not sound."""
    path = folder / METRICS_FILE
    if not path.exists():
        return None
    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        found = hostile_json.parse(path.read_bytes())
        loss, counts = float(found["eval_loss"]), [found[name] for name in _COUNTS]
        if not math.isfinite(loss) or any(type(count) is not int or count < 0 for count in counts):
            raise ValueError("not finite, or not a count")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{METRICS_FILE} is not sound") from error
    return Metrics(loss, *counts)


def with_metrics(found: Assessment, theirs: Path, ours: Path) -> Assessment:
    """An assessment of the tensors, made worse where the metrics beside them are worse."""
    zone = compare_metrics(theirs, ours)
    order = list(Zone)
    if order.index(zone) <= order.index(found.zone):
        return found
    return Assessment(zone, {**found.facts, "fault": f"{METRICS_FILE} is not what these weights give"})


def compare_metrics(theirs: Path, ours: Path) -> Zone:
    """Never raises for what the seller wrote."""
    own = read_metrics(ours)
    try:
        found = read_metrics(theirs)
    except IntegrityError:
        return Zone.REJECT
    if own is None or found is None:
        return Zone.ACCEPT if own is found else Zone.REJECT
    if own.counts != found.counts:
        return Zone.REJECT
    apart = abs(found.eval_loss - own.eval_loss) / max(abs(own.eval_loss), 1e-9)
    return Zone.REJECT if apart > REJECT_ABOVE else Zone.ESCALATE if apart > ESCALATE_ABOVE else Zone.ACCEPT
