# SPDX-License-Identifier: Apache-2.0
"""The spec: what a buyer writes (YAML) and what travels (canonical JSON with every input as ipfs://CID).

    load_spec(path)        the file a person wrote; inputs may be file: or ipfs://
    parse_spec(mapping)    the same from a mapping
    canonical_json(spec)   the bytes that are pinned and whose digest goes on chain
    parse_resolved(data)   a spec that came from the chain, so from anybody

Every refusal is a SpecError of one line: dotted key, what was found, what is expected.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from swarm import hostile_json
from swarm.errors import NotFound, OtherVersion, SpecError
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.fields import Spec
from swarm.workloads.inference.spec import InferenceSpec
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.overrides import Overrides
from swarm.workloads.refusal import first_refusal
from swarm.workloads.sweep.spec import TrialsSpec

MAX_SPEC_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_INDENT = 128

SPECS: dict[str, type[Spec]] = {
    "container": ContainerSpec,
    "inference": InferenceSpec,
    "lora": LoraSpec,
    "trials": TrialsSpec,
}


def load_spec(path: Path, overrides: Overrides | None = None) -> Spec:
    """Reads a YAML 1.2 file of at most 1 MiB and changes it as asked. Raises NotFound or SpecError."""
    return parse_spec((overrides or Overrides()).apply(read_mapping(path)))


def read_mapping(path: Path) -> Any:
    """What a YAML 1.2 file of at most 1 MiB says, unchecked. Raises NotFound or SpecError."""
    # Pure Python on purpose: the C loader reads YAML 1.1, where 2e-4 is a string and NO is false.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = _bounded(path).decode("utf-8")
        _refuse_deep(text)
        return YAML(typ="safe", pure=True).load(text)
    except UnicodeDecodeError as error:
        raise SpecError(f"{path.name}: not UTF-8 at byte {error.start + 1}") from error
    except YAMLError as error:
        raise SpecError(f"{path.name}: {_yaml_refusal(error)}") from error
    except (RecursionError, ValueError) as error:
        raise SpecError(f"{path.name}: not YAML, or too deeply nested") from error


def parse_spec(mapping: Any) -> Spec:
    """Checks a mapping. Raises SpecError with one line."""
    if not isinstance(mapping, dict):
        raise SpecError(f"spec: found {type(mapping).__name__}, expected a mapping of keys")
    found = mapping.get("type")
    if not isinstance(found, str) or found not in SPECS:
        shown = "nothing" if found is None else repr(str(found)[:40])
        raise OtherVersion(f"type: found {shown}, expected one of: {', '.join(SPECS)}")
    try:
        return SPECS[found].model_validate(mapping)
    except ValidationError as error:
        raise SpecError(first_refusal(error, SPECS[found])) from error


def canonical_json(spec: Spec) -> bytes:
    """The one byte string of a spec: every key, sorted, no spaces, UTF-8, floats as repr, money as decimal text."""
    content = spec.model_dump()
    content["budget"]["max_total"] = f"{spec.budget.max_total.normalize():f}"
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_resolved(data: bytes) -> Spec:
    """Checks the bytes of a spec that came from the chain. Raises SpecError.

    Only the canonical form is accepted: a key left to its default could mean something else to another version.
    """
    if len(data) > MAX_SPEC_BYTES:
        raise SpecError(f"spec: found {len(data)} bytes, expected at most {MAX_SPEC_BYTES}")
    try:
        mapping = hostile_json.parse(data, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise SpecError("spec: not JSON, or too deeply nested") from error
    spec = parse_spec(mapping)
    if not spec.is_resolved:
        raise SpecError("spec: an input is not ipfs://CID, expected a resolved spec")
    if canonical_json(spec) != data:
        raise SpecError("spec: not in canonical form")
    return spec


def _bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SPEC_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path}: no such spec file") from error
    if len(data) > MAX_SPEC_BYTES:
        raise SpecError(f"{path.name}: larger than {MAX_SPEC_BYTES} bytes")
    return data


def _yaml_refusal(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else "not YAML"


def _refuse_deep(text: str) -> None:
    """The YAML parser recurses once a level, in quadratic time where the recursion limit lets it."""
    hostile_json.refuse_depth(text)
    if any(len(line) - len(line.lstrip(" -")) > MAX_INDENT for line in text.splitlines()):
        raise ValueError(f"indented by more than {MAX_INDENT}")
