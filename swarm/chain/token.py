# SPDX-License-Identifier: Apache-2.0
"""The payment token: any plain ERC-20; on a devnet one with a faucet."""

from __future__ import annotations

from typing import Any

from eth_account.signers.local import LocalAccount

from swarm.chain.client import ChainClient
from swarm.errors import FundsError
from swarm.protocol.types import Address, Amount
from swarm.units import format_amount

Approval = Any  # a call of the token's contract, as the client sends it


class Token:
    """Balances and allowances."""

    def __init__(self, client: ChainClient, address: Address) -> None:
        self.address = address
        self._client = client
        self._contract = client.contract("FaucetToken", address)

    def balance_of(self, account: Address) -> Amount:
        return Amount(self._client.call(self._contract.functions.balanceOf(account)))

    def total_supply(self) -> Amount:
        return Amount(self._client.call(self._contract.functions.totalSupply()))

    def allowance(self, owner: Address, spender: Address) -> Amount:
        return Amount(self._client.call(self._contract.functions.allowance(owner, spender)))

    def approval(self, account: LocalAccount, spender: Address, amount: Amount) -> Approval | None:
        """The call that approves exactly `amount`, to be sent right before what spends it; None when that much is
        approved. Raises FundsError when the account holds less."""
        balance = self.balance_of(Address(account.address))
        if balance < amount:
            message = f"{account.address} holds {format_amount(balance)} TOK, this needs {format_amount(amount)}"
            raise FundsError(message, hint="swarm wallet fund")
        if self.allowance(Address(account.address), spender) >= amount:
            return None
        return self._contract.functions.approve(spender, amount)
