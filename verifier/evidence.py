# SPDX-License-Identifier: Apache-2.0
"""The evidence of a finding: one JSON object that anybody can check by re-executing the same segment."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from swarm.execution import machine
from swarm.execution.segments import Sandbox
from swarm.protocol.types import MATCH, UNDELIVERED, Digest, Job
from swarm.workloads.fields import Spec
from swarm.workloads.workload import Fact


def leaf_evidence(
    job: Job,
    segment: int,
    claimed: Digest | None,
    recomputed: Digest,
    problem: str,
    sandbox: Sandbox,
    spec: Spec,
    distance: Mapping[str, Fact] | None,
) -> dict:
    """Of a leaf that was recomputed. It never holds the trace's root: before the verdict is on chain only the leaf,
    which hides it, may be seen."""
    return {
        "version": 1,
        "job_id": job.job_id,
        "segment": segment,
        "spec_cid": job.spec_cid.hex(),
        "claimed_leaf": claimed.hex() if claimed else None,
        "recomputed_leaf": recomputed.hex(),
        "matches": claimed == recomputed,
        "problem": problem,
        "engine": spec.engine,
        "sandbox": sandbox.runner.name,
        "environment": machine.facts(),
        "distance": distance,
    }


def word_evidence(
    job: Job,
    segment: int,
    verdict: Digest,
    problem: str,
    sandbox: Sandbox,
    *,
    spec: Spec | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> dict:
    """Of a finding that is a word: whether the result was there, and within which bounds."""
    return {
        "version": 1,
        "job_id": job.job_id,
        "segment": None if segment == UNDELIVERED else segment,
        "result_cid": job.result_cid.hex(),
        "matches": verdict == MATCH,
        "problem": problem,
        "spec_cid": job.spec_cid.hex(),
        "engine": spec.engine if spec else None,
        "sandbox": sandbox.runner.name,
        "environment": machine.facts(),
        "facts": finite(facts or {}),
    }


def finite(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """JSON has no infinity: what is infinitely far is null."""
    return {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in facts.items()}
