# SPDX-License-Identifier: Apache-2.0
"""What a batch inference job means: independent shards of requests, checked token by token or repeated."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from swarm import hostile_json
from swarm.errors import IntegrityError, NotFound, SpecError
from swarm.workloads.inference.adapter import read_form, require_fitting
from swarm.workloads.inference.margins import Measured, assess
from swarm.workloads.inference.requests import Allowed, check_requests
from swarm.workloads.inference.results import RESULTS_FILE, TOKENS_FILE, VERIFICATION_FILE, Tokens, read_tokens
from swarm.workloads.inference.shards import fitting_size, requests_of, thin_segments
from swarm.workloads.inference.spec import InferenceSpec
from swarm.workloads.refusal import first_refusal
from swarm.workloads.verification import Verification
from swarm.workloads.workload import Assessment, Fact, Pins, Resolved, Zone

THIN_SEGMENTS = "segments_below_256_tokens"


class InferenceWorkload:
    is_foreign = False

    def program(self, spec: InferenceSpec) -> tuple[str, ...]:
        return ("python", "-m", "swarm.jobs.inference")

    def checker(self, spec: InferenceSpec) -> tuple[str, ...] | None:
        return ("python", "-m", "swarm.jobs.inference_check")

    def check_inputs(self, spec: InferenceSpec, files: Mapping[str, Path]) -> None:
        found = check_requests(files["requests.jsonl"], allowed(spec)).requests
        if found != spec.requests:
            raise SpecError(f"requests: found {spec.requests}, expected {found}, as the input has")
        if spec.lora is not None:
            require_fitting(spec.lora, files["adapter"], files["model"])

    def resolve(self, spec: InferenceSpec, pins: Pins) -> Resolved:
        model, requests, *adapters = spec.needs
        limits = array("I")
        counts = check_requests(pins.at(requests), allowed(spec), limits)
        folder = pins.at(model)
        if not folder.is_dir():
            raise SpecError(f"model: {folder} is a file, expected a model folder")
        size = spec.shards.size if "size" in spec.shards.model_fields_set else fitting_size(limits)
        changes: dict = {"requests": counts.requests, "shards": spec.shards.model_copy(update={"size": size})}
        for adapter in adapters:
            changes["lora"] = spec.lora or read_form(pins.at(adapter))
            require_fitting(changes["lora"], pins.at(adapter), folder)
        # Before anything is stored: so many requests may make too many segments.
        try:
            InferenceSpec.model_validate(spec.model_copy(update=changes).model_dump())
        except ValidationError as error:
            raise SpecError(first_refusal(error, InferenceSpec)) from error
        for key, need in (("model", model), ("input", requests), *(("adapter", need) for need in adapters)):
            changes[key] = need.uri if need.is_content else pins.add(pins.at(need))
        thin = thin_segments(limits, size) if spec.verification is Verification.PROOF else 0
        return Resolved(spec.model_copy(update=changes), _notes(asdict(counts) | {THIN_SEGMENTS: thin}))

    def assess(self, spec: InferenceSpec, segment: int, *, before: Path | None, theirs: Path, ours: Path) -> Assessment:
        if (ours / VERIFICATION_FILE).is_file():
            return _verdict(ours / VERIFICATION_FILE)
        return _beside(spec, segment, theirs, ours)

    def deliver(self, spec: InferenceSpec, outputs: Sequence[Path], target: Path, *, base_model: str | None) -> None:
        target.mkdir(parents=True)
        with (target / spec.output).open("wb") as whole:
            for output in outputs:
                with (output / RESULTS_FILE).open("rb") as part:
                    shutil.copyfileobj(part, whole)

    def delivered(self, spec: InferenceSpec) -> Sequence[int]:
        return range(spec.segments)


def allowed(spec: InferenceSpec) -> Allowed:
    """What a request may say about sampling."""
    return Allowed(spec.sampling.max_tokens, spec.sampling.temperature, spec.sampling.seed)


def _notes(counts: dict[str, int]) -> dict[str, Fact]:
    """Counts for the person; a zero that needs no word is left out."""
    return {name: count for name, count in counts.items() if count or name not in ("ignored_models", THIN_SEGMENTS)}


def _verdict(path: Path) -> Assessment:
    """From what our own checker left."""
    found = hostile_json.parse(path.read_bytes())
    if found["problem"]:
        return Assessment(Zone.REJECT, {"problem": found["problem"]})
    figures = Measured(**{name: found[name] for name in Measured.__slots__})
    assessment = assess(figures)
    return Assessment(assessment.zone, {**assessment.facts, "looked_closer": found["looked_closer"]})


def _beside(spec: InferenceSpec, segment: int, theirs: Path, ours: Path) -> Assessment:
    """A repeated shard beside the seller's, for people: in class exact the bytes have decided already."""
    shard = requests_of(segment, requests=spec.requests or 0, size=spec.shards.size)
    limits = {"requests": len(shard), "max_tokens": spec.sampling.max_tokens}
    own = read_tokens(ours / TOKENS_FILE, **limits)
    try:
        found = read_tokens(theirs / TOKENS_FILE, **limits)
    except (IntegrityError, NotFound) as error:
        return Assessment(Zone.REJECT, {"problem": str(error)[:300]})
    facts = _differences(found, own)
    return Assessment(Zone.ACCEPT if facts["requests_different"] == 0 else Zone.ESCALATE, facts)


def _differences(theirs: Tokens, ours: Tokens) -> dict[str, Fact]:
    pairs = list(zip(theirs.tokens, ours.tokens, strict=True))
    same = [len(left) == len(right) and bool((left == right).all()) for left, right in pairs]
    return {"requests": len(pairs), "requests_different": same.count(False)}
