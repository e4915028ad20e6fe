# SPDX-License-Identifier: Apache-2.0
"""Fetches what a spec names into a cache on disk. Everything that arrives is bounded and verified by the store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import NotFound
from swarm.protocol.types import Digest
from swarm.storage.cid import DAG_PB, RAW, cid_from_digest
from swarm.storage.port import ExportLimits, Store
from swarm.workloads.dataset import check_dataset
from swarm.workloads.spec import MAX_SPEC_BYTES, LoraSpec, parse_resolved

GIB = 1 << 30
MODEL_LIMITS = ExportLimits(max_bytes=64 * GIB, max_files=256, max_depth=2, max_name_bytes=255)
DATASET_LIMITS = ExportLimits(max_bytes=4 * GIB, max_files=1, max_depth=1, max_name_bytes=255)
STATE_LIMITS = ExportLimits(max_bytes=8 * GIB, max_files=16, max_depth=2, max_name_bytes=255)


def spec_cid(digest: Digest) -> str:
    """A spec is one raw block."""
    return cid_from_digest(digest, RAW)


def result_cid(digest: Digest) -> str:
    """A result is a directory."""
    return cid_from_digest(digest, DAG_PB)


def cid_of(uri: str) -> str:
    """`ipfs://CID` → CID; the spec's own pattern has checked it."""
    return uri.removeprefix("ipfs://")


def read_spec(store: Store, digest: Digest) -> LoraSpec:
    """The spec a job names. Raises SpecError for one that is not canonical, NotFound when nobody has it."""
    return parse_resolved(store.read(spec_cid(digest), limit=MAX_SPEC_BYTES))


@dataclass(frozen=True, slots=True)
class Inputs:
    """Host paths of a job's fixed inputs."""

    model: Path
    dataset: Path
    initial_state: Path


class InputCache:
    """Content by CID under one directory. An entry appears whole or not at all."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory

    def fetch(self, spec: LoraSpec) -> Inputs:
        """Everything the spec names, checked. Raises NotFound, IntegrityError, SpecError, TransientError."""
        if spec.initial_state is None:
            raise NotFound("the spec names no initial state")
        dataset = self.entry(cid_of(spec.datasets[0].path), DATASET_LIMITS)
        check_dataset(dataset, field=spec.datasets[0].field_messages)
        return Inputs(
            model=self.entry(cid_of(spec.base_model), MODEL_LIMITS),
            dataset=dataset,
            initial_state=self.entry(cid_of(spec.initial_state), STATE_LIMITS),
        )

    def entry(self, cid: str, limits: ExportLimits) -> Path:
        """The file or directory of `cid`, exported once. Blocks of big inputs are not kept twice."""
        target = self._directory / cid
        if not target.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._store.export(cid, target, limits=limits, keep=False)
        return target

    def forget(self, cid: str) -> None:
        """Removes an entry, if it is there."""
        path = self._directory / cid
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
