// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

type UnbondId is uint64;

/// @title The account book of everybody's stake.
/// @notice Knows accounts and slashers, not jobs. A staker deposits tokens, authorises the contracts that may lock and
/// slash them, and takes out what is not locked after a delay. Sellers authorise the escrow, judges the court.
interface IStakeVault {
    struct Account {
        /// All tokens of the account that are not unbonding, locked ones included.
        uint128 stake;
        /// The part of `stake` locked by any slasher.
        uint128 locked;
    }

    struct Unbonding {
        uint128 amount;
        /// When it can be withdrawn, as a unix time. Each entry has its own clock: a later one never restarts it.
        uint64 readyAt;
    }

    event Deposited(address indexed account, address indexed from, uint256 amount);
    event Unbonded(address indexed account, UnbondId indexed id, uint256 amount, uint64 readyAt);
    event Withdrawn(address indexed account, UnbondId indexed id, uint256 amount, address to);
    event SlasherAuthorised(address indexed account, address indexed slasher);
    event SlasherRevoked(address indexed account, address indexed slasher);
    event KeysSet(address indexed account, address operator, address payout);
    event Slashed(address indexed account, address indexed slasher, uint256 amount, address to);

    error ZeroAmount();
    error InsufficientStake(uint256 needed, uint256 free);
    error InsufficientLock(uint256 needed, uint256 locked);
    error NotAuthorised(address account, address slasher);
    error StillLocked(uint256 locked);
    error NotReady(uint64 readyAt, uint64 time);
    error UnknownUnbonding(UnbondId id);
    error PartialTransfer(uint256 expected, uint256 received);

    /* STAKE */

    /// @notice Adds `amount` of the caller's tokens to the stake of `account`.
    /// @dev Reverts when fewer tokens arrive than were sent (a token with a fee on transfer). A deposit for somebody
    /// else never touches that account's unbondings.
    function deposit(address account, uint256 amount) external;

    /// @notice The same with an ERC-2612 permit of the caller in place of an approval.
    function depositWithPermit(address account, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Starts to take `amount` of free stake out; it can be withdrawn after `unbondDelay` seconds.
    function unbond(uint256 amount) external returns (UnbondId id);

    /// @notice Pays a finished unbonding of the caller to `to`.
    function withdraw(UnbondId id, address to) external;

    /* KEYS */

    /// @notice Names the key that may act for the caller's account but not touch its stake, and the address that is paid. Zero for none,
    /// and for the account itself.
    function setKeys(address operator, address payout) external;

    /* SLASHERS */

    /// @notice Lets `slasher` lock and slash the caller's stake.
    /// @dev Warning: authorise only contracts whose rules you have read.
    function authorise(address slasher) external;

    /// @notice Withdraws the authorisation; possible only while `slasher` has nothing of the caller's locked.
    function revoke(address slasher) external;

    /// @dev Locks and unlocks are part of a slasher's own transitions, whose events tell of them.
    /// @notice Locks `amount` of the free stake of `account` for the calling slasher.
    function lock(address account, uint256 amount) external;

    /// @notice Frees `amount` the calling slasher had locked.
    function unlock(address account, uint256 amount) external;

    /// @notice Takes `amount` the calling slasher had locked and sends it to `to`.
    function slash(address account, uint256 amount, address to) external;

    /* VIEWS */

    function token() external view returns (address);
    function unbondDelay() external view returns (uint64);
    function accountOf(address account) external view returns (Account memory);
    function freeStakeOf(address account) external view returns (uint256);
    function operatorOf(address account) external view returns (address);
    function payoutOf(address account) external view returns (address);
    function lockedBy(address account, address slasher) external view returns (uint256);
    function isAuthorised(address account, address slasher) external view returns (bool);
    function unbondingOf(address account, UnbondId id) external view returns (Unbonding memory);
    /// @notice How many unbondings the account has ever started; ids run from 0.
    function unbondingsOf(address account) external view returns (uint64);
}
