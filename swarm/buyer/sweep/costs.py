# SPDX-License-Identifier: Apache-2.0
"""What a job cost its buyer: the escrow, less what came back in the transactions that ended the job.

Read from the token's own transfers, because a ruling returns a part of the escrow and its event does not say how much.
"""

from __future__ import annotations

from swarm.chain.network import Chain
from swarm.protocol.types import Job

_RETURNING = ("JobRuled", "JobSettled", "JobRefunded", "JobCancelled", "JobAborted", "JobSlashed", "JobVoided")


def cost_of(chain: Chain, job: Job) -> int:
    """Of a final job, in the token's smallest unit; never below zero, whatever a slashed seller had to pay."""
    network, first = chain.network, chain.network.deployment_block
    escrow = chain.escrow
    held = escrow.events("JobPosted", job.job_id, from_block=first)[0]["args"]["held"]
    events = [each for name in _RETURNING for each in escrow.events(name, job.job_id, from_block=first)]
    ends = {each["transactionHash"] for each in events}
    token = chain.client.contract("FaucetToken", network.token)
    to_buyer = {"from": network.escrow, "to": job.buyer}
    transfers = chain.client.logs(token, "Transfer", argument_filters=to_buyer, from_block=first)
    returned = sum(each["args"]["value"] for each in transfers if each["transactionHash"] in ends)
    return max(0, held - returned)
