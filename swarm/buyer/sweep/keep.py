# SPDX-License-Identifier: Apache-2.0
"""Fetches what a run left into the sweep's folder: its adapter, or a program's files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.ledger import Run
from swarm.buyer.sweep.plan import View
from swarm.errors import NotFound
from swarm.execution.inputs import STATE_LIMITS, limits_of
from swarm.storage.port import Store
from swarm.workloads.fields import Need
from swarm.workloads.lora.adapter import write_adapter
from swarm.workloads.lora.metrics import METRICS_FILE
from swarm.workloads.result import FOREIGN_FILES
from swarm.workloads.sweep.trial import merged


def keep(store: Store, book: SweepBook, view: View, run: Run) -> Path:
    """A folder `best/<run>`, which peft loads where adapters were trained, from the run's last output.

    Raises NotFound, IntegrityError.
    """
    done = view.ledger.outcomes[run.id]
    if not done:
        raise NotFound(f"run {run.id} has no result yet")
    target = book.folder / "best" / run.id
    if target.exists():
        return target
    header = book.header
    if header.sweep.program:
        limits = limits_of(Need("", "", 8 << 30, max_files=4096, max_depth=8))
        store.export(store.resolve(done[-1].found.output_cid, FOREIGN_FILES), target, limits=limits)
        return target
    training = merged(header.sweep.lora.training, run.parameters)
    changes = {"name": run.id, "training": training, "base_model": header.base_model}
    dataset = header.sweep.lora.datasets[0].model_copy(update={"path": header.dataset})
    spec = header.sweep.lora.model_copy(update=changes | {"datasets": (dataset,)})
    with tempfile.TemporaryDirectory(prefix="swarm-keep-") as scratch:
        output = Path(scratch) / "output"
        store.export(done[-1].found.output_cid, output, limits=STATE_LIMITS)
        # A trial's own metrics are the table's; a LoRA job's file of that name says something else.
        (output / METRICS_FILE).unlink(missing_ok=True)
        write_adapter(spec, output, target, base_model=header.base_model.removeprefix("ipfs://"))
    return target
