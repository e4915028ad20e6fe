# SPDX-License-Identifier: Apache-2.0
"""The evidence of one re-execution as a folder: whatever somebody needs to repeat it, and to see the two sides.

evidence.json     the finding as a judge would publish it, with distances, bounds and this machine
spec.json         the job's spec, the very bytes that were pinned
claimed.json      what the seller committed to: leaf, digest, output CID
recomputed.json   the same of ours, with the trace's root that only somebody who ran the segment knows
trace.bin         our trace, record by record; the seller's stays hidden, its digest speaks for it
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import IntegrityError, NotFound
from swarm.execution.inputs import spec_cid
from swarm.execution.results import leaves_of, read_manifest
from swarm.protocol import commitment
from swarm.protocol.types import UNDELIVERED, Job
from swarm.storage.cid import DAG_PB, RAW, cid_from_digest
from swarm.storage.port import Store
from swarm.workloads.spec import MAX_SPEC_BYTES
from verifier.finding import Finding

_MAX_EVIDENCE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison; empty where it is not known."""

    leaf: str = ""
    digest: str = ""
    output_cid: str = ""

    def content(self) -> dict[str, str]:
        return {"leaf": self.leaf, "digest": self.digest, "output_cid": self.output_cid}


def claimed_side(store: Store, job: Job, segment: int) -> Side:
    """What the seller committed to, or nothing where the result cannot be read as it was committed."""
    try:
        manifest = read_manifest(store, job)
    except (NotFound, IntegrityError):
        return Side()
    claim = manifest.segments[segment]
    return Side(leaves_of(manifest)[segment].hex(), claim.digest.hex(), claim.output_cid)


def recomputed_side(finding: Finding) -> Side:
    """Our own leaf; in the classes that are judged by a word there is none to compare."""
    if finding.opening is None:
        return Side()
    opening = finding.opening
    digest = commitment.segment_digest(opening.trace_root, opening.output_hash)
    return Side(finding.verdict.hex(), digest.hex(), cid_from_digest(opening.output_cid, DAG_PB))


def evidence_of(store: Store, finding: Finding) -> dict:
    """The finding's evidence, which the replay has put into the store."""
    return json.loads(store.read(cid_from_digest(finding.evidence_cid, RAW), limit=_MAX_EVIDENCE_BYTES))


def write_bundle(store: Store, job: Job, finding: Finding, workspace: Path, target: Path) -> None:
    """Writes the bundle into the new directory `target`; `workspace` is where the re-execution left its outputs."""
    target.mkdir(parents=True)
    _write(target / "evidence.json", evidence_of(store, finding))
    (target / "spec.json").write_bytes(store.read(spec_cid(job.spec_cid), limit=MAX_SPEC_BYTES))
    if finding.segment != UNDELIVERED:
        _write(target / "claimed.json", claimed_side(store, job, finding.segment).content())
    if finding.opening is not None:
        ours = recomputed_side(finding).content() | {"trace_root": finding.opening.trace_root.hex()}
        _write(target / "recomputed.json", ours)
    traces = sorted((workspace / "outputs" / "traces").glob("*.bin"))
    if finding.wall_seconds and traces:
        shutil.copyfile(traces[-1], target / "trace.bin")


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
