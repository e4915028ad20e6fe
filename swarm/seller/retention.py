# SPDX-License-Identifier: Apache-2.0
"""How long a published result is held: until the chain says final of its job, and of a rest that starts from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from swarm.errors import SwarmError
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol.types import JobId
from swarm.storage.delivery import Receipt
from swarm.storage.port import Store

log = Log("swarm.worker")
_KIND = "held"
COLLECT_SECONDS, RENEW_SECONDS = 3600.0, 6 * 3600.0
_RETRY_SECONDS = 600.0
_RENEWAL_SECONDS = 60.0  # the worker's loop waits for it


class Deliverer(Protocol):
    """What a worker needs of `swarm.storage.delivery.Delivery`."""

    def deliver(self, cid: str, *, seconds: float) -> Receipt: ...

    def withdraw(self, cid: str) -> None: ...


class Retention:
    """The results that this home holds, in its journal; what nobody waits for any more is dropped and collected."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        delivery: Deliverer | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal, self._store, self._delivery, self._clock = journal, store, delivery, clock
        self._collect_at = clock() + COLLECT_SECONDS
        self._retry_at: dict[str, float] = {}
        self._renew_at: dict[str, float] = {}

    def hold(self, job_id: JobId, cid: str, *, also: Sequence[JobId] = ()) -> None:
        """Written before the CID goes on chain. `also` are jobs that start from this result."""
        entry = self._journal.get(_KIND, str(job_id)) or {"cids": [], "jobs": []}
        cids = list(dict.fromkeys([*entry["cids"], cid]))
        jobs = sorted({*entry["jobs"], int(job_id), *(int(each) for each in also)})
        self._journal.put(_KIND, str(job_id), {"cids": cids, "jobs": jobs})

    def sweep(self, final: Collection[JobId]) -> None:
        """Drops what only jobs in `final` needed, proves the others anew now and then; once an hour collects."""
        for key, entry in self._journal.items(_KIND):
            if not all(JobId(each) in final for each in entry["jobs"]):
                self._renew(key, entry["cids"])
            elif self._clock() >= self._retry_at.get(key, 0.0):
                self._drop(key, entry["cids"])
        if self._clock() >= self._collect_at:
            self._collect_at = self._clock() + COLLECT_SECONDS
            self._collect()

    def _renew(self, key: str, cids: Sequence[str]) -> None:
        """A holder may lose, drop or let expire what it held: then the result goes out again, before a judge asks."""
        due = self._renew_at.setdefault(key, self._clock() + RENEW_SECONDS)
        if self._delivery is None or self._clock() < due:
            return
        self._renew_at[key] = self._clock() + RENEW_SECONDS
        try:
            for cid in cids:
                self._delivery.deliver(cid, seconds=_RENEWAL_SECONDS)
        except SwarmError as error:
            self._renew_at[key] = self._clock() + _RETRY_SECONDS
            log.warning("result_not_retrievable", job_id=int(key), reason=str(error))

    def _drop(self, key: str, cids: Sequence[str]) -> None:
        try:
            for cid in cids:
                if self._delivery:
                    self._delivery.withdraw(cid)
                self._store.unpin(cid)
        except SwarmError as error:
            # Holding too long costs some disk: it is tried again later, and said once an attempt.
            self._retry_at[key] = self._clock() + _RETRY_SECONDS
            log.warning("result_not_dropped", job_id=int(key), reason=str(error))
            return
        self._retry_at.pop(key, None)
        self._renew_at.pop(key, None)
        self._journal.delete(_KIND, key)
        log.info("result_dropped", job_id=int(key))

    def _collect(self) -> None:
        try:
            freed = self._store.collect()
        except SwarmError as error:
            log.warning("store_not_collected", reason=str(error))
            return
        if freed:
            log.info("store_collected", bytes=freed)
