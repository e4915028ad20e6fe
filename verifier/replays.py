# SPDX-License-Identifier: Apache-2.0
"""The re-executions of one judge: one at a time, in a thread of its own; what each found is in the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable

from swarm.disk import DiskFull, is_full
from swarm.errors import SwarmError, TransientError
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol.types import UNDELIVERED, JobId
from verifier.finding import Finding
from verifier.replay import Replayer
from verifier.view import Key, Observed

log = Log("verifier")
FINDING, FAILED = "finding", "failed"
# An interrupted replay is tried again after a twentieth of its time, at most this.
_RETRY_SECONDS, _RETRY_SHARE = 60, 20


class Replays:
    """`now` gives chain time as it was last looked at; `postponed` until when an interrupted replay waits."""

    def __init__(self, replayer: Replayer, journal: Journal, now: Callable[[], int]) -> None:
        self._replayer, self._journal, self._now = replayer, journal, now
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.running: Key | None = None
        self.postponed: dict[Key, int] = {}
        self.ends = 0  # replays that came to an end of their own, with a finding or without

    def start(self, item: Observed) -> None:
        self.running = item.key
        self._thread = threading.Thread(target=self._replay, args=(item,), name=f"replay-{item.job.job_id}")
        self._thread.start()

    def stop(self) -> None:
        """Ends a running one; it is run again after a restart."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def finding(self, key: Key) -> Finding:
        """Raises TransientError where the journal has none."""
        entry = self._journal.get(FINDING, name_of(key))
        if entry is None:
            raise TransientError(f"the finding of job {key[0]} is not in the journal yet")
        return Finding.from_json(entry)

    def keys(self, kind: str) -> frozenset[Key]:
        """The cases of which the journal has an entry of this kind."""
        pairs = (name.split("-") for name, _ in self._journal.items(kind))
        return frozenset((JobId(int(job)), int(round_)) for job, round_ in pairs)

    def _replay(self, item: Observed) -> None:
        job_id = item.job.job_id
        try:
            finding = self._found(item)
            self._journal.put(FINDING, name_of(item.key), finding.to_json())
            self.ends += 1
            log.info(
                "replay_finished",
                job_id=job_id,
                segment=finding.segment,
                matches=finding.matches,
                wall_seconds=round(finding.wall_seconds, 1),
                cpu_seconds=round(finding.cpu_seconds, 1),
            )
            self._replayer.workspaces.forget(item.job)
        except TransientError as error:
            self._postpone(item, str(error))
        except Exception as error:
            # A thread's exception would vanish; the deadline then costs a fee, and the log must say why.
            self._give_up(item, error)
        finally:
            self.running = None

    def _found(self, item: Observed) -> Finding:
        job, segment = item.job, item.segment
        log.info("replay_started", job_id=job.job_id, segment=segment, deadline=item.deadline)
        left = item.deadline - self._now()
        is_patient = left > 2 * job.segment_seconds
        if segment == UNDELIVERED:
            return self._replayer.fetch(job, is_patient=is_patient, stop=self._stop)
        return self._replayer.replay(job, segment, wall_seconds=max(1, left), is_patient=is_patient, stop=self._stop)

    def _postpone(self, item: Observed, reason: str) -> None:
        """Something was not there yet: other cases come first for a while."""
        pause = min(_RETRY_SECONDS, (item.deadline - self._now()) // _RETRY_SHARE)
        self.postponed[item.key] = self._now() + max(1, pause)
        log.warning("replay_interrupted", job_id=item.job.job_id, reason=reason)

    def _give_up(self, item: Observed, error: Exception) -> None:
        if self._stop.is_set():
            return
        try:
            if is_full(error):
                raise DiskFull(self._replayer.workspaces.home)
            self._replayer.workspaces.require_space()  # a program that found the disk full has not failed
            reason = str(error) if isinstance(error, SwarmError) else repr(error)
            self._journal.put(FAILED, name_of(item.key), {"reason": reason[:500]})
            self.ends += 1
            log.error("replay_failed", job_id=item.job.job_id, reason=reason[:500])
        except TransientError as full:
            self._postpone(item, str(full))


def name_of(key: Key) -> str:
    """A key of the journal."""
    return f"{key[0]}-{key[1]}"
