# SPDX-License-Identifier: Apache-2.0
"""Fetches a job's deliverable and checks it against the chain's commitment before unpacking it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import NotFound, UsageError
from swarm.execution.inputs import STATE_LIMITS, read_spec
from swarm.execution.results import output_cid, read_manifest
from swarm.protocol.commitment import file_digest
from swarm.protocol.types import ZERO_DIGEST, Digest, Job
from swarm.storage.port import Store
from swarm.workloads.registry import workload_of


@dataclass(frozen=True, slots=True)
class PulledFile:
    name: str
    bytes: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Pulled:
    """`output_cid` is the last segment's output, as the chain's commitment names it."""

    directory: Path
    output_cid: str
    files: tuple[PulledFile, ...]

    @property
    def bytes(self) -> int:
        """Of the largest file: weights, or a table."""
        return max(file.bytes for file in self.files)


def pull(store: Store, job: Job, target: Path, *, base_model: str | None = None) -> Pulled:
    """Writes what the job's type delivers into the new directory `target`.

    Raises NotFound before a result is submitted, IntegrityError when it is not what was committed, UsageError when
    `target` exists.
    """
    if job.result_cid == ZERO_DIGEST:
        raise NotFound(f"job {job.job_id} has no result yet", hint=f"swarm job watch {job.job_id}")
    if target.exists():
        raise UsageError(f"{target} exists already", hint="choose another folder with -o")
    spec = read_spec(store, job.spec_cid)
    workload, manifest = workload_of(spec), read_manifest(store, job)
    first = job.terms.first_segment
    wanted = [index - first for index in workload.delivered(spec) if first <= index < first + job.segments]
    with tempfile.TemporaryDirectory(prefix="swarm-pull-") as scratch:
        outputs = [Path(scratch) / f"{index:04d}" for index in wanted]
        for index, path in zip(wanted, outputs, strict=True):
            store.export(output_cid(store, job, manifest, index), path, limits=STATE_LIMITS)
        workload.deliver(spec, outputs, target, base_model=base_model)
    files = tuple(PulledFile(path.name, path.stat().st_size, file_digest(path)) for path in _files(target))
    return Pulled(target, output_cid(store, job, manifest, job.segments - 1), files)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
