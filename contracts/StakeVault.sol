// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IStakeVault, UnbondId} from "./interfaces/IStakeVault.sol";

/// @title The account book of stake. See IStakeVault for its promises.
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Grant {
        bool authorised;
        uint128 locked;
    }

    IERC20 internal immutable _token;
    /// @inheritdoc IStakeVault
    uint64 public immutable unbondDelay;

    mapping(address account => Account) internal _accounts;
    mapping(address account => mapping(address slasher => Grant)) internal _grants;
    mapping(address account => mapping(UnbondId id => Unbonding)) internal _unbondings;
    mapping(address account => uint64 count) internal _unbondingCount;

    constructor(IERC20 token_, uint64 unbondDelay_) {
        _token = token_;
        unbondDelay = unbondDelay_;
    }

    /* STAKE */

    /// @inheritdoc IStakeVault
    function deposit(address account, uint256 amount) external nonReentrant {
        require(amount > 0, ZeroAmount());
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        require(received == amount, PartialTransfer(amount, received));

        _accounts[account].stake += uint128(amount);
        emit Deposited(account, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function unbond(uint256 amount) external returns (UnbondId id) {
        require(amount > 0, ZeroAmount());
        uint256 free = freeStakeOf(msg.sender);
        require(amount <= free, InsufficientStake(amount, free));

        id = UnbondId.wrap(_unbondingCount[msg.sender]++);
        uint64 readyAt = uint64(block.timestamp) + unbondDelay;
        _accounts[msg.sender].stake -= uint128(amount);
        _unbondings[msg.sender][id] = Unbonding(uint128(amount), readyAt);
        emit Unbonded(msg.sender, id, amount, readyAt);
    }

    /// @inheritdoc IStakeVault
    function withdraw(UnbondId id, address to) external nonReentrant {
        Unbonding memory entry = _unbondings[msg.sender][id];
        require(entry.amount > 0, UnknownUnbonding(id));
        require(block.timestamp >= entry.readyAt, NotReady(entry.readyAt, uint64(block.timestamp)));

        delete _unbondings[msg.sender][id];
        emit Withdrawn(msg.sender, id, entry.amount, to);
        _token.safeTransfer(to, entry.amount);
    }

    /* SLASHERS */

    /// @inheritdoc IStakeVault
    function authorise(address slasher) external {
        _grants[msg.sender][slasher].authorised = true;
        emit SlasherAuthorised(msg.sender, slasher);
    }

    /// @inheritdoc IStakeVault
    function revoke(address slasher) external {
        uint256 locked = _grants[msg.sender][slasher].locked;
        require(locked == 0, StillLocked(locked));
        _grants[msg.sender][slasher].authorised = false;
        emit SlasherRevoked(msg.sender, slasher);
    }

    /// @inheritdoc IStakeVault
    function lock(address account, uint256 amount) external {
        Grant storage grant = _grants[account][msg.sender];
        require(grant.authorised, NotAuthorised(account, msg.sender));
        uint256 free = freeStakeOf(account);
        require(amount <= free, InsufficientStake(amount, free));

        _accounts[account].locked += uint128(amount);
        grant.locked += uint128(amount);
        emit Locked(account, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address account, uint256 amount) external {
        _takeFromLock(account, amount);
        emit Unlocked(account, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function slash(address account, uint256 amount, address to) external nonReentrant {
        _takeFromLock(account, amount);
        _accounts[account].stake -= uint128(amount);
        emit Slashed(account, msg.sender, amount, to);
        _token.safeTransfer(to, amount);
    }

    /* VIEWS */

    /// @inheritdoc IStakeVault
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IStakeVault
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc IStakeVault
    function freeStakeOf(address account) public view returns (uint256) {
        Account storage entry = _accounts[account];
        return entry.stake - entry.locked;
    }

    /// @inheritdoc IStakeVault
    function lockedBy(address account, address slasher) external view returns (uint256) {
        return _grants[account][slasher].locked;
    }

    /// @inheritdoc IStakeVault
    function isAuthorised(address account, address slasher) external view returns (bool) {
        return _grants[account][slasher].authorised;
    }

    /// @inheritdoc IStakeVault
    function unbondingOf(address account, UnbondId id) external view returns (Unbonding memory) {
        return _unbondings[account][id];
    }

    /// @inheritdoc IStakeVault
    function unbondingsOf(address account) external view returns (uint64) {
        return _unbondingCount[account];
    }

    function _takeFromLock(address account, uint256 amount) internal {
        Grant storage grant = _grants[account][msg.sender];
        require(amount <= grant.locked, InsufficientLock(amount, grant.locked));
        grant.locked -= uint128(amount);
        _accounts[account].locked -= uint128(amount);
    }
}
