# SPDX-License-Identifier: Apache-2.0
"""Turns the spec a person wrote into the one that travels: every input checked, added to the store and named by CID."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import NotFound, SpecError
from swarm.execution.inputs import MODEL_LIMITS, InputCache, cid_of
from swarm.protocol.types import Digest
from swarm.storage.cid import digest_of
from swarm.storage.port import Store
from swarm.workloads.dataset import Counts, check_dataset
from swarm.workloads.initial import write_initial_state
from swarm.workloads.spec import LoraSpec, canonical_json


@dataclass(frozen=True, slots=True)
class Prepared:
    """A resolved spec and where it lies. `counts` is None for a dataset that was already content."""

    spec: LoraSpec
    spec_cid: Digest
    counts: Counts | None


def prepare(spec: LoraSpec, store: Store, *, base: Path, cache: Path, engine: str | None = None) -> Prepared:
    """Checks and pins what the spec names; relative paths are meant from `base`.

    Raises SpecError (with the line of a bad dataset), NotFound, IntegrityError. Nothing is sent to the chain.
    """
    counts, dataset_uri = _dataset(spec, store, base)
    model_dir, model_uri = _model(spec, store, base, cache)
    changes = {
        "base_model": model_uri,
        "datasets": (spec.datasets[0].model_copy(update={"path": dataset_uri}),),
        "engine": engine or spec.engine,
    }
    resolved = spec.model_copy(update=changes)
    if resolved.initial_state is None:
        resolved = resolved.model_copy(update={"initial_state": _initial_state(resolved, store, model_dir)})
    return Prepared(resolved, digest_of(store.add_bytes(canonical_json(resolved))), counts)


def _dataset(spec: LoraSpec, store: Store, base: Path) -> tuple[Counts | None, str]:
    uri = spec.datasets[0].path
    if not uri.startswith("file:"):
        return None, uri
    path = _existing(base, uri)
    counts = check_dataset(path, field=spec.datasets[0].field_messages)
    return counts, f"ipfs://{store.add(path)}"


def _model(spec: LoraSpec, store: Store, base: Path, cache: Path) -> tuple[Path, str]:
    if not spec.base_model.startswith("file:"):
        return InputCache(store, cache).entry(cid_of(spec.base_model), MODEL_LIMITS), spec.base_model
    path = _existing(base, spec.base_model)
    if not path.is_dir():
        raise SpecError(f"base_model: {path} is a file, expected a model folder")
    return path, f"ipfs://{store.add(path)}"


def _initial_state(spec: LoraSpec, store: Store, model_dir: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="swarm-state-") as scratch:
        target = Path(scratch) / "state"
        write_initial_state(spec, model_dir, target)
        return f"ipfs://{store.add(target)}"


def _existing(base: Path, uri: str) -> Path:
    path = base / uri.removeprefix("file:")
    if not path.exists():
        raise NotFound(f"{path} does not exist", hint="paths are meant from the spec's folder")
    return path
