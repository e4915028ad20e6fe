# SPDX-License-Identifier: Apache-2.0
"""The token, the account book of everybody's stake, the beacon's seeds, sellers' records."""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarm.protocol.lifecycle.state import Part, less, require, verb
from swarm.protocol.money import BPS
from swarm.protocol.types import ZERO_ADDRESS, Address, Amount, Digest, Epoch

MAX_RECORD = 2**80 - 1
FAULT_WEIGHT = 4
NO_SEED = Digest(bytes(32))


class Token(Part):
    """A plain ERC-20; everybody has approved the vault and the escrow without limit."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.balances: dict[Address, Amount] = {}

    def balance_of(self, account: Address) -> Amount:
        return self.balances.get(account, Amount(0))

    @verb
    def faucet(self, caller: Address, to: Address, amount: int, *, now: int) -> None:
        """Makes `amount` of tokens; only the devnet's token has this."""
        self.balances[to] = Amount(self.balance_of(to) + amount)

    def move(self, source: Address, to: Address, amount: int) -> None:
        """A transfer."""
        require(self.balance_of(source) >= amount, "ERC20InsufficientBalance")
        require(to not in self.market.unpayable, "TokenRefuses")
        self.balances[source] = Amount(self.balance_of(source) - amount)
        self.balances[to] = Amount(self.balance_of(to) + amount)


@dataclass(frozen=True, slots=True)
class Account:
    """All tokens of an account that are not unbonding, and the part of them any slasher has locked."""

    stake: int = 0
    locked: int = 0


@dataclass(frozen=True, slots=True)
class Lock:
    """What a slasher may lock and has locked of an account."""

    authorised: bool = False
    amount: int = 0


class Vault(Part):
    """`StakeVault`. Slashers are the escrow (collateral) and the bench (judges' bonds)."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.accounts: dict[Address, Account] = {}
        self.locks: dict[tuple[Address, Address], Lock] = {}
        self.unbondings: dict[tuple[Address, int], tuple[int, int]] = {}  # amount, ready at
        self.unbonding_counts: dict[Address, int] = {}
        self.keys: dict[Address, tuple[Address, Address]] = {}  # operator, payout

    # stake

    @verb
    def deposit(self, caller: Address, account: Address, amount: int, *, now: int) -> None:
        """Adds `amount` of the caller's tokens to the stake of `account`."""
        require(amount > 0, "ZeroAmount")
        book = self.account_of(account)
        self.accounts[account] = replace(book, stake=book.stake + amount)
        self.market.token.move(caller, self.market.at["StakeVault"], amount)

    @verb
    def unbond(self, caller: Address, amount: int, *, now: int) -> int:
        """Starts to take free stake out; returns the number of the unbonding."""
        require(amount > 0, "ZeroAmount")
        require(amount <= self.free_stake_of(caller), "InsufficientStake")
        book, number = self.account_of(caller), self.unbonding_counts.get(caller, 0)
        self.accounts[caller] = replace(book, stake=book.stake - amount)
        self.unbonding_counts[caller] = number + 1
        self.unbondings[caller, number] = (amount, now + self.market.parameters.unbond_delay)
        return number

    @verb
    def withdraw(self, caller: Address, number: int, to: Address, *, now: int) -> None:
        """Pays a finished unbonding of the caller to `to`."""
        amount, ready_at = self.unbondings.get((caller, number), (0, 0))
        require(amount > 0, "UnknownUnbonding")
        require(now >= ready_at, "NotReady")
        self.unbondings[caller, number] = (0, ready_at)
        self.market.token.move(self.market.at["StakeVault"], to, amount)

    # keys and slashers

    @verb
    def set_keys(self, caller: Address, operator: Address, payout: Address, *, now: int) -> None:
        """Names the key that may act for the caller's account, and the address that is paid. Zero for none."""
        self.keys[caller] = (operator, payout)

    @verb
    def authorise(self, caller: Address, slasher: Address, *, now: int) -> None:
        """Lets `slasher` lock and slash the caller's stake."""
        self.locks[caller, slasher] = replace(self.lock_of(caller, slasher), authorised=True)

    @verb
    def revoke(self, caller: Address, slasher: Address, *, now: int) -> None:
        """Takes the authorisation back; only with nothing locked."""
        require(self.lock_of(caller, slasher).amount == 0, "StillLocked")
        self.locks[caller, slasher] = Lock()

    # the slashers'

    def lock(self, account: Address, slasher: Address, amount: int) -> None:
        lock, book = self.lock_of(account, slasher), self.account_of(account)
        require(lock.authorised, "NotAuthorised")
        require(amount <= self.free_stake_of(account), "InsufficientStake")
        self.accounts[account] = replace(book, locked=book.locked + amount)
        self.locks[account, slasher] = replace(lock, amount=lock.amount + amount)

    def unlock(self, account: Address, slasher: Address, amount: int) -> None:
        lock, book = self.lock_of(account, slasher), self.account_of(account)
        require(amount <= lock.amount, "InsufficientLock")
        self.locks[account, slasher] = replace(lock, amount=lock.amount - amount)
        self.accounts[account] = replace(book, locked=less(book.locked, amount))

    def slash(self, account: Address, slasher: Address, amount: int, to: Address) -> None:
        self.unlock(account, slasher, amount)
        book = self.account_of(account)
        self.accounts[account] = replace(book, stake=less(book.stake, amount))
        self.market.token.move(self.market.at["StakeVault"], to, amount)

    # views

    def account_of(self, account: Address) -> Account:
        return self.accounts.get(account, Account())

    def lock_of(self, account: Address, slasher: Address) -> Lock:
        return self.locks.get((account, slasher), Lock())

    def free_stake_of(self, account: Address) -> int:
        book = self.account_of(account)
        return book.stake - book.locked

    def operator_of(self, account: Address) -> Address:
        return self.keys.get(account, (ZERO_ADDRESS, ZERO_ADDRESS))[0]

    def payout_of(self, account: Address) -> Address:
        payout = self.keys.get(account, (ZERO_ADDRESS, ZERO_ADDRESS))[1]
        return account if payout == ZERO_ADDRESS else payout


class Beacon(Part):
    """`Beacon`: which seed decides which epoch. Seeds come from outside: whoever knows one has checked its
    signature."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.seeds: dict[Epoch, Digest] = {}
        self.fallback_seeds: dict[Epoch, Digest] = {}

    @verb
    def submit(self, caller: Address, epoch: Epoch, seed: Digest | None, *, now: int) -> None:
        """Stores the seed of an epoch whose round's time has come; None stands for a signature that does not verify."""
        require(epoch not in self.seeds and epoch not in self.fallback_seeds, "SeedAlreadyKnown")
        require(now >= self.time_of(epoch), "TooEarly")
        require(seed is not None, "InvalidSignature")
        self.seeds[epoch] = seed

    @verb
    def store_fallback(self, caller: Address, epoch: Epoch, seed: Digest, *, now: int) -> None:
        """Stores what judges' secrets gave where the beacon was silent; how they give it is `SeedFallback`'s own
        story."""
        require(epoch not in self.seeds and epoch not in self.fallback_seeds, "FallbackSeedKnown")
        require(now >= self.time_of(epoch) + self.market.parameters.fallback_patience, "TooSoon")
        self.fallback_seeds[epoch] = seed

    def seed_for(self, epoch: Epoch) -> tuple[Digest, bool]:
        """The seed that decides `epoch` or zero, and whether judges made it."""
        seed = self.seeds.get(epoch, NO_SEED)
        if seed != NO_SEED:
            return seed, False
        seed = self.fallback_seeds.get(epoch, NO_SEED)
        return seed, seed != NO_SEED

    def epoch_at(self, time: int) -> Epoch:
        """The first epoch whose round lies at or after `time`."""
        since = time - self.market.parameters.beacon_genesis
        return Epoch(0 if since <= 0 else -(-since // self._span()))

    def time_of(self, epoch: Epoch) -> int:
        """When the round of `epoch` is published."""
        return self.market.parameters.beacon_genesis + epoch * self._span()

    def _span(self) -> int:
        return self.market.parameters.rounds_per_epoch * self.market.parameters.beacon_period


@dataclass(frozen=True, slots=True)
class Record:
    """Σ price of a seller's jobs: audits passed (each payer's part bounded), faults, never handed in."""

    passed: int = 0
    faults: int = 0
    late: int = 0


class Reputation(Part):
    """`Reputation`. It sorts and filters; it never lowers an audit rate."""

    def __init__(self, market) -> None:
        super().__init__(market)
        self.records: dict[Address, Record] = {}
        self.counted: dict[tuple[Address, Address], int] = {}

    def record_pass(self, seller: Address, payer: Address, price: int) -> None:
        counted, record = self.counted.get((seller, payer), 0), self.record_of(seller)
        added = min(price, self.market.parameters.reputation_unit - counted)
        self.counted[seller, payer] = counted + added
        self.records[seller] = replace(record, passed=min(record.passed + added, MAX_RECORD))

    def record_fault(self, seller: Address, price: int) -> None:
        record = self.record_of(seller)
        self.records[seller] = replace(record, faults=min(record.faults + price, MAX_RECORD))

    def record_late(self, seller: Address, price: int) -> None:
        record = self.record_of(seller)
        self.records[seller] = replace(record, late=min(record.late + price, MAX_RECORD))

    def record_of(self, seller: Address) -> Record:
        return self.records.get(seller, Record())

    def score_of(self, seller: Address) -> int:
        """passed / (passed + unit + 4 · faults + late), in basis points."""
        record = self.record_of(seller)
        against = self.market.parameters.reputation_unit + FAULT_WEIGHT * record.faults + record.late
        return BPS * record.passed // (record.passed + against)
