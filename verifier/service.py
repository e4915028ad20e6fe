# SPDX-License-Identifier: Apache-2.0
"""The judge's service: observes the chain, plans, acts. Its journal keeps findings and salts."""

from __future__ import annotations

import hashlib
import secrets
import threading

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted, SwarmError, TransientError
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol import commitment, draw
from swarm.protocol.types import (
    Address,
    CaseStatus,
    Epoch,
    Job,
    JobId,
    JobStatus,
    Slot,
)
from verifier import plan
from verifier.replay import Finding, Replayer

log = Log("verifier")
FINDING, SEAL, FAILED = "finding", "seal", "failed"
# Somebody else was faster: what we wanted is done.
_DONE_BY_OTHERS = (
    "WrongStatus",
    "WrongCaseStatus",
    "SeedAlreadyKnown",
    "CaseAlreadyOpen",
    "AlreadySealed",
    "AlreadyRevealed",
    "DeadlineRunning",
    "SeedNotKnown",
    "NotDrawn",
)
_TURN_SECONDS = 2


class Judge:
    """One operator's service; it may serve several slots."""

    def __init__(
        self, *, chain: Chain, replayer: Replayer, journal: Journal, account: LocalAccount, turns: int = 4
    ) -> None:
        self._chain, self._replayer, self._journal, self._account = chain, replayer, journal, account
        self._address = Address(account.address)
        self._turns = turns
        self._slots: list[Slot] = []
        self._reveal_seconds = chain.court.reveal_seconds()
        self._final: set[JobId] = set()
        self._thread: threading.Thread | None = None
        self._replaying: tuple[JobId, int] | None = None
        self._stop = threading.Event()
        self._last_rest = ""

    # loop

    def tick(self) -> plan.Action:
        """Observes, plans and acts once. Transient faults are logged: the next tick tries again."""
        try:
            action = plan.decide(self.observe())
            self._act(action)
            return action
        except TransientError as error:
            log.warning("waiting", reason=str(error))
            return plan.Rest(str(error))
        except Reverted as error:
            if not reverts.is_refusal(error, *_DONE_BY_OTHERS):
                log.error("refused", reason=str(error))
            return plan.Rest(str(error))

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def observe(self) -> plan.View:
        now = self._chain.client.now()
        # A slot's operator never changes: only new slots are read.
        self._slots += self._chain.court.slots(after=len(self._slots))
        return plan.View(
            now=now,
            mine=frozenset(slot.slot_id for slot in self._slots if slot.operator == self._address),
            observed=[self._observe_job(job, now) for job in self._pending_jobs()],
            replayed=self._keys(FINDING),
            failed=self._keys(FAILED),
            sealed=self._keys(SEAL),
            replaying=self._replaying,
            reveal_seconds=self._reveal_seconds,
            turn_seconds=self._turn,
        )

    def _pending_jobs(self) -> list[Job]:
        escrow = self._chain.escrow
        pending = []
        for number in range(1, escrow.job_count() + 1):
            if JobId(number) in self._final:
                continue
            job = escrow.job(JobId(number))
            if job.status.is_final:
                self._final.add(job.job_id)
            elif job.status in (JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED):
                pending.append(job)
        return pending

    def _observe_job(self, job: Job, now: int) -> plan.Observed:
        beacon = self._chain.beacon
        case = self._chain.court.case(job.job_id)
        epoch = case.epoch if case.status is CaseStatus.DENIED else job.epoch
        seed = beacon.seed_of(epoch)
        drawn = seed is not None and draw.is_drawn(seed, job.job_id, job.segment_root, job.audit_bps)
        return plan.Observed(
            job=job,
            case=case,
            # Each judge waits for its turn: the first to bring a seed pays the gas, the others find it there.
            seed_due=seed is None and now >= beacon.time_of(epoch) + self._turn(job.job_id),
            seed_known=seed is not None,
            drawn=drawn and job.status is JobStatus.SUBMITTED,
            seats=tuple(self._chain.court.seat(job.job_id, slot_id) for slot_id in case.committee),
        )

    def _turn(self, job_id: JobId) -> int:
        mixed = hashlib.sha256(f"{self._address}-{job_id}".encode()).digest()
        return mixed[0] % self._turns * _TURN_SECONDS

    def _keys(self, kind: str) -> frozenset[tuple[JobId, int]]:
        pairs = (key.split("-") for key, _ in self._journal.items(kind))
        return frozenset((JobId(int(job)), int(round_)) for job, round_ in pairs)

    # actions

    def _act(self, action: plan.Action) -> None:
        court, escrow = self._chain.court, self._chain.escrow
        match action:
            case plan.Reveal(item):
                self._reveal(item)
            case plan.Seal(item):
                self._seal(item)
            case plan.Verdict(item):
                self._verdict(item)
            case plan.Replay(item):
                self._start_replay(item)
            case plan.BringSeed(item):
                self._bring_seed(item)
            case plan.OpenAudit(item):
                escrow.open_audit(self._account, item.job.job_id)
                log.info("audit_opened", job_id=item.job.job_id)
            case plan.DrawCommittee(item):
                court.draw_committee(self._account, item.job.job_id)
                log.info("committee_drawn", job_id=item.job.job_id)
            case plan.Tally(item):
                court.tally(self._account, item.job.job_id)
                log.info("tallied", job_id=item.job.job_id)
            case plan.ReplaceJudge(item):
                court.replace_judge(self._account, item.job.job_id)
                log.info("judge_replaced", job_id=item.job.job_id, late=item.case.judge)
            case plan.Rest(reason):
                if reason != self._last_rest:
                    log.info("resting", reason=reason)
        self._last_rest = action.reason if isinstance(action, plan.Rest) else ""

    def _bring_seed(self, item: plan.Observed) -> None:
        epoch: Epoch = item.case.epoch if item.case.status is CaseStatus.DENIED else item.job.epoch
        signature = self._chain.drand.signature(self._chain.beacon.round_of(epoch))
        self._chain.beacon.submit(self._account, epoch, signature)
        log.info("seed_stored", epoch=epoch)

    def _verdict(self, item: plan.Observed) -> None:
        finding = self._finding(plan.key(item))
        job_id = item.job.job_id
        if finding.matches:
            self._chain.court.confirm(self._account, job_id, finding.opening, finding.proof)
            log.info("confirmed", job_id=job_id, segment=finding.segment)
        else:
            self._chain.court.deny(self._account, job_id, finding.leaf, finding.evidence_cid)
            log.warning("denied", job_id=job_id, segment=finding.segment, evidence=finding.evidence_cid)

    def _seal(self, item: plan.Observed) -> None:
        job_id, round_ = plan.key(item)
        finding = self._finding((job_id, round_))
        entry = self._journal.get(SEAL, plan.salt_key(job_id, round_)) or {"salt": secrets.token_hex(32)}
        # The salt is on disk before the seal is on chain: a seal nobody can open would cost a fee.
        self._journal.put(SEAL, plan.salt_key(job_id, round_), entry)
        salt = bytes.fromhex(entry["salt"])
        sealed = commitment.seal(job_id, round_, self._address, finding.leaf, finding.evidence_cid, salt)
        self._chain.court.seal(self._account, job_id, sealed)
        log.info("sealed", job_id=job_id, segment=finding.segment)

    def _reveal(self, item: plan.Observed) -> None:
        job_id, round_ = plan.key(item)
        finding = self._finding((job_id, round_))
        entry = self._journal.get(SEAL, plan.salt_key(job_id, round_))
        salt = bytes.fromhex((entry or {})["salt"])
        court = self._chain.court
        court.reveal(self._account, job_id, finding.opening, finding.evidence_cid, salt, finding.proof)
        log.info("revealed", job_id=job_id, matches=finding.matches)

    def _finding(self, key: tuple[JobId, int]) -> Finding:
        entry = self._journal.get(FINDING, plan.salt_key(*key))
        if entry is None:
            raise TransientError(f"the finding of job {key[0]} is not in the journal yet")
        return Finding.from_json(entry)

    def _start_replay(self, item: plan.Observed) -> None:
        self._replaying = plan.key(item)
        self._thread = threading.Thread(target=self._replay, args=(item,), name=f"replay-{item.job.job_id}")
        self._thread.start()

    def _replay(self, item: plan.Observed) -> None:
        job, case, key = item.job, item.case, plan.key(item)
        name = plan.salt_key(*key)
        log.info("replay_started", job_id=job.job_id, segment=case.segment, deadline=case.deadline)
        try:
            left = case.deadline - self._chain.client.now()
            finding = self._replayer.replay(
                job,
                case.segment,
                wall_seconds=max(1, left),
                is_patient=left > 2 * job.segment_seconds,
                stop=self._stop,
            )
            self._journal.put(FINDING, name, finding.to_json())
            log.info(
                "replay_finished",
                job_id=job.job_id,
                segment=case.segment,
                matches=finding.matches,
                wall_seconds=round(finding.wall_seconds, 1),
                cpu_seconds=round(finding.cpu_seconds, 1),
            )
        except TransientError as error:
            log.warning("replay_interrupted", job_id=job.job_id, reason=str(error))
        except SwarmError as error:
            self._give_up(name, job.job_id, str(error))
        except Exception as error:
            # A thread's exception would vanish; the deadline then costs a fee, and the log must say why.
            self._give_up(name, job.job_id, repr(error))
        finally:
            self._replaying = None

    def _give_up(self, name: str, job_id: JobId, reason: str) -> None:
        if not self._stop.is_set():
            self._journal.put(FAILED, name, {"reason": reason[:500]})
            log.error("replay_failed", job_id=job_id, reason=reason[:500])
