# SPDX-License-Identifier: Apache-2.0
"""The judge's service: observes the chain, plans, acts. Its journal keeps findings and salts."""

from __future__ import annotations

import secrets
import threading

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted, SwarmError, TransientError
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol import commitment
from swarm.protocol.types import UNDELIVERED, Address, BallotStatus, CaseStatus, JobId
from verifier import plan
from verifier.fallback import Fallback
from verifier.finding import Finding
from verifier.observer import Observer, epoch_of
from verifier.queue import Watch
from verifier.replay import Replayer
from verifier.view import Key, Observed, View

log = Log("verifier")
FINDING, SEAL, FAILED = "finding", "seal", "failed"
# Somebody else was faster, or the state was read a block too early: what we wanted is done, or the next look tells.
_DONE_BY_OTHERS = (
    "StaleJob",
    "WrongStatus",
    "WrongCaseStatus",
    "WrongBallotStatus",
    "SeedAlreadyKnown",
    "FallbackSeedKnown",
    "CaseAlreadyOpen",
    "AlreadySealed",
    "AlreadyRevealed",
    "DeadlineRunning",
    "CaseDeadlineRunning",
    "SeedNotKnown",
    "AwaitingSeed",
    "NotDrawn",
    "NoVolunteerWanted",
    "SlotNotEligible",
)
_RETRY_SECONDS, _RETRY_SHARE = (
    60,
    20,
)  # an interrupted replay is tried again after a twentieth of its time, at most this


class Judge:
    """One operator's service; it may serve several slots."""

    def __init__(
        self,
        *,
        chain: Chain,
        replayer: Replayer,
        journal: Journal,
        account: LocalAccount,
        cost_per_second: float = 0.0,
    ) -> None:
        self._chain, self._replayer, self._journal, self._account = chain, replayer, journal, account
        self._address = Address(account.address)
        self._fallback = Fallback(chain, journal, account)
        self._observer = Observer(chain, self._address, self._fallback.outage)
        self._reveal_seconds = chain.ballots.reveal_seconds()
        self._postponed: dict[Key, int] = {}
        self._drawn_in_vain: dict[Key, int] = {}
        self._refused: dict[plan.Move, int] = {}
        self._ticks = self._now = 0
        self._thread: threading.Thread | None = None
        self._replaying: Key | None = None
        self._stop = threading.Event()
        self._last_rest = ""
        self._cost_per_second = cost_per_second
        self.watch = Watch()

    # loop

    def tick(self) -> plan.Action:
        """Observes, plans and acts once. Transient faults are logged: the next tick tries again."""
        try:
            view = self.observe()
            self.watch.look(view)
            action = plan.decide(view)
        except TransientError as error:
            return self._waiting(error)
        self._ticks += 1
        try:
            self._act(action)
        except TransientError as error:
            self._refused[plan.move_of(action)] = self._ticks
            return self._waiting(error)
        except Reverted as error:
            self._refused[plan.move_of(action)] = self._ticks
            if not reverts.is_refusal(error, *_DONE_BY_OTHERS):
                log.error("refused", reason=str(error))
            elif isinstance(action, plan.Common):
                self._observer.window.lost(is_paid=error.is_mined)
                name, job_id = type(action).__name__, action.item.job.job_id
                log.info("race_lost", action=name, job_id=job_id, gas_paid=error.is_mined)
            return plan.Rest(str(error))
        self._refused.pop(plan.move_of(action), None)
        if isinstance(action, plan.Common):
            self._observer.window.won()
        return action

    def _waiting(self, error: TransientError) -> plan.Rest:
        rest = plan.Rest(str(error))
        # An outage lasts: it is told once, not at every look.
        if rest.reason != self._last_rest:
            log.warning("waiting", reason=rest.reason)
        self._last_rest = rest.reason
        return rest

    def stop(self) -> None:
        """Ends a running replay; it is run again after a restart."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def observe(self) -> View:
        with self._chain.client.snapshot() as now:
            return self._observed(now)

    def _observed(self, now: int) -> View:
        self._now = now
        mine = self._observer.my_slots()
        observed = self._observer.observed(now)
        wanted = any(item.case.status is CaseStatus.JUDGING and not item.case.judge for item in observed)
        # A replay that ends now writes its finding first: `replaying` is read before the journal.
        replaying = self._replaying
        return View(
            now=now,
            mine=mine,
            observed=observed,
            replayed=self._keys(FINDING),
            failed=self._keys(FAILED),
            sealed=self._keys(SEAL),
            replaying=replaying,
            reveal_seconds=self._reveal_seconds,
            postponed=dict(self._postponed),
            drawn_in_vain=self._drawn_in_vain,
            refused=self._refused,
            hands=self._observer.my_hands() if wanted else (),
            turn_seconds=self._observer.turn,
            seed_order=self._observer.seed_order,
            cost_per_second=self._cost_per_second,
        )

    def _keys(self, kind: str) -> frozenset[Key]:
        pairs = (name.split("-") for name, _ in self._journal.items(kind))
        return frozenset((JobId(int(job)), int(round_)) for job, round_ in pairs)

    # actions

    def _act(self, action: plan.Action) -> None:
        match action:
            case plan.Reveal(item, seat):
                self._reveal(item, seat)
            case plan.Seal(item, seat):
                self._seal(item, seat)
            case plan.Verdict(item):
                self._verdict(item)
            case plan.Replay(item):
                self._start_replay(item)
            case plan.BringSeed(item):
                self._bring_seed(item)
            case plan.MakeSeed(item, step):
                self._fallback.act(item.outage, step)
            case plan.Rest(reason):
                if reason != self._last_rest:
                    log.info("resting", reason=reason)
            case _:
                self._move_on(action)
        self._last_rest = action.reason if isinstance(action, plan.Rest) else ""

    def _move_on(self, action: plan.Action) -> None:
        """What anyone may do to bring a case to its end."""
        chain, account, item = self._chain, self._account, action.item
        job, job_id = item.job, item.job.job_id
        match action:
            case plan.OpenAudit():
                chain.escrow.open_audit(account, job)
                log.info("audit_opened", job_id=job_id)
            case plan.DrawCommittee():
                self._draw_committee(item)
            case plan.Tally():
                chain.court.tally(account, job_id)
                log.info("tallied", job_id=job_id, round=item.case.round)
            case plan.Execute():
                chain.court.execute(account, job)
                log.info("ruling_executed", job_id=job_id, ruling=item.case.ruling.name.lower())
            case plan.ReplaceJudge():
                chain.court.replace_judge(account, job)
                log.info("judge_replaced", job_id=job_id, late=item.case.judge)
            case plan.Volunteer(_, slot_id):
                chain.court.volunteer(account, job, slot_id)
                log.info("volunteered", job_id=job_id, slot=slot_id)

    def _bring_seed(self, item: Observed) -> None:
        epoch = epoch_of(item.job, item.ballot)
        signature = self._chain.drand.signature(self._chain.beacon.round_of(epoch))
        self._chain.beacon.submit(self._account, epoch, signature)
        log.info("seed_stored", epoch=epoch)

    def _draw_committee(self, item: Observed) -> None:
        job_id, round_ = item.key
        self._chain.ballots.draw_committee(self._account, item.job, round_)
        ballot = self._chain.ballots.ballot(job_id, round_)
        if ballot.status is BallotStatus.DRAWING:
            self._drawn_in_vain[item.key] = self._now
        event = "committee_drawn" if ballot.status is BallotStatus.SEALING else "committee_incomplete"
        log.info(event, job_id=job_id, round=round_, size=ballot.size, seats=ballot.seats)

    def _verdict(self, item: Observed) -> None:
        finding = self._finding(item.key)
        facts = {"job_id": item.job.job_id, "segment": finding.segment}
        if finding.matches and finding.opening is not None:
            self._chain.court.confirm(self._account, item.job, finding.opening, finding.proof)
            self.watch.said["confirmed"] += 1
            log.info("confirmed", **facts)
        elif finding.matches:
            self._chain.court.vouch(self._account, item.job, finding.evidence_cid)
            log.info("vouched", **facts)
        else:
            self._chain.court.deny(self._account, item.job, finding.verdict, finding.evidence_cid)
            self.watch.said["denied"] += 1
            log.warning("denied", **facts, available=finding.opening is not None, evidence=finding.evidence_cid)

    def _seal(self, item: Observed, seat: int) -> None:
        job_id, round_ = item.key
        finding = self._finding(item.key)
        entry = self._journal.get(SEAL, _name(item.key)) or {"salt": secrets.token_hex(32)}
        # The salt is on disk before the seal is on chain: a seal nobody can open would cost a fee.
        self._journal.put(SEAL, _name(item.key), entry)
        salt = bytes.fromhex(entry["salt"])
        sealed = commitment.seal(job_id, round_, self._address, finding.verdict, finding.evidence_cid, salt)
        self._chain.ballots.seal(self._account, item.job, round_, seat, sealed, draws=item.undrawn)
        log.info("sealed", job_id=job_id, round=round_, segment=finding.segment)

    def _reveal(self, item: Observed, seat: int) -> None:
        job_id, round_ = item.key
        finding = self._finding(item.key)
        salt = bytes.fromhex((self._journal.get(SEAL, _name(item.key)) or {})["salt"])
        ballots, account, evidence = self._chain.ballots, self._account, finding.evidence_cid
        is_last = item.ballot.revealed_seats | 1 << seat == item.ballot.sealed_seats
        if finding.opening is None:
            said = (job_id, round_, seat, finding.verdict, evidence, salt)
            ballots.reveal_word(account, *said, tallies=is_last)
        else:
            said = (item.job, round_, seat, finding.opening, evidence, salt, finding.proof)
            ballots.reveal(account, *said, tallies=is_last)
        self.watch.said["voted_for" if finding.matches else "voted_against"] += 1
        log.info("revealed", job_id=job_id, round=round_, matches=finding.matches, tallied=is_last)

    def _finding(self, key: Key) -> Finding:
        entry = self._journal.get(FINDING, _name(key))
        if entry is None:
            raise TransientError(f"the finding of job {key[0]} is not in the journal yet")
        return Finding.from_json(entry)

    # re-execution, in a thread of its own

    def _start_replay(self, item: Observed) -> None:
        self._replaying = item.key
        self._thread = threading.Thread(target=self._replay, args=(item,), name=f"replay-{item.job.job_id}")
        self._thread.start()

    def _replay(self, item: Observed) -> None:
        job_id = item.job.job_id
        try:
            finding = self._found(item)
            self._journal.put(FINDING, _name(item.key), finding.to_json())
            log.info(
                "replay_finished",
                job_id=job_id,
                segment=finding.segment,
                matches=finding.matches,
                wall_seconds=round(finding.wall_seconds, 1),
                cpu_seconds=round(finding.cpu_seconds, 1),
            )
        except TransientError as error:
            self._postpone(item, str(error))
        except SwarmError as error:
            self._give_up(item, str(error))
        except Exception as error:
            # A thread's exception would vanish; the deadline then costs a fee, and the log must say why.
            self._give_up(item, repr(error))
        finally:
            self._replaying = None

    def _found(self, item: Observed) -> Finding:
        job, segment = item.job, item.segment
        log.info("replay_started", job_id=job.job_id, segment=segment, deadline=item.deadline)
        left = item.deadline - self._now
        is_patient = left > 2 * job.segment_seconds
        if segment == UNDELIVERED:
            return self._replayer.fetch(job, is_patient=is_patient, stop=self._stop)
        return self._replayer.replay(job, segment, wall_seconds=max(1, left), is_patient=is_patient, stop=self._stop)

    def _postpone(self, item: Observed, reason: str) -> None:
        """Something was not there yet: other cases come first for a while."""
        pause = min(_RETRY_SECONDS, (item.deadline - self._now) // _RETRY_SHARE)
        self._postponed[item.key] = self._now + max(1, pause)
        log.warning("replay_interrupted", job_id=item.job.job_id, reason=reason)

    def _give_up(self, item: Observed, reason: str) -> None:
        if not self._stop.is_set():
            self._journal.put(FAILED, _name(item.key), {"reason": reason[:500]})
            log.error("replay_failed", job_id=item.job.job_id, reason=reason[:500])


def _name(key: Key) -> str:
    """A key of the journal."""
    return f"{key[0]}-{key[1]}"
