# SPDX-License-Identifier: Apache-2.0
"""StakeVault: the account book of stake."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from swarm.chain.client import ChainClient
from swarm.chain.token import Approval
from swarm.protocol.types import Address, Amount


@dataclass(frozen=True, slots=True)
class Unbonding:
    """Stake on its way out; `ready_at` is chain time, and an amount of zero means it was withdrawn."""

    unbond_id: int
    amount: Amount
    ready_at: int


@dataclass(frozen=True, slots=True)
class Stake:
    """An account's stake; `free` is what is neither locked nor unbonding."""

    stake: Amount
    locked: Amount

    @property
    def free(self) -> Amount:
        return Amount(self.stake - self.locked)


class Vault:
    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._functions = client.contract("StakeVault", address).functions

    def stake_of(self, account: Address) -> Stake:
        stake, locked = self._client.call(self._functions.accountOf(account))
        return Stake(Amount(stake), Amount(locked))

    def locked_by(self, account: Address, slasher: Address) -> Amount:
        return Amount(self._client.call(self._functions.lockedBy(account, slasher)))

    def is_authorised(self, account: Address, slasher: Address) -> bool:
        return self._client.call(self._functions.isAuthorised(account, slasher))

    def unbondings_of(self, account: Address) -> list[Unbonding]:
        """The account's unbondings that are not withdrawn yet, oldest first (at most the last hundred started)."""
        started = self._client.call(self._functions.unbondingsOf(account))
        found = []
        for unbond_id in range(max(0, started - 100), started):
            amount, ready_at = self._client.call(self._functions.unbondingOf(account, unbond_id))
            if amount:
                found.append(Unbonding(unbond_id, Amount(amount), ready_at))
        return found

    def deposit(self, account: LocalAccount, amount: Amount, *, after: Approval | None = None) -> dict:
        return self._client.send(self._functions.deposit(account.address, amount), account, after=after)

    def deposit_with_permit(
        self, account: LocalAccount, amount: Amount, deadline: int, signature: tuple[int, bytes, bytes]
    ) -> dict:
        """Deposits with an ERC-2612 permit (v, r, s) in place of an approval."""
        v, r, s = signature
        call = self._functions.depositWithPermit(account.address, amount, deadline, v, r, s)
        return self._client.send(call, account)

    def set_keys(self, account: LocalAccount, operator: Address, payout: Address) -> dict:
        """Names the key that acts for the account and the address that is paid; zero for none and for itself."""
        return self._client.send(self._functions.setKeys(operator, payout), account)

    def operator_of(self, account: Address) -> Address:
        return Address(self._client.call(self._functions.operatorOf(account)))

    def payout_of(self, account: Address) -> Address:
        return Address(self._client.call(self._functions.payoutOf(account)))

    def unbond(self, account: LocalAccount, amount: Amount) -> dict:
        return self._client.send(self._functions.unbond(amount), account)

    def withdraw(self, account: LocalAccount, unbond_id: int, to: Address) -> dict:
        return self._client.send(self._functions.withdraw(unbond_id, to), account)

    def authorise(self, account: LocalAccount, slasher: Address) -> dict:
        return self._client.send(self._functions.authorise(slasher), account)
