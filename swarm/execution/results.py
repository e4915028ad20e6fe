# SPDX-License-Identifier: Apache-2.0
"""Publishes a result, and reads one back as somebody who trusts nobody."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarm.errors import IntegrityError
from swarm.execution.inputs import result_cid
from swarm.execution.segments import Product, opening_of
from swarm.protocol import commitment
from swarm.protocol.types import Digest, Job, JobId, Opening
from swarm.storage.cid import DAG_PB, cid_from_digest, digest_of
from swarm.storage.port import Store
from swarm.workloads.result import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, SegmentClaim, segment_path


@dataclass(frozen=True, slots=True)
class Published:
    """What goes on chain."""

    result_cid: Digest
    segment_root: Digest


def publish(
    store: Store, job_id: JobId, products: Sequence[Product], staging: Path, *, is_exact: bool = True
) -> Published:
    """Commits to every product and adds the whole result to the store. `staging` is emptied and reused.

    A job may be a part of its spec: its own segments are numbered from 0. Where segments are not compared by their
    leaf (`is_exact` false) traces are published or easily guessed, so random bytes go into the leaf: without them
    anybody could tell a canary, whose leaf is another, without re-executing anything.
    """
    openings = [opening_of(store, product) for product in products]
    if not is_exact:
        openings = [replace(each, trace_root=salted(each.trace_root, secrets.token_bytes(32))) for each in openings]
    return publish_outputs(store, job_id, [product.output for product in products], openings, staging)


def salted(trace_root: Digest, salt: bytes) -> Digest:
    """A trace root that nobody else can compute."""
    return commitment.sha256(b"\x05", trace_root, salt)


def publish_outputs(
    store: Store, job_id: JobId, outputs: Sequence[Path], openings: Sequence[Opening], staging: Path
) -> Published:
    """Adds outputs to the store as a result whose leaves are opened by `openings`."""
    shutil.rmtree(staging, ignore_errors=True)
    claims = []
    for at, (output, opening) in enumerate(zip(outputs, openings, strict=True)):
        digest = commitment.segment_digest(opening.trace_root, opening.output_hash)
        claims.append(SegmentClaim(digest, cid_from_digest(opening.output_cid, DAG_PB)))
        shutil.copytree(output, staging / segment_path(at), copy_function=_link)
    manifest = Manifest(job_id, tuple(claims))
    (staging / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    cid = store.add(staging)
    for claim in claims:
        store.unpin(claim.output_cid)  # the result holds it from now on, and for as long as it is held itself
    shutil.rmtree(staging)
    return Published(digest_of(cid), commitment.merkle_root(leaves_of(manifest)))


def leaves_of(manifest: Manifest) -> list[Digest]:
    return manifest.leaves([digest_of(claim.output_cid) for claim in manifest.segments])


def read_manifest(store: Store, job: Job) -> Manifest:
    """The manifest of a submitted job, checked against the chain's commitment and the result's own links.

    Raises IntegrityError when the published result is not what was committed, NotFound when nobody has it.
    """
    root = result_cid(job.result_cid)
    data = store.read(store.resolve(root, MANIFEST_NAME), limit=MAX_MANIFEST_BYTES)
    manifest = Manifest.parse(data, job_id=job.job_id, segments=job.segments)
    if commitment.merkle_root(leaves_of(manifest)) != job.segment_root:
        raise IntegrityError(f"the manifest of job {job.job_id} does not lead to its committed root")
    return manifest


def output_cid(store: Store, job: Job, manifest: Manifest, index: int) -> str:
    """The CID of a segment's output. Raises IntegrityError when the result links another directory there."""
    claimed = manifest.segments[index].output_cid
    linked = store.resolve(result_cid(job.result_cid), segment_path(index))
    if linked != claimed:
        raise IntegrityError(f"job {job.job_id} delivers {linked} as segment {index} but committed to {claimed}")
    return claimed


def _link(source: str, target: str) -> str:
    """Links instead of copying where the system lets us: another user's files can only be copied."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
    return target
