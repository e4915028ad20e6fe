# SPDX-License-Identifier: Apache-2.0
"""Fetches a job's deliverable and checks it against the chain's commitment before unpacking it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import NotFound, UsageError
from swarm.execution.inputs import STATE_LIMITS, cid_of, read_spec
from swarm.execution.results import output_cid, read_manifest
from swarm.protocol.commitment import file_digest
from swarm.protocol.types import ZERO_DIGEST, Digest, Job
from swarm.storage.port import Store
from swarm.workloads.adapter import write_adapter

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Pulled:
    directory: Path
    output_cid: str
    weights_bytes: int
    weights_sha256: Digest


def pull_adapter(store: Store, job: Job, target: Path, *, base_model: str | None = None) -> Pulled:
    """Writes a PEFT folder into the new directory `target`.

    Raises NotFound before a result is submitted, IntegrityError when it is not what was committed, UsageError when
    `target` exists.
    """
    if job.result_cid == ZERO_DIGEST:
        raise NotFound(f"job {job.job_id} has no result yet", hint=f"swarm job watch {job.job_id}")
    if target.exists():
        raise UsageError(f"{target} exists already", hint="choose another folder with -o")
    spec = read_spec(store, job.spec_cid)
    cid = output_cid(store, job, read_manifest(store, job), job.segments - 1)
    with tempfile.TemporaryDirectory(prefix="swarm-pull-") as scratch:
        output = Path(scratch) / "output"
        store.export(cid, output, limits=STATE_LIMITS)
        write_adapter(spec, output, target, base_model=base_model or cid_of(spec.base_model))
    weights = target / WEIGHTS
    return Pulled(target, cid, weights.stat().st_size, file_digest(weights))
