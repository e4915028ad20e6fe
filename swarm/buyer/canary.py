# SPDX-License-Identifier: Apache-2.0
"""Canaries: jobs whose result is false on purpose, to catch judges who vouch without looking.

A buyer needs a second account as the seller. The result is that of an earlier job of the same kind, so it costs no
work and looks real, under a spec with another seed, so every segment of it is false. Each leaf holds the mark instead
of the output's hash; a trace root of random bytes hides that, as it hides the hash of every honest segment that is
compared within bounds. Only LoRA jobs: an answer of the right model may be right under another seed too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.buyer.offer import Wishes, offer, post
from swarm.buyer.prepare import prepare
from swarm.chain.network import Chain
from swarm.errors import NotFound, UsageError
from swarm.execution.inputs import STATE_LIMITS, read_spec
from swarm.execution.results import Published, leaves_of, publish_outputs, read_manifest
from swarm.execution.results import output_cid as committed_cid
from swarm.protocol import commitment
from swarm.protocol.lifecycle.verdicts import CANARY
from swarm.protocol.types import Address, CaseStatus, Digest, Job, JobId, JobStatus, Opening
from swarm.storage.cid import digest_of
from swarm.storage.port import Store
from swarm.workloads.lora.spec import LoraSpec
from swarm.workloads.verification import Verification

_ENDED = (JobStatus.SETTLED, JobStatus.SLASHED, JobStatus.REFUNDED, JobStatus.VOID)


class Canaries:
    """A buyer's canaries, with what opens them in `home`/canaries."""

    def __init__(self, chain: Chain, store: Store, home: Path) -> None:
        self._chain, self._store, self._home = chain, store, home

    def release(self, buyer: LocalAccount, seller: LocalAccount, like: Job) -> JobId:
        """Posts a canary with the result of an earlier job, `like`, takes it as `seller` and submits it at once.

        Raises UsageError for a job that makes no canary or a seller that is the buyer, FundsError, NotFound, Reverted.
        """
        spec = self._another_spec(buyer, seller, like)
        prepared = prepare(spec, self._store, base=self._home, cache=self._home / "cache")
        fee_min = int(self._chain.network.parameters.get("fee_min", 0))
        wishes = Wishes(seller=Address(seller.address))
        job_id, _ = post(self._chain, buyer, offer(prepared.spec, prepared.spec_cid, fee_min=fee_min, wishes=wishes))
        escrow = self._chain.escrow
        job = escrow.job(job_id)
        collateral = escrow.min_collateral_for(job.terms.max_price, job.segments)
        escrow.accept(seller, job, collateral)
        published = self._published(job_id, like)
        escrow.submit(seller, escrow.job(job_id), published.result_cid, published.segment_root)
        return job_id

    def expose(self, buyer: LocalAccount, job_id: JobId) -> str:
        """Shows what a canary is, if a judge has answered; returns what came of it, in words.

        Raises NotFound for a job that is no canary of this home, UsageError where it cannot be shown (now or at all),
        Reverted.
        """
        roots = self._roots(job_id)
        job, case = self._chain.escrow.job(job_id), self._chain.court.case(job_id)
        if job.status in _ENDED:
            raise UsageError(f"job {job_id} is over: nothing is left to show", hint=f"swarm job show {job_id}")
        is_submitted = job.status is JobStatus.SUBMITTED
        has_denied = not is_submitted and case.status is CaseStatus.VOTING and case.answers_draw
        if not (has_denied or (is_submitted and job.audited)):
            raise UsageError(f"no judge has answered for job {job_id} yet", hint="swarm job watch follows it")
        manifest = read_manifest(self._store, job)
        output = digest_of(manifest.segments[case.segment].output_cid)
        opening = Opening(Digest(bytes.fromhex(roots[case.segment])), CANARY, output)
        proof = commitment.merkle_proof(leaves_of(manifest), case.segment)
        self._chain.court.expose_canary(buyer, job, opening, proof)
        if has_denied:
            return "the judge had seen that it is false, and has its fee"
        return "the judge had vouched for it, and has lost its bond's ten fees and its seat"

    def _another_spec(self, buyer: LocalAccount, seller: LocalAccount, like: Job) -> LoraSpec:
        if buyer.address == seller.address:
            raise UsageError("a canary needs another account as its seller", hint="--as NAME, with stake of its own")
        if like.buyer != buyer.address or not any(like.result_cid):
            raise UsageError(f"job {like.job_id} is no job of yours with a result")
        spec = read_spec(self._store, like.spec_cid)
        if not isinstance(spec, LoraSpec) or spec.verification is not Verification.TOLERANCE:
            raise UsageError(f"job {like.job_id} is no LoRA job that is compared within bounds", hint="class fp32")
        if like.segments != spec.segments:
            raise UsageError(f"job {like.job_id} is a part of its spec", hint="one that a single seller finished")
        training = spec.training.model_copy(update={"seed": secrets.randbelow(1 << 63)})
        return spec.model_copy(update={"training": training, "initial_state": None})

    def _published(self, job_id: JobId, like: Job) -> Published:
        """The earlier job's outputs under leaves of our own; what opens them is on the disk before they are sent."""
        manifest, work = read_manifest(self._store, like), self._home / "canaries" / f"{job_id}.work"
        shutil.rmtree(work, ignore_errors=True)
        outputs, openings = [], []
        for at in range(like.segments):
            cid = committed_cid(self._store, like, manifest, at)
            self._store.export(cid, work / str(at), limits=STATE_LIMITS)
            outputs.append(work / str(at))
            openings.append(Opening(Digest(secrets.token_bytes(32)), CANARY, digest_of(cid)))
        path = self._home / "canaries" / f"{job_id}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps([opening.trace_root.hex() for opening in openings]))
        os.replace(partial, path)
        published = publish_outputs(self._store, job_id, outputs, openings, work / "staging")
        shutil.rmtree(work)
        return published

    def _roots(self, job_id: JobId) -> list[str]:
        try:
            return json.loads((self._home / "canaries" / f"{job_id}.json").read_text())
        except OSError as error:
            raise NotFound(f"job {job_id} is no canary of this home", hint="swarm job canary makes one") from error
