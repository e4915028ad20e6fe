# SPDX-License-Identifier: Apache-2.0
"""Hands a part of a job back: its whole segments are submitted, the rest opens to another seller.

Before the part is sent the journal says so. A worker that is killed right after it was mined finds that note, and with
it what the chain made of it: otherwise it would take the rest, which somebody else was asked to do.
"""

from __future__ import annotations

from dataclasses import replace

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted, SwarmError, TransientError, UsageError
from swarm.execution.results import Published
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol.types import Digest, Job, JobId
from swarm.seller.board import Board
from swarm.seller.control import Control
from swarm.seller.runs import KIND, Runs
from swarm.seller.view import Step, Work

log = Log("swarm.worker")


class HandBacks:
    """One worker's way of handing jobs back, and of answering who asked for it."""

    def __init__(
        self, *, chain: Chain, account: LocalAccount, journal: Journal, runs: Runs, control: Control, board: Board
    ) -> None:
        self._chain, self._account, self._journal = chain, account, journal
        self._runs, self._control, self._board = runs, control, board

    def may(self) -> bool:
        """Whether the running job's terms let it be handed back; otherwise nothing is interrupted for it."""
        job = self._runs.job
        return job is not None and job.terms.parts > 1 and self._runs.checkpoints(job).count() > 0

    def make(self, job: Job) -> None:
        """Publishes what is done and sends it. Raises TransientError; a refusal is answered."""
        try:
            if job.terms.parts < 2:
                raise UsageError(f"the terms of job {job.job_id} allow one part only, so it cannot be handed back")
            published, done, last = self._runs.publish_part(job)
            part = published.result_cid, published.segment_root, done
            note = Work(job.job_id, Step.HANDING_BACK, published.result_cid.hex(), published.segment_root.hex())
            self._runs.write(note)
            rest, _ = self._chain.escrow.hand_back(self._account, job, part, last)
        except TransientError:
            raise
        except SwarmError as error:
            if isinstance(error, Reverted) and reverts.is_refusal(error, "StaleJob", "WrongStatus"):
                raise TransientError(f"job {job.job_id} has moved: {error}") from error  # the next look tells
            self.answer(False, str(error))
            return
        self._happened(job, note, rest, done)

    def complete(self, job: Job) -> None:
        """Notes a hand-back that had arrived before the journal could say so; nothing where none was on its way."""
        entry = self._journal.get(KIND, str(job.job_id)) or {}
        if entry.get("step") != Step.HANDING_BACK:
            return
        note = Work(**(entry | {"step": Step.HANDING_BACK}))
        first_block = self._chain.network.deployment_block
        found = self._chain.escrow.events("JobHandedBack", job.job_id, from_block=first_block)
        if job.result_cid.hex() == note.result_cid and found:
            self._happened(job, note, JobId(found[-1]["args"]["rest"]), job.segments)
        else:  # somebody ended the job first
            self._runs.write(replace(note, step=Step.ACCEPTED))

    def answer(self, is_done: bool, text: str, **facts: int) -> None:
        """Tells whoever asked."""
        request = self._control.hand_back_request()
        self._board.changed(hand_back={"request": request, "done": is_done, "text": text, **facts})
        self._control.answered_hand_back()
        if not is_done:
            log.warning("not_handed_back", reason=text)

    def _happened(self, job: Job, note: Work, rest: JobId, done: int) -> None:
        with self._journal.together():
            self._runs.handed_back(job, rest, Published(*map(_digest, (note.result_cid, note.segment_root))))
        log.info("job_handed_back", job_id=job.job_id, segments_done=done, rest=rest)
        self.answer(True, f"{done} segments are submitted", job=job.job_id, rest=rest)


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))
