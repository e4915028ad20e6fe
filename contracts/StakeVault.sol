// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IStakeVault, UnbondId} from "./interfaces/IStakeVault.sol";

/// @title The account book of everybody's stake.
/// @dev Invariant: the vault's tokens = Σ stake + Σ unbondings, and locked = Σ locks of the account's slashers ≤ stake.
contract StakeVault is IStakeVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Keys {
        address operator;
        address payout;
    }

    struct Lock {
        bool authorised;
        uint128 amount;
    }

    /// @inheritdoc IStakeVault
    address public immutable token;
    /// @inheritdoc IStakeVault
    uint64 public immutable unbondDelay;

    /// @inheritdoc IStakeVault
    mapping(address account => uint64 count) public unbondingsOf;
    mapping(address account => Account) private _accounts;
    mapping(address account => Keys) private _keys;
    mapping(address account => mapping(address slasher => Lock)) private _locks;
    mapping(address account => mapping(UnbondId id => Unbonding)) private _unbondings;

    constructor(address token_, uint64 unbondDelay_) {
        token = token_;
        unbondDelay = unbondDelay_;
    }

    /* STAKE */

    /// @inheritdoc IStakeVault
    function deposit(address account, uint256 amount) external nonReentrant {
        _deposit(account, amount);
    }

    /// @inheritdoc IStakeVault
    function depositWithPermit(address account, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // Somebody may have brought the same permit first; then the allowance is there, and the transfer decides.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(account, amount);
    }

    function _deposit(address account, uint256 amount) private {
        require(amount > 0, ZeroAmount());
        assert(amount <= type(uint128).max);

        _accounts[account].stake += uint128(amount);

        emit Deposited(account, msg.sender, amount);

        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        require(received == amount, PartialTransfer(amount, received));
    }

    /// @inheritdoc IStakeVault
    function unbond(uint256 amount) external returns (UnbondId id) {
        uint256 free = freeStakeOf(msg.sender);
        uint64 readyAt = uint64(block.timestamp) + unbondDelay;

        require(amount > 0, ZeroAmount());
        require(amount <= free, InsufficientStake(amount, free));

        id = UnbondId.wrap(unbondingsOf[msg.sender]++);
        _accounts[msg.sender].stake -= uint128(amount);
        _unbondings[msg.sender][id] = Unbonding(uint128(amount), readyAt);

        emit Unbonded(msg.sender, id, amount, readyAt);
    }

    /// @inheritdoc IStakeVault
    function withdraw(UnbondId id, address to) external nonReentrant {
        Unbonding storage unbonding = _unbondings[msg.sender][id];
        (uint128 amount, uint64 readyAt) = (unbonding.amount, unbonding.readyAt);

        require(amount > 0, UnknownUnbonding(id));
        require(block.timestamp >= readyAt, NotReady(readyAt, uint64(block.timestamp)));

        unbonding.amount = 0;

        emit Withdrawn(msg.sender, id, amount, to);

        IERC20(token).safeTransfer(to, amount);
    }

    /* KEYS */

    /// @inheritdoc IStakeVault
    function setKeys(address operator, address payout) external {
        _keys[msg.sender] = Keys(operator, payout);

        emit KeysSet(msg.sender, operator, payout);
    }

    /* SLASHERS */

    /// @inheritdoc IStakeVault
    function authorise(address slasher) external {
        _locks[msg.sender][slasher].authorised = true;

        emit SlasherAuthorised(msg.sender, slasher);
    }

    /// @inheritdoc IStakeVault
    function revoke(address slasher) external {
        Lock storage lock_ = _locks[msg.sender][slasher];

        require(lock_.amount == 0, StillLocked(lock_.amount));

        lock_.authorised = false;

        emit SlasherRevoked(msg.sender, slasher);
    }

    /// @inheritdoc IStakeVault
    function lock(address account, uint256 amount) external {
        Lock storage lock_ = _locks[account][msg.sender];
        uint256 free = freeStakeOf(account);

        require(lock_.authorised, NotAuthorised(account, msg.sender));
        require(amount <= free, InsufficientStake(amount, free));

        _accounts[account].locked += uint128(amount);
        lock_.amount += uint128(amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address account, uint256 amount) external {
        _release(account, amount);
    }

    /// @inheritdoc IStakeVault
    function slash(address account, uint256 amount, address to) external nonReentrant {
        _release(account, amount);
        _accounts[account].stake -= uint128(amount);

        emit Slashed(account, msg.sender, amount, to);

        IERC20(token).safeTransfer(to, amount);
    }

    /// @dev What the calling slasher locked leaves its lock: back to free stake, or out of the vault.
    function _release(address account, uint256 amount) private {
        Lock storage lock_ = _locks[account][msg.sender];

        require(amount <= lock_.amount, InsufficientLock(amount, lock_.amount));

        lock_.amount -= uint128(amount);
        _accounts[account].locked -= uint128(amount);
    }

    /* VIEWS */

    /// @inheritdoc IStakeVault
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc IStakeVault
    function freeStakeOf(address account) public view returns (uint256) {
        Account storage book = _accounts[account];
        return book.stake - book.locked;
    }

    /// @inheritdoc IStakeVault
    function operatorOf(address account) external view returns (address) {
        return _keys[account].operator;
    }

    /// @inheritdoc IStakeVault
    function payoutOf(address account) external view returns (address) {
        address payout = _keys[account].payout;
        return payout == address(0) ? account : payout;
    }

    /// @inheritdoc IStakeVault
    function lockedBy(address account, address slasher) external view returns (uint256) {
        return _locks[account][slasher].amount;
    }

    /// @inheritdoc IStakeVault
    function isAuthorised(address account, address slasher) external view returns (bool) {
        return _locks[account][slasher].authorised;
    }

    /// @inheritdoc IStakeVault
    function unbondingOf(address account, UnbondId id) external view returns (Unbonding memory) {
        return _unbondings[account][id];
    }
}
