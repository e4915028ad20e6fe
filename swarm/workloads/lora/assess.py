# SPDX-License-Identifier: Apache-2.0
"""A judge's look at one LoRA segment: measures and applies `bounds.py`; a second look where the first does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import IntegrityError
from swarm.workloads.certificates import Bound, certificate_for, entry_name
from swarm.workloads.lora import bounds, level
from swarm.workloads.lora.distance import distance
from swarm.workloads.verification import Verification
from swarm.workloads.workload import Assessment, Closer, Zone

if TYPE_CHECKING:
    from swarm.workloads.lora.spec import LoraSpec

# Another numeric stack on the same machine: other kernels for attention, sums split otherwise.
SECOND_STACK = {"attention": "eager", "micro_batch_size": 1}


def assess(spec: LoraSpec, segment: int, *, before: Path, theirs: Path, ours: Path) -> Assessment:
    """The first look, from one replay."""
    found = distance(before, theirs, ours)
    facts = asdict(found)
    if spec.verification is not Verification.TOLERANCE:
        return Assessment(Zone.ACCEPT if found.worst == 0 else Zone.ESCALATE, facts)
    if not found.worst < float("inf"):
        return Assessment(Zone.REJECT, facts | {"fault": "no state of this job's form"})
    if fault := bounds.fault_of(spec, segment, before, theirs, ours):
        return Assessment(Zone.REJECT, facts | {"fault": fault})
    limits = bounds_of(spec)
    measured = bounds.named(found, _first_step(spec, segment))
    kept = {f"accept_{what}": limits[what].accept for what in measured}
    kept |= {f"reject_{what}": limits[what].reject for what in measured}
    return Assessment(bounds.zone_of(measured, limits), facts | kept)


def look_closer(spec: LoraSpec, segment: int, closer: Closer) -> Assessment:
    """The second look, from replays with another numeric stack. Never leaves the matter open: what cannot be told from
    noise passes, and one judge's word slashes nobody (a committee looks for itself)."""
    if spec.training.precision != "fp32":
        return _noise_look(spec, segment, closer)
    before, theirs = closer.sides(segment)
    ours, other = closer.run(segment), closer.run(segment, **SECOND_STACK)
    at = _first_step(spec, segment)
    first = bounds.named(distance(before, theirs, ours), at)
    second = bounds.named(distance(before, theirs, other), at)
    noise = bounds.named(distance(before, other, ours), at)
    zone = bounds.closer_look(first, second, noise, bounds_of(spec))
    facts = _facts("first", first) | _facts("second", second) | _facts("noise", noise)
    return Assessment(zone, {"look": "closer", **facts})


def _noise_look(spec: LoraSpec, segment: int, closer: Closer) -> Assessment:
    """Against the level of noise that is known, without another replay; where that does not tell, against fp32 in units
    of our own distance from it in the job's precision; where one segment does not tell, several together do."""
    known, facts = _level_look(spec, segment, closer)
    if known is Zone.ACCEPT:
        return Assessment(known, facts)
    found, noise = _from_fp32(spec, segment, closer)
    zone = bounds.noise_zone(found, noise)
    facts |= {"look": "noise", "ratio": bounds.noise_ratio(found, noise), **_facts("noise", noise)}
    if zone is Zone.ACCEPT:
        _learn(spec, segment, closer)
    if zone is not Zone.ESCALATE:
        return Assessment(zone, facts)
    sides = [_from_fp32(spec, other, closer) for other in _spread(segment, closer.segments)]
    ratio = bounds.pooled([found for found, _ in sides], [noise for _, noise in sides])
    zone = Zone.REJECT if ratio > bounds.POOLED_REJECT else Zone.ACCEPT
    return Assessment(zone, facts | {"look": "pooled", "pooled_ratio": ratio, "pooled_segments": len(sides)})


def _level_look(spec: LoraSpec, segment: int, closer: Closer) -> tuple[Zone, dict[str, float | str]]:
    before, theirs = closer.sides(segment)
    found = level.measured(spec, segment, before, theirs, closer.run(segment))
    known = closer.recall(level.key_of(spec))
    ratios = level.ratios(found, known) if found else None
    if ratios is None:
        return Zone.ESCALATE, {}
    zone = Zone.ACCEPT if level.passes(ratios) else Zone.ESCALATE
    return zone, {"look": "level", "levels": len(known), **_facts("level_ratio", ratios)}


def _learn(spec: LoraSpec, segment: int, closer: Closer) -> None:
    """Keeps our own noise of a segment that passed: what a cheat left is no place to measure from."""
    ours, reference = closer.run(segment), closer.run(segment, precision="fp32")
    found = level.measured(spec, segment, closer.sides(segment)[0], ours, reference)
    if found:
        closer.learn(level.key_of(spec), found)


def _from_fp32(spec: LoraSpec, segment: int, closer: Closer) -> tuple[dict[str, float], dict[str, float]]:
    """How far the seller's and our own segment in the job's precision are from one in fp32."""
    before, theirs = closer.sides(segment)
    ours, reference = closer.run(segment), closer.run(segment, precision="fp32")
    at = _first_step(spec, segment)
    return bounds.named(distance(before, theirs, reference), at), bounds.named(distance(before, ours, reference), at)


def _spread(segment: int, segments: range) -> list[int]:
    """The segment in question and others, evenly apart: neighbours share most of their momentum."""
    count = min(bounds.POOLED_SEGMENTS, len(segments))
    places = (segment - segments.start + place * len(segments) // count for place in range(count))
    return [segments[place % len(segments)] for place in places]


def bounds_of(spec: LoraSpec) -> Mapping[str, Bound]:
    """The certified bounds. Raises IntegrityError where there are none: such a spec is refused before."""
    certificate = certificate_for(spec.engine, spec.hardware_class)
    if certificate is None:
        raise IntegrityError(f"no certificate covers engine {spec.engine[:80]} and class {spec.hardware_class}")
    return certificate.bounds[entry_name(spec.hardware_class)]


def _first_step(spec: LoraSpec, segment: int) -> int:
    return segment * spec.training.steps_per_segment


def _facts(prefix: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{what}": value for what, value in found.items()}
