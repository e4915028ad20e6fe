# SPDX-License-Identifier: Apache-2.0
"""Open jobs as one worker remembers them: which it does not take, and when its turn comes for the others."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted, SwarmError
from swarm.log import Log
from swarm.protocol.turns import Window
from swarm.protocol.types import ZERO_ADDRESS, Address, Amount, Job, JobId, JobStatus
from swarm.seller import offers
from swarm.seller.acceptance import Acceptance, Refused
from swarm.seller.view import Reason, View

log = Log("swarm.worker")
_LOOK_AGAIN_SECONDS = 60
_PASSING = (Reason.STAKE, Reason.JUDGES, Reason.INPUTS, Reason.DISK)
_REASONS = {"NotEnoughJudges": Reason.JUDGES, "InsufficientStake": Reason.STAKE}
_TAKEN = ("StaleJob", "WrongStatus")
_WAIT_SHARE = 4  # of the time that a job is still open, what may pass before this seller's turn


class Candidates:
    """What one seller knows of the jobs it may take; nothing of it outlives the process."""

    def __init__(self, chain: Chain, account: LocalAccount, seller: Address, acceptance: Acceptance) -> None:
        self._chain, self._account, self._seller, self._acceptance = chain, account, seller, acceptance
        self._refused: dict[JobId, tuple[float, Reason]] = {}
        self._since: dict[JobId, int] = {}  # when this seller could first have taken it
        self.window = Window()

    def refused(self, now: int) -> dict[JobId, Reason]:
        """Jobs that were looked at and are not taken at `now`."""
        return {job_id: why for job_id, (until, why) in self._refused.items() if now < until}

    def forget(self, job_id: JobId) -> None:
        self._refused.pop(job_id, None)

    def in_turn(self, view: View) -> View:
        """The view with every job refused whose turn has not come. A seller that is not free has no turn."""
        if offers.blocker(view):
            self._since.clear()
            return view
        wanted = [job for job in offers.open_jobs(view) if offers.refusal(view, job) is None]
        self._since = {job.job_id: self._since.get(job.job_id, view.now) for job in wanted}
        rivals = _free_rivals(view)
        early = {job.job_id: Reason.TURN for job in wanted if view.now < self._turn_of(job, rivals)}
        return replace(view, refused=view.refused | early)

    def take(self, job: Job, in_use: Collection[str]) -> Amount | None:
        """Accepts the job if this machine can do it; the collateral locked, or None. Raises TransientError.

        Cached inputs that are not `in_use` may go to make room.
        """
        try:
            collateral = self._acceptance.prepare(job, in_use)
            self._chain.escrow.accept(self._account, job, collateral, self._seller)
        except Refused as refused:
            self._refuse(job, refused.reason, refused)
        except Reverted as error:
            if reverts.is_refusal(error, *_TAKEN):
                self._lose(job, error)
            else:
                name = next((name for name in (*_REASONS, "NotAuthorised") if reverts.is_refusal(error, name)), "")
                self._refuse(job, _REASONS.get(name, Reason.REFUSED), error, is_passing=bool(name))
        else:
            self.window.won()
            return collateral
        return None

    def _turn_of(self, job: Job, rivals: int) -> int:
        """In chain time. A job for this seller alone does not wait, one that expires soon not long."""
        since = self._since[job.job_id]
        if job.terms.seller == self._seller:
            return since
        wait = self.window.wait_seconds(self._seller, str(job.job_id), rivals=rivals)
        return since + min(wait, max(0, job.deadline - since) // _WAIT_SHARE)

    def _lose(self, job: Job, error: Reverted) -> None:
        """Another seller was first. Where its transaction is never mined, the job is looked at again."""
        self.window.lost(is_paid=error.is_mined)
        self._refused[job.job_id] = self._chain.client.now() + _LOOK_AGAIN_SECONDS, Reason.REFUSED
        log.info("race_lost", job_id=job.job_id, gas_paid=error.is_mined, slots=self.window.slots)

    def _refuse(self, job: Job, reason: Reason, error: SwarmError, *, is_passing: bool = False) -> None:
        """Not taken: for good when the job is wrong, for a while when stake, judges or content may still come."""
        lasts = not is_passing and reason not in _PASSING
        until = math.inf if lasts else self._chain.client.now() + _LOOK_AGAIN_SECONDS
        if self._refused.get(job.job_id, (0, None))[1] is not reason:
            log.warning("job_refused", job_id=job.job_id, reason=str(error), kind=reason.name.lower())
        self._refused[job.job_id] = until, reason


def _free_rivals(view: View) -> int:
    """Sellers with jobs that are not final, except those at work: they can take one now."""
    taken = [job for job in view.jobs if job.status is not JobStatus.OPEN]
    at_work = {job.seller for job in taken if job.status is JobStatus.RUNNING}
    return len({job.seller for job in taken} - at_work - {view.seller, ZERO_ADDRESS})
