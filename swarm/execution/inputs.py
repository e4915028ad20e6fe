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
from swarm.workloads.fields import GIB, Need, Spec
from swarm.workloads.registry import workload_of
from swarm.workloads.spec import MAX_SPEC_BYTES, parse_resolved
from swarm.workloads.verification import refuse_other_verification

STATE = "state"
MAX_OUTPUT_FILES = 1024  # of one segment, directories included
STATE_LIMITS = ExportLimits(max_bytes=8 * GIB, max_files=MAX_OUTPUT_FILES, max_depth=9, max_name_bytes=255)


def spec_cid(digest: Digest) -> str:
    """A spec is one raw block."""
    return cid_from_digest(digest, RAW)


def result_cid(digest: Digest) -> str:
    """A result is a directory."""
    return cid_from_digest(digest, DAG_PB)


def cid_of(uri: str) -> str:
    """`ipfs://CID` → CID; the spec's own pattern has checked it."""
    return uri.removeprefix("ipfs://")


def limits_of(need: Need) -> ExportLimits:
    """How large an input may be when it is exported."""
    return ExportLimits(need.max_bytes, need.max_files, need.max_depth, max_name_bytes=255)


def read_spec(store: Store, digest: Digest) -> Spec:
    """The spec a job names. Raises SpecError for one that is not canonical or wants to be checked otherwise than our
    certificates say, NotFound when nobody has it."""
    spec = parse_resolved(store.read(spec_cid(digest), limit=MAX_SPEC_BYTES))
    refuse_other_verification(spec)
    return spec


@dataclass(frozen=True, slots=True)
class Inputs:
    """Host paths of a job's fixed inputs, by the names its program knows."""

    files: dict[str, Path]

    @property
    def initial_state(self) -> Path | None:
        """Where a chained job's first segment starts; None where every segment starts from the spec alone."""
        return self.files.get(STATE)


class InputCache:
    """Content by CID under one directory. An entry appears whole or not at all."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self.directory = directory

    def fetch(self, spec: Spec) -> Inputs:
        """Everything the spec names, checked. Raises NotFound, IntegrityError, SpecError, TransientError."""
        inputs = self.fetch_unchecked(spec)
        workload_of(spec).check_inputs(spec, inputs.files)
        return inputs

    def fetch_unchecked(self, spec: Spec) -> Inputs:
        """The files a spec names, whatever they say. Raises NotFound, IntegrityError, TransientError."""
        if not spec.is_resolved:
            raise NotFound("the spec names an input that is no content")
        return Inputs({need.name: self.entry(cid_of(need.uri), limits_of(need)) for need in spec.needs})

    def entry(self, cid: str, limits: ExportLimits) -> Path:
        """The file or directory of `cid`, exported once. Blocks of big inputs are not kept twice."""
        target = self.directory / cid
        if not target.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            self._store.export(cid, target, limits=limits, keep=False)
        return target

    def forget(self, cid: str) -> None:
        """Removes an entry, if it is there."""
        path = self.directory / cid
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
