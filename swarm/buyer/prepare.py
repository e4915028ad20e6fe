# SPDX-License-Identifier: Apache-2.0
"""Turns the spec a person wrote into the one that travels: every input checked, added to the store and named by CID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import NotFound
from swarm.execution.inputs import InputCache, cid_of, limits_of
from swarm.protocol.types import Digest
from swarm.storage.cid import digest_of
from swarm.storage.hub import Hub, HuggingFace, fetch_model
from swarm.storage.port import Store
from swarm.workloads.fields import Need, Spec
from swarm.workloads.registry import workload_of
from swarm.workloads.spec import canonical_json
from swarm.workloads.uris import HubModel, hub_model
from swarm.workloads.verification import verification_for
from swarm.workloads.workload import Fact, Pins


@dataclass(frozen=True, slots=True)
class Prepared:
    """A resolved spec and where it lies. `facts` are what was counted on the way, for the person."""

    spec: Spec
    spec_cid: Digest
    facts: Mapping[str, Fact]


def prepare(
    spec: Spec, store: Store, *, base: Path, cache: Path, engine: str | None = None, hub: Hub | None = None
) -> Prepared:
    """Checks and pins what the spec names; relative paths are meant from `base`. `hub` is where hf:// models come from.

    Raises SpecError (with the line of a bad dataset), NotFound, IntegrityError. Nothing is sent to the chain.
    """
    inputs = InputCache(store, cache)

    commits: dict[str, Fact] = {}

    def from_hub(model: HubModel) -> Path:
        folder = fetch_model(hub or HuggingFace(), model.repo, model.revision, cache / "hub")
        commits["base_model"] = f"{model.repo}@{folder.name}"
        return folder

    def at(need: Need) -> Path:
        if need.is_content:
            return inputs.entry(cid_of(need.uri), limits_of(need))
        if model := hub_model(need.uri):
            return from_hub(model)
        path = base / need.uri.removeprefix("file:")
        if not path.exists():
            raise NotFound(f"{path} does not exist", hint="paths are meant from the spec's folder")
        return path

    wanted = spec.model_copy(update={"engine": engine or spec.engine})
    resolved = workload_of(spec).resolve(wanted, Pins(add=lambda path: f"ipfs://{store.add(path)}", at=at))
    chosen = resolved.spec.model_copy(update={"verification": verification_for(resolved.spec)})
    return Prepared(chosen, digest_of(store.add_bytes(canonical_json(chosen))), commits | dict(resolved.facts))
