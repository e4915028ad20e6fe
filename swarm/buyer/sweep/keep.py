# SPDX-License-Identifier: Apache-2.0
"""Fetches the adapter of a run into the sweep's folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.ledger import Run
from swarm.buyer.sweep.plan import View
from swarm.errors import NotFound
from swarm.execution.inputs import STATE_LIMITS
from swarm.storage.port import Store
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.metrics import METRICS_FILE
from swarm.workloads.sweep.trial import merged


def keep(store: Store, book: SweepBook, view: View, run: Run) -> Path:
    """A peft folder `best/<run>`, from the output the run's last outcome names. Raises NotFound, IntegrityError."""
    done = view.ledger.outcomes[run.id]
    if not done:
        raise NotFound(f"run {run.id} has no result yet")
    target = book.folder / "best" / run.id
    if target.exists():
        return target
    header = book.header
    training = merged(header.sweep.template.training, run.parameters)
    changes = {"name": run.id, "training": training, "base_model": header.base_model}
    dataset = header.sweep.template.datasets[0].model_copy(update={"path": header.dataset})
    spec = header.sweep.template.model_copy(update=changes | {"datasets": (dataset,)})
    with tempfile.TemporaryDirectory(prefix="swarm-keep-") as scratch:
        output = Path(scratch) / "output"
        store.export(done[-1].found.output_cid, output, limits=STATE_LIMITS)
        # A trial's own metrics are the table's; a LoRA job's file of that name says something else.
        (output / METRICS_FILE).unlink(missing_ok=True)
        write_adapter(spec, output, target, base_model=header.base_model.removeprefix("ipfs://"))
    return target
