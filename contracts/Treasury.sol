// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";

/// @title The escrow's till: takes tokens in, pays them out, keeps the pool and what is to be burned.
/// @dev Payments are pushed; one that its recipient or the token refuses becomes a credit, so that nobody's refusal holds up
/// anybody else's job.
abstract contract Treasury is IJobEscrow {
    using SafeERC20 for IERC20;

    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;

    IERC20 internal immutable _token;

    // One word: both move at every settlement.
    uint128 internal _pool;
    uint128 internal _burnable;
    mapping(address account => uint256) internal _credits;

    constructor(IERC20 token_) {
        _token = token_;
    }

    /// @inheritdoc IJobEscrow
    function claim(address to) external {
        uint256 amount = _credits[msg.sender];
        require(amount > 0, NothingToClaim());
        _credits[msg.sender] = 0;
        emit Claimed(msg.sender, amount, to);
        _token.safeTransfer(to, amount);
    }

    /// @inheritdoc IJobEscrow
    function burn() external {
        uint256 amount = _burnable;
        _burnable = 0;
        emit Burned(amount);
        _token.safeTransfer(BURN, amount);
    }

    /* VIEWS */

    /// @inheritdoc IJobEscrow
    function pool() external view returns (uint256) {
        return _pool;
    }

    /// @inheritdoc IJobEscrow
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    function _collect(address from, uint256 amount) internal {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(from, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        require(received == amount, PartialTransfer(amount, received));
    }

    function _pay(address to, uint256 amount) internal {
        if (amount == 0 || _token.trySafeTransfer(to, amount)) return;
        _credits[to] += amount;
        emit Credited(to, amount);
    }

    function _keep(uint256 toBurn, uint256 toPool) internal {
        (_burnable, _pool) = (_burnable + uint128(toBurn), _pool + uint128(toPool));
    }

    /// @dev Up to `wanted` out of the pool.
    function _take(uint256 wanted) internal returns (uint256 taken) {
        taken = wanted < _pool ? wanted : _pool;
        _pool -= uint128(taken);
    }
}
