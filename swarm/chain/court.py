# SPDX-License-Identifier: Apache-2.0
"""AuditCourt: the drawn judge, challenges, rulings. One method per transition."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount

from swarm.chain.client import ChainClient
from swarm.chain.token import Approval
from swarm.protocol.types import (
    Address,
    Amount,
    Case,
    CaseStatus,
    Comparison,
    Digest,
    Job,
    JobId,
    JobStatus,
    Opening,
    Ruling,
    SlotId,
)


class Court:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("AuditCourt", address)
        self._functions = self._contract.functions

    # the drawn judge

    # An answer to an audit that nobody has opened opens it in the same transaction.

    def confirm(self, account: LocalAccount, job: Job, opening: Opening, proof: Sequence[Digest]) -> dict:
        answer = ("confirm", job.job_id, job.under_audit.state(), opening.values(), list(proof))
        return self._answer(account, job, answer)

    def vouch(self, account: LocalAccount, job: Job, evidence_cid: Digest) -> dict:
        return self._answer(account, job, ("vouch", job.job_id, job.under_audit.state(), evidence_cid))

    def deny(self, account: LocalAccount, job: Job, verdict: Digest, evidence_cid: Digest) -> dict:
        return self._answer(account, job, ("deny", job.job_id, verdict, evidence_cid))

    def _answer(self, account: LocalAccount, job: Job, answer: tuple) -> dict:
        calls = [answer]
        if job.status is JobStatus.SUBMITTED:
            calls.insert(0, ("openAudit", job.job_id, job.state(), job.terms.values()))
        return self._client.send_all(self._contract, calls, account, is_contested=len(calls) > 1)

    def replace_judge(self, account: LocalAccount, job: Job) -> dict:
        call = self._functions.replaceJudge(job.job_id, job.state(), job.terms.values())
        return self._client.send(call, account, is_contested=True)

    def volunteer(self, account: LocalAccount, job: Job, slot_id: SlotId) -> dict:
        call = self._functions.volunteer(job.job_id, job.state(), job.terms.values(), slot_id)
        return self._client.send(call, account, is_contested=True)

    # challenge

    def challenge(self, account: LocalAccount, job: Job, segment: int, *, after: Approval | None = None) -> dict:
        """Forces a ballot on a segment, or on UNDELIVERED; the allowance for the bond must be there, or come with
        `after`."""
        call = self._functions.challenge(job.job_id, job.state(), job.terms.values(), segment)
        return self._client.send(call, account, after=after)

    def join_challenge(self, account: LocalAccount, job: Job, *, after: Approval | None = None) -> dict:
        return self._client.send(self._functions.joinChallenge(job.job_id, job.state()), account, after=after)

    # ruling

    def tally(self, account: LocalAccount, job_id: JobId) -> dict:
        return self._client.send(self._functions.tally(job_id), account, is_contested=True)

    def appeal(self, account: LocalAccount, job: Job, *, after: Approval | None = None) -> dict:
        """Takes the case to the next committee; the allowance for the bond must be there, or come with `after`."""
        return self._client.send(self._functions.appeal(job.job_id, job.state()), account, after=after)

    def execute(self, account: LocalAccount, job: Job) -> dict:
        return self._client.send(self._functions.execute(job.job_id, job.state()), account, is_contested=True)

    def expose_canary(self, account: LocalAccount, job: Job, opening: Opening, proof: Sequence[Digest]) -> dict:
        call = self._functions.exposeCanary(job.job_id, job.state(), opening.values(), list(proof))
        return self._client.send(call, account)

    # views

    def case(self, job_id: JobId) -> Case:
        (
            status, comparison, ruling, answers_draw, round_, first_round, ruled_round, instance, replacements, segment,
            deadline, judge, denied,
        ) = self._client.call(self._functions.caseOf(job_id))  # fmt: skip
        return Case(
            job_id=job_id,
            status=CaseStatus(status),
            comparison=Comparison(comparison),
            ruling=Ruling(ruling),
            answers_draw=answers_draw,
            round=round_,
            first_round=first_round,
            ruled_round=ruled_round,
            instance=instance,
            replacements=replacements,
            segment=segment,
            deadline=deadline,
            judge=SlotId(judge),
            denied=bytes(denied),
        )

    def judge_min_seconds(self) -> int:
        """The least a drawn judge is given."""
        return self._client.call(self._functions.parameters())[0]

    def judges_of(self, job_id: JobId) -> list[SlotId]:
        """The drawn judge, last, after those who were late before it."""
        return [SlotId(slot_id) for slot_id in self._client.call(self._functions.judgesOf(job_id))[0]]

    def challengers(self, job_id: JobId) -> list[Address]:
        return [Address(who) for who in self._client.call(self._functions.challengersOf(job_id))]

    def challenge_bond(self, fee: Amount) -> Amount:
        return Amount(self._client.call(self._functions.challengeBond(fee)))

    def appeal_bond(self, instance: int, fee: Amount) -> Amount:
        return Amount(self._client.call(self._functions.appealBond(instance, fee)))

    def events(self, name: str, job_id: JobId, *, from_block: int = 0) -> list:
        """The decoded events of one kind that name the job."""
        return self._client.logs(self._contract, name, argument_filters={"jobId": job_id}, from_block=from_block)
