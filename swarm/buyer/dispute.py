# SPDX-License-Identifier: Apache-2.0
"""Disputing a result: a challenge, or an appeal against a committee's ruling. Anyone may, for a bond."""

from __future__ import annotations

from eth_account.signers.local import LocalAccount

from swarm.chain.network import Chain
from swarm.protocol.types import Amount, CaseStatus, JobId, JobStatus


def challenge(chain: Chain, account: LocalAccount, job_id: JobId, segment: int) -> Amount:
    """Challenges a segment (or UNDELIVERED) of a submitted job, or joins the challenge that is open. Returns the bond.

    Raises FundsError before anything is sent when tokens are short, Reverted when the chain refuses.
    """
    job = chain.escrow.job(job_id)
    bond = chain.court.challenge_bond(chain.escrow.fee_for(job.price, job.segments))
    approval = chain.token.approval(account, chain.network.escrow, bond)
    is_open = job.status is JobStatus.CHALLENGED and chain.court.case(job_id).status is CaseStatus.VOTING
    if is_open:
        chain.court.join_challenge(account, job, after=approval)
    else:
        chain.court.challenge(account, job, segment, after=approval)
    return bond


def appeal(chain: Chain, account: LocalAccount, job_id: JobId) -> Amount:
    """Takes a ruling to the next committee. Returns the bond. Raises FundsError, Reverted."""
    job, case = chain.escrow.job(job_id), chain.court.case(job_id)
    bond = chain.court.appeal_bond(case.instance, chain.escrow.fee_for(job.price, job.segments))
    approval = chain.token.approval(account, chain.network.escrow, bond)
    chain.court.appeal(account, job, after=approval)
    return bond
