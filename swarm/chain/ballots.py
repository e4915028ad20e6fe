# SPDX-License-Identifier: Apache-2.0
"""Ballots: committees and their sealed votes. One method per transition."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount

from swarm.chain.client import ChainClient
from swarm.protocol.types import (
    NO_STATE,
    Address,
    Ballot,
    BallotStatus,
    Comparison,
    Digest,
    Epoch,
    Job,
    JobId,
    Opening,
    SlotId,
)


class Ballots:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("Ballots", address)
        self._functions = self._contract.functions

    def draw_committee(self, account: LocalAccount, job: Job, round_: int) -> dict:
        call = self._functions.drawCommittee(job.job_id, round_, job.state(), job.terms.values())
        return self._client.send(call, account, is_contested=True)

    def seal(
        self, account: LocalAccount, job: Job, round_: int, seat: int, seal: Digest, *, draws: bool = False
    ) -> dict:
        """Seals a verdict; with `draws` the committee is drawn in the same transaction."""
        calls = [("seal", job.job_id, round_, seat, seal)]
        if draws:
            calls.insert(0, ("drawCommittee", job.job_id, round_, job.state(), job.terms.values()))
        return self._client.send_all(self._contract, calls, account, is_contested=draws)

    def reveal(
        self,
        account: LocalAccount,
        job: Job,
        round_: int,
        seat: int,
        opening: Opening,
        evidence_cid: Digest,
        salt: bytes,
        proof: Sequence[Digest],
        *,
        tallies: bool = False,
    ) -> dict:
        """Reveals a re-execution of the exact class by its preimage; with a proof it acquits. With `tallies` the court
        takes the result in the same transaction."""
        # A conviction asks nothing of the job; a single segment may need no proof.
        state = job.state() if proof or job.segments == 1 else NO_STATE
        place, envelope = (job.job_id, round_, seat), (evidence_cid, salt)
        reveal = ("reveal", *place, state, opening.values(), envelope, list(proof))
        return self._revealed(account, reveal, tallies)

    def reveal_word(
        self,
        account: LocalAccount,
        job_id: JobId,
        round_: int,
        seat: int,
        verdict: Digest,
        evidence_cid: Digest,
        salt: bytes,
        *,
        tallies: bool = False,
    ) -> dict:
        """Reveals a verdict that is a word: MATCH, MISMATCH or UNAVAILABLE."""
        return self._revealed(account, ("revealWord", job_id, round_, seat, verdict, (evidence_cid, salt)), tallies)

    def _revealed(self, account: LocalAccount, reveal: tuple, tallies: bool) -> dict:
        job_id = reveal[1]
        calls = [reveal, ("tally", job_id)] if tallies else [reveal]
        return self._client.send_all(self._contract, calls, account)

    # views

    def committee_to_be(self, job: Job, round_: int) -> tuple[SlotId, ...]:
        """Whom `draw_committee` would find now. Raises Reverted where nothing is to be drawn."""
        call = self._functions.drawCommittee(job.job_id, round_, job.state(), job.terms.values())
        return tuple(SlotId(slot_id) for slot_id in self._client.call(call))

    def ballot(self, job_id: JobId, round_: int) -> Ballot:
        (
            status, comparison, segment, seats, size, sealed_seats, revealed_seats, proved_seats, since, deadline,
            epoch,
        ) = self._client.call(self._functions.ballotOf(job_id, round_))  # fmt: skip
        committee = self._client.call(self._functions.committeeOf(job_id, round_)) if size else ()
        return Ballot(
            job_id=job_id,
            round=round_,
            status=BallotStatus(status),
            comparison=Comparison(comparison),
            segment=segment,
            seats=seats,
            size=size,
            sealed_seats=sealed_seats,
            revealed_seats=revealed_seats,
            proved_seats=proved_seats,
            since=since,
            deadline=deadline,
            epoch=Epoch(epoch),
            committee=tuple(SlotId(slot_id) for slot_id in committee),
        )

    def finding(self, job_id: JobId, round_: int, seat: int) -> Digest:
        """A member's seal before it revealed, the leaf or word it revealed afterwards."""
        return Digest(self._client.call(self._functions.findingOf(job_id, round_, seat)))

    def verdict(self, job_id: JobId, round_: int) -> Digest:
        """What more than half of the seats found, as far as revealed; zero without a majority."""
        return Digest(self._client.call(self._functions.verdictOf(job_id, round_)))

    def seal_min_seconds(self) -> int:
        """The least a committee is given to seal."""
        return self._client.call(self._functions.parameters())[0]

    def reveal_seconds(self) -> int:
        """How long a committee may reveal after its sealing is over."""
        return self._client.call(self._functions.parameters())[1]

    def events(self, name: str, job_id: JobId, *, from_block: int = 0) -> list:
        """The decoded events of one kind that name the job."""
        return self._client.logs(self._contract, name, argument_filters={"jobId": job_id}, from_block=from_block)
