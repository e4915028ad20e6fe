# SPDX-License-Identifier: Apache-2.0
"""What a re-execution is made of: the inputs that a spec names, and what the seller published."""

from __future__ import annotations

from pathlib import Path

from swarm.errors import IntegrityError, NotFound, OtherVersion, SpecError, TransientError
from swarm.execution.inputs import STATE_LIMITS, InputCache, Inputs, read_spec
from swarm.execution.quota import Quota, cids_in
from swarm.protocol.types import Job
from swarm.storage.cid import DAG_PB, cid_from_digest
from swarm.storage.port import Store
from swarm.workloads.fields import Spec
from swarm.workloads.registry import workload_of
from swarm.workloads.spec import canonical_json
from verifier.question import NotThere
from verifier.workspaces import Workspaces


class Materials:
    """Inputs are kept for other cases, within the quota; what a seller published goes with its job's workspaces."""

    def __init__(self, store: Store, workspaces: Workspaces, quota: Quota) -> None:
        self._store, self._workspaces, self._quota = store, workspaces, quota
        self._cache = InputCache(store, workspaces.home / "cache")

    def inputs(self, job: Job) -> tuple[Spec, Inputs, Path | None]:
        """What the spec names, and the state of the first segment: there before a seller took the job, so it is no
        seller's fault when it is gone. Raises TransientError, NotThere where nobody can work on such a job."""
        try:
            spec = read_spec(self._store, job.spec_cid)
            start = cid_from_digest(job.terms.input, DAG_PB) if spec.is_chained and any(job.terms.input) else None
            wanted = cids_in(canonical_json(spec)) | ({start} if start else set())
            self._quota.trim(wanted)
            inputs = self._cache.fetch_unchecked(spec)
            first_state = self._cache.entry(start, STATE_LIMITS) if start else inputs.initial_state
            self._quota.used(wanted)
            self._quota.trim(wanted)
            _check(spec, inputs)
        except NotFound as error:
            raise TransientError(f"an input of job {job.job_id} is not there: {error}") from error
        except IntegrityError as error:  # of a gateway: what is named by content cannot be wrong
            raise TransientError(f"an input of job {job.job_id} arrived damaged: {error}") from error
        except OtherVersion:
            raise
        except SpecError as error:
            # No honest seller accepts it: it looks with this very code before it locks anything.
            raise NotThere(f"nobody can work on job {job.job_id}: {error}") from error
        return spec, inputs, first_state

    def output(self, job: Job, cid: str) -> Path:
        """A segment's output as the seller published it. Raises NotFound, IntegrityError."""
        return InputCache(self._store, self._workspaces.outputs_of(job)).entry(cid, STATE_LIMITS)


def _check(spec: Spec, inputs: Inputs) -> None:
    try:
        workload_of(spec).check_inputs(spec, inputs.files)
    except (IntegrityError, NotFound) as error:
        raise SpecError(str(error)) from error
