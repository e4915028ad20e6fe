# SPDX-License-Identifier: Apache-2.0
"""The judge's service: observes the chain, plans, acts. Its journal keeps findings and salts."""

from __future__ import annotations

import secrets

from eth_account.signers.local import LocalAccount

from swarm.chain import reverts
from swarm.chain.network import Chain
from swarm.errors import Reverted, TransientError
from swarm.journal import Journal
from swarm.log import Log
from swarm.protocol import commitment
from swarm.protocol.types import Address, Amount, BallotStatus, CaseStatus, SlotId
from verifier import plan
from verifier.actions import Common
from verifier.fallback import Fallback
from verifier.fees import Fees
from verifier.observer import Observer, epoch_of
from verifier.queue import Watch
from verifier.replay import Replayer
from verifier.replays import FAILED, FINDING, Replays, name_of
from verifier.view import Key, Observed, View

log = Log("verifier")
SEAL = "seal"
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
    "NothingEarned",
)


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
        collect_above: Amount | None = None,
    ) -> None:
        self._chain, self._journal, self._account = chain, journal, account
        self._address = Address(account.address)
        self._fallback = Fallback(chain, journal, account)
        self._observer = Observer(chain, self._address, self._fallback.outage)
        self._reveal_seconds = chain.ballots.reveal_seconds()
        self._replays = Replays(replayer, journal, lambda: self._now)
        self._fees = Fees(chain, collect_above)
        self._drawn_in_vain: dict[Key, int] = {}
        self._refused: dict[plan.Move, int] = {}
        self._ticks = self._now = 0
        self._ends = 0  # replays whose end was noticed
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
            elif isinstance(action, Common):
                self._observer.window.lost(is_paid=error.is_mined)
                name, job_id = type(action).__name__, action.item.job.job_id
                log.info("race_lost", action=name, job_id=job_id, gas_paid=error.is_mined)
            return plan.Rest(str(error))
        self._refused.pop(plan.move_of(action), None)
        if isinstance(action, Common):
            self._observer.window.won()
        return action

    def has_news(self) -> bool:
        """Whether a replay has ended since this was last asked: called several times a second, reads no chain."""
        ends, self._ends = self._ends, self._replays.ends
        return self._ends != ends

    def _waiting(self, error: TransientError) -> plan.Rest:
        rest = plan.Rest(str(error))
        # An outage lasts: it is told once, not at every look.
        if rest.reason != self._last_rest:
            log.warning("waiting", reason=rest.reason)
        self._last_rest = rest.reason
        return rest

    def stop(self) -> None:
        """Ends a running replay; it is run again after a restart."""
        self._replays.stop()

    def observe(self) -> View:
        with self._chain.client.snapshot() as now:
            return self._observed(now)

    def _observed(self, now: int) -> View:
        self._now = now
        mine = self._observer.my_slots()
        observed = self._observer.observed(now)
        wanted = any(item.case.status is CaseStatus.JUDGING and not item.case.judge for item in observed)
        # A replay that ends now writes its finding first: `replaying` is read before the journal.
        replaying = self._replays.running
        return View(
            now=now,
            mine=mine,
            observed=observed,
            replayed=self._replays.keys(FINDING),
            failed=self._replays.keys(FAILED),
            sealed=self._replays.keys(SEAL),
            replaying=replaying,
            reveal_seconds=self._reveal_seconds,
            postponed=dict(self._replays.postponed),
            drawn_in_vain=self._drawn_in_vain,
            refused=self._refused,
            hands=self._observer.my_hands() if wanted else (),
            turn_seconds=self._observer.turn,
            seed_order=self._observer.seed_order,
            cost_per_second=self._cost_per_second,
            uncollected=self._fees.due(now, mine),
        )

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
                self._replays.start(item)
            case plan.BringSeed(item):
                self._bring_seed(item)
            case plan.MakeSeed(item, step):
                self._fallback.act(item.outage, step)
            case plan.Collect(slot_id):
                self._collect(slot_id)
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
        finding = self._replays.finding(item.key)
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

    def _collect(self, slot_id: SlotId) -> None:
        earned = self._chain.bench.bond(slot_id).earned
        try:
            self._chain.bench.collect(self._account, slot_id)
        except Reverted:  # somebody else did it
            self._fees.collected(slot_id)
            raise
        self._fees.collected(slot_id)
        log.info("fees_collected", slot=slot_id, amount=earned)

    def _seal(self, item: Observed, seat: int) -> None:
        job_id, round_ = item.key
        finding = self._replays.finding(item.key)
        entry = self._journal.get(SEAL, name_of(item.key)) or {"salt": secrets.token_hex(32)}
        # The salt is on disk before the seal is on chain: a seal nobody can open would cost a fee.
        self._journal.put(SEAL, name_of(item.key), entry)
        salt = bytes.fromhex(entry["salt"])
        sealed = commitment.seal(job_id, round_, self._address, finding.verdict, finding.evidence_cid, salt)
        self._chain.ballots.seal(self._account, item.job, round_, seat, sealed, draws=item.undrawn)
        log.info("sealed", job_id=job_id, round=round_, segment=finding.segment)

    def _reveal(self, item: Observed, seat: int) -> None:
        job_id, round_ = item.key
        finding = self._replays.finding(item.key)
        salt = bytes.fromhex((self._journal.get(SEAL, name_of(item.key)) or {})["salt"])
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
