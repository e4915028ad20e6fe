# SPDX-License-Identifier: Apache-2.0
"""Who has what: every account's tokens before and after, what each job paid, and whether the sums match the supply."""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3

from swarm.chain.network import Chain
from swarm.protocol.types import Address, JobId, JobStatus
from swarm.units import format_amount

BURN = Address(Web3.to_checksum_address("0x000000000000000000000000000000000000dEaD"))


@dataclass(frozen=True, slots=True)
class Books:
    """Tokens by holder, in the smallest unit: people's balance and stake, and what the escrow and the vault hold."""

    balances: dict[str, int]
    stakes: dict[str, int]
    escrow: int
    vault: int
    burned: int
    supply: int

    @property
    def is_conserved(self) -> bool:
        """Every token is with somebody we know, and the vault holds exactly everybody's stake."""
        everywhere = sum(self.balances.values()) + self.escrow + self.vault + self.burned
        return everywhere == self.supply and sum(self.stakes.values()) == self.vault

    def to_json(self) -> dict:
        people = {
            name: {"balance": format_amount(self.balances[name], places=18), "stake": format_amount(stake, places=18)}
            for name, stake in self.stakes.items()
        }
        contracts = {"escrow": self.escrow, "vault": self.vault, "burned": self.burned, "supply": self.supply}
        return people | {name: format_amount(amount, places=18) for name, amount in contracts.items()}


def take_books(chain: Chain, people: dict[str, Address]) -> Books:
    """Reads every balance from the chain."""
    return Books(
        balances={name: chain.token.balance_of(address) for name, address in people.items()},
        stakes={name: chain.vault.stake_of(address).stake for name, address in people.items()},
        escrow=chain.token.balance_of(chain.network.escrow),
        vault=chain.token.balance_of(chain.network.vault),
        burned=chain.token.balance_of(BURN),
        supply=chain.token.total_supply(),
    )


def job_money(chain: Chain, job_id: JobId) -> dict[str, int]:
    """paid, slashed, refunded of one finished job, from its own final event."""
    start = chain.network.deployment_block
    job = chain.escrow.job(job_id)
    money = {"paid": 0, "slashed": 0, "refunded": 0}
    if job.status is JobStatus.SETTLED:
        event = chain.escrow.events("JobSettled", job_id, from_block=start)[0]["args"]
        money |= {"paid": event["paid"], "refunded": event["returned"]}
    elif job.status is JobStatus.SLASHED:
        event = chain.escrow.events("JobSlashed", job_id, from_block=start)[0]["args"]
        money |= {"slashed": event["slashed"], "refunded": event["refunded"]}
    return money
