# SPDX-License-Identifier: Apache-2.0
"""Looks at an open job before it is taken: spec, image, inputs, memory, disk, stake. Each refusal has its reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from swarm.chain.network import Chain
from swarm.disk import DiskFull, is_full
from swarm.errors import IntegrityError, JobFailed, NotFound, SwarmError, TransientError, UsageError, WrongBytes
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec
from swarm.execution.quota import Quota, cids_in, size_of
from swarm.log import Log
from swarm.protocol.hardware import class_number, needs_of
from swarm.protocol.types import ZERO_DIGEST, Address, Amount, Job
from swarm.seller.policy import Policy
from swarm.seller.view import Reason
from swarm.storage.cid import DAG_PB, cid_from_digest
from swarm.storage.port import Store
from swarm.workloads.fields import Spec
from swarm.workloads.spec import canonical_json

log = Log("swarm.worker")
MODEL = "model"  # the need of that name is held in memory as a whole


class Refused(UsageError):
    """This worker does not take the job, and why."""

    def __init__(self, reason: Reason, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Acceptance:
    """One worker's way of looking at jobs."""

    def __init__(
        self,
        *,
        chain: Chain,
        store: Store,
        cache: InputCache,
        quota: Quota,
        policy: Policy,
        memory_bytes: int,
        collateral: Amount,
        accepts_engine: Callable[[str], bool],
        computes: Callable[[str], bool],
        seller: Address,
    ) -> None:
        self._chain, self._store, self._cache, self._quota = chain, store, cache, quota
        self._policy, self._memory_bytes, self._collateral = policy, memory_bytes, collateral
        self._accepts_engine, self._computes, self._seller = accepts_engine, computes, seller

    def prepare(self, job: Job, in_use: Collection[str]) -> Amount:
        """Fetches what the job needs and returns the collateral to lock. Raises Refused, TransientError.

        Cached inputs that are not `in_use` may go to make room.
        """
        try:
            spec = read_spec(self._store, job.spec_cid)
            self._check_fits(job, spec)
            wanted = self._cids(job, spec)
            self._make_room(wanted | set(in_use))
            log.info("fetching_inputs", job_id=job.job_id, type=spec.type)
            inputs = self._cache.fetch(spec)
            if job.terms.input != ZERO_DIGEST:  # another seller's last output, which may be gone as well
                self._cache.entry(cid_from_digest(job.terms.input, DAG_PB), STATE_LIMITS)
            self._quota.used(wanted)
            self._check_memory(inputs)
        except (Refused, TransientError):
            raise
        except (NotFound, WrongBytes) as error:
            raise Refused(Reason.INPUTS, str(error)) from error
        except (UsageError, IntegrityError, JobFailed) as error:
            if is_full(error):
                raise DiskFull(self._cache.directory) from error
            raise Refused(Reason.SPEC, str(error)) from error
        self._make_room(wanted | set(in_use))
        return self._affordable_collateral(job)

    def cids_of(self, jobs: Iterable[Job]) -> frozenset[str]:
        """The inputs of jobs that are being worked on; none for a spec that cannot be read now."""
        found: set[str] = set()
        for job in jobs:
            try:
                found |= self._cids(job, read_spec(self._store, job.spec_cid))
            except SwarmError:
                continue
        return frozenset(found)

    def type_of(self, job: Job) -> str:
        """The type of a job that was taken here; its spec is in the store."""
        try:
            return read_spec(self._store, job.spec_cid).type
        except SwarmError:
            return "unknown"

    def _cids(self, job: Job, spec: Spec) -> set[str]:
        start = {cid_from_digest(job.terms.input, DAG_PB)} if job.terms.input != ZERO_DIGEST else set()
        return cids_in(canonical_json(spec)) | start

    def _check_fits(self, job: Job, spec: Spec) -> None:
        """The posted terms must say what the spec says, and this seller must be willing and able to run it."""
        end = job.terms.first_segment + job.segments
        if end != spec.segments or job.segment_seconds != spec.segment_seconds:
            raise Refused(Reason.SPEC, "the posted segments are not the spec's")
        if job.hardware_class != class_number(spec.hardware_class):
            raise Refused(Reason.SPEC, "the posted hardware class is not the spec's")
        if job.terms.comparison is not spec.verification.comparison:
            raise Refused(Reason.SPEC, "the posted way of comparing is not the spec's")
        if not self._computes(spec.hardware_class):
            words = f"class {spec.hardware_class} needs {needs_of(spec.hardware_class)}, which jobs here are not given"
            raise Refused(Reason.HARDWARE, words, hint="swarm doctor")
        if self._policy.types is not None and spec.type not in self._policy.types:
            raise Refused(Reason.TYPE, f"this worker takes no {spec.type} jobs")
        if not self._policy.wants(spec.engine) or not self._accepts_engine(spec.engine):
            raise Refused(Reason.IMAGE, f"this worker does not run engine {spec.engine}")

    def _make_room(self, wanted: Collection[str]) -> None:
        self._quota.trim(wanted)
        if not self._quota.has_room():
            raise Refused(Reason.DISK, "the worker's home has reached its disk limit", hint="raise --disk-gib")

    def _check_memory(self, inputs: Inputs) -> None:
        # A lower bound: what does not even hold the weights cannot train them.
        model_bytes = size_of(inputs.files[MODEL]) if MODEL in inputs.files else 0
        if model_bytes > self._memory_bytes:
            words = f"the model alone has {model_bytes} bytes, a job here gets {self._memory_bytes} of memory"
            raise Refused(Reason.MEMORY, words)

    def _affordable_collateral(self, job: Job) -> Amount:
        # The price may have risen by the time the acceptance is mined.
        least = self._chain.escrow.min_collateral_for(job.terms.max_price, job.segments)
        collateral = Amount(max(least, self._collateral))
        free = self._chain.vault.stake_of(self._seller).free
        if free < collateral:
            words = f"the job needs {collateral} of free stake, {free} is there"
            raise Refused(Reason.STAKE, words, hint="swarm stake deposit")
        return collateral
