# SPDX-License-Identifier: Apache-2.0
"""Faults of the account book."""

from tests.mutation.fault import Fault, faults_of

VAULT = faults_of(
    "vault",
    "contracts/StakeVault.sol",
    (
        "deposit credits the payer",
        "payee",
        "_accounts[account].stake += uint128(amount);\n\n        emit Deposited",
        "_accounts[msg.sender].stake += uint128(amount);\n\n        emit Deposited",
        "vault",
    ),
    (
        "deposit believes the token",
        "guard",
        "require(received == amount, PartialTransfer(amount, received));",
        "received;",
        "vault odd_tokens",
    ),
    (
        "deposit wraps a huge amount",
        "amount",
        "assert(amount <= type(uint128).max);",
        "",
        "vault",
    ),
    (
        "deposit can be entered",
        "reentry",
        "function deposit(address account, uint256 amount) external nonReentrant {",
        "function deposit(address account, uint256 amount) external {",
        "vault",
    ),
    (
        "a used permit blocks the deposit",
        "guard",
        "try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}",
        "IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s);",
        "permit",
    ),
    (
        "a permit is not asked for",
        "state",
        "try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}",
        "",
        "permit",
    ),
    (
        "unbond takes locked stake",
        "guard",
        "return book.stake - book.locked;",
        "return book.stake;",
        "vault",
    ),
    (
        "unbond leaves the stake",
        "state",
        "_accounts[msg.sender].stake -= uint128(amount);",
        "",
        "vault",
    ),
    (
        "unbonding is ready at once",
        "clock",
        "uint64(block.timestamp) + unbondDelay;",
        "uint64(block.timestamp);",
        "vault",
    ),
    (
        "unbondings share one entry",
        "state",
        "UnbondId.wrap(unbondingsOf[msg.sender]++);",
        "UnbondId.wrap(unbondingsOf[msg.sender]);",
        "vault",
    ),
    (
        "withdraw pays twice",
        "state",
        "unbonding.amount = 0;",
        "",
        "vault",
    ),
    (
        "withdraw does not wait",
        "clock",
        "require(block.timestamp >= readyAt, NotReady(readyAt, uint64(block.timestamp)));",
        "",
        "vault",
    ),
    (
        "withdraw can be entered",
        "reentry",
        "function withdraw(UnbondId id, address to) external nonReentrant {",
        "function withdraw(UnbondId id, address to) external {",
        "vault",
    ),
    (
        "withdraw pays the caller only",
        "payee",
        "emit Withdrawn(msg.sender, id, amount, to);\n\n        IERC20(token).safeTransfer(to, amount);",
        "emit Withdrawn(msg.sender, id, amount, to);\n\n        IERC20(token).safeTransfer(msg.sender, amount);",
        "vault",
    ),
    (
        "keys are swapped",
        "payee",
        "_keys[msg.sender] = Keys(operator, payout);",
        "_keys[msg.sender] = Keys(payout, operator);",
        "keys",
    ),
    (
        "payout without a key goes nowhere",
        "payee",
        "return payout == address(0) ? account : payout;",
        "return payout;",
        "keys settle",
    ),
    (
        "revoke with a lock",
        "guard",
        "require(lock_.amount == 0, StillLocked(lock_.amount));",
        "",
        "vault",
    ),
    (
        "revoke does nothing",
        "state",
        "lock_.authorised = false;",
        "",
        "vault",
    ),
    (
        "anybody locks",
        "authority",
        "require(lock_.authorised, NotAuthorised(account, msg.sender));",
        "",
        "vault",
    ),
    (
        "lock beyond the stake",
        "guard",
        "require(lock_.authorised, NotAuthorised(account, msg.sender));\n"
        "        require(amount <= free, InsufficientStake(amount, free));",
        "require(lock_.authorised, NotAuthorised(account, msg.sender));\n        free;",
        "vault",
    ),
    (
        "a lock is not counted",
        "state",
        "_accounts[account].locked += uint128(amount);",
        "",
        "vault",
    ),
    (
        "one slasher's lock is another's",
        "authority",
        "require(amount <= lock_.amount, InsufficientLock(amount, lock_.amount));\n"
        "\n"
        "        lock_.amount -= uint128(amount);",
        "require(amount <= _accounts[account].locked, InsufficientLock(amount, lock_.amount));\n"
        "\n"
        "        lock_.amount -= amount < lock_.amount ? uint128(amount) : lock_.amount;",
        "vault",
    ),
    (
        "unlock leaves the total locked",
        "state",
        "_accounts[account].locked -= uint128(amount);",
        "",
        "vault",
    ),
    (
        "slash leaves the stake",
        "state",
        "_accounts[account].stake -= uint128(amount);",
        "",
        "vault",
    ),
    (
        "slash pays the slasher",
        "payee",
        "emit Slashed(account, msg.sender, amount, to);\n\n        IERC20(token).safeTransfer(to, amount);",
        "emit Slashed(account, msg.sender, amount, to);\n\n        IERC20(token).safeTransfer(msg.sender, amount);",
        "vault",
    ),
    (
        "slash can be entered",
        "reentry",
        "function slash(address account, uint256 amount, address to) external nonReentrant {",
        "function slash(address account, uint256 amount, address to) external {",
        "vault",
    ),
)

VAULT_FAULTS: tuple[Fault, ...] = (*VAULT,)
