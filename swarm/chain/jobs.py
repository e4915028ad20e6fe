# SPDX-License-Identifier: Apache-2.0
"""The jobs of an escrow, folded from its events and proved by the hashes it stores."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from eth_abi import encode
from eth_utils import keccak

from swarm.chain.client import ChainClient
from swarm.errors import NotFound, TransientError
from swarm.protocol import history
from swarm.protocol.types import Digest, Job, JobId, Terms

_TERMS = "(bytes32,bytes32,uint96,uint96,uint24,uint16,uint16,uint24,uint24,uint24,uint16,uint8,uint8,uint16,address)"
_SHALLOW_BLOCKS = 64  # how deep a chain may go back before everything is read anew
_ALONG = 100  # jobs whose state is asked for with one request
_JOB = "(bytes32,address,uint8,bool,uint16,uint40,uint40,uint96,address,uint96,uint96,uint16,uint32,bytes32,bytes32)"


def terms_hash(terms: Terms) -> Digest:
    """keccak256(abi.encode(terms)), as the escrow computes it."""
    return Digest(keccak(encode([_TERMS], [terms.values()])))


def state_hash(job: Job) -> Digest:
    """keccak256(abi.encode(job)): what `stateOf` must hold."""
    return Digest(keccak(encode([_JOB], [job.state()])))


class JobBook:
    """Follows the escrow's events from its deployment on. What it returns has been proved against the chain's state.

    What does not prove is folded again from some blocks back, and where a chain goes back further, from the beginning.
    """

    def __init__(self, client: ChainClient, contract: Any, first_block: int) -> None:
        self._client, self._contract, self._first_block = client, contract, first_block
        self._jobs: dict[JobId, Job] = {}
        # The next block to read and the jobs before it, far enough back to stay, and as of the last reading.
        self._settled: tuple[int, dict[JobId, Job]] = (first_block, {})
        self._read = self._settled
        self._reading = threading.Lock()

    def job(self, job_id: JobId) -> Job:
        """The present state. Raises NotFound, and TransientError while an endpoint's answers disagree."""
        stored = self._stored(job_id)
        if stored == bytes(32) and self._client.is_looking:
            # Who looks asks for what the count says is there: a node that mines meanwhile mixes two blocks.
            raise TransientError(f"{self._client.endpoints.name} counts job {job_id} and does not have it yet")
        if stored == bytes(32):
            raise NotFound(f"there is no job {job_id}", hint="swarm job list shows them")
        job = self._jobs.get(job_id)
        if job is None or state_hash(job) != stored:
            job = self._read_on(job_id, stored)
        return job

    def _read_on(self, job_id: JobId, stored: bytes) -> Job:
        with self._reading:
            latest = self._client.block_number()
            # The chain went back, or the endpoint lags behind itself: it is read again, from further back each time.
            for first, jobs in [*self._begins(latest), (self._first_block, {})]:
                self._read_events(first, jobs, latest)
                if self._is_proved(job_id, stored):
                    return self._jobs[job_id]
            if not self._is_proved(job_id, self._stored(job_id)):
                raise TransientError(
                    f"{self._client.endpoints.name} gives events of job {job_id} that are not its state"
                )
            return self._jobs[job_id]

    def _begins(self, latest: int) -> list[tuple[int, dict[JobId, Job]]]:
        """Where to read on: after the last block that was read, or after the last that hardly any reorganisation
        reaches. The latter moves on only when it is read from."""
        is_near = self._read[0] > latest - _SHALLOW_BLOCKS and self._settled[0] > latest - 2 * _SHALLOW_BLOCKS
        return [self._read, self._settled] if is_near else [self._settled]

    def _read_events(self, first: int, jobs: dict[JobId, Job], latest: int) -> None:
        """Folds the events of the blocks from `first` on over the jobs before it."""
        jobs, deep = dict(jobs), latest - _SHALLOW_BLOCKS
        is_settled = deep < first
        for event in self._client.all_logs(self._contract, first, latest):
            if not is_settled and event["blockNumber"] > deep:
                self._settled, is_settled = (deep + 1, dict(jobs)), True
            _fold(jobs, event["event"], event["args"])
        if not is_settled:
            self._settled = (deep + 1, dict(jobs))
        self._jobs, self._read = jobs, (latest + 1, jobs)

    def _is_proved(self, job_id: JobId, stored: bytes) -> bool:
        job = self._jobs.get(job_id)
        return job is not None and state_hash(job) == stored

    def _stored(self, job_id: JobId) -> bytes:
        """What the chain holds of a job. Whoever asks for one asks for those after it next: they come along."""
        state_of = self._contract.functions.stateOf
        following = (JobId(each) for each in range(job_id + 1, job_id + _ALONG))
        live = (each for each in following if each in self._jobs and not self._jobs[each].status.is_final)
        self._client.prefetch(state_of(each) for each in itertools.chain([job_id], live))
        return self._client.call(state_of(job_id))


def _fold(jobs: dict[JobId, Job], event: str, arguments: Any) -> None:
    job_id = arguments.get("jobId")
    if event == "JobPosted":
        job = history.posted(Digest(bytes(32)), arguments)
        jobs[job_id] = history.posted(terms_hash(job.terms), arguments)
    elif job_id in jobs:
        jobs[job_id] = history.apply(jobs[job_id], event, arguments)
