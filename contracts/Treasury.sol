// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";

/// @title The escrow's till: takes tokens in, pays them out, keeps the pool and what is to be burned.
/// @dev A token whose transfers call their recipients and may burn all gas can still cost a caller gas: a deployer chooses a
/// plain token. No recipient can hold up another's payment for good.
abstract contract Treasury is IJobEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    address private constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @dev One word: both move at every settlement.
    struct Reserves {
        uint128 pool;
        uint128 burnable;
    }

    IERC20 public immutable token;

    /// @inheritdoc IJobEscrow
    mapping(address account => uint256) public creditOf;
    Reserves private _reserves;

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @inheritdoc IJobEscrow
    function claim(address to) external nonReentrant {
        uint256 amount = creditOf[msg.sender];

        require(amount > 0, NothingToClaim());

        creditOf[msg.sender] = 0;

        emit Claimed(msg.sender, amount, to);

        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IJobEscrow
    function burn() external nonReentrant {
        uint256 amount = _reserves.burnable;

        require(amount > 0, NothingToClaim());

        _reserves.burnable = 0;

        emit Burned(amount);

        token.safeTransfer(BURN_ADDRESS, amount);
    }

    /* VIEWS */

    /// @inheritdoc IJobEscrow
    function pool() public view returns (uint256) {
        return _reserves.pool;
    }

    /// @inheritdoc IJobEscrow
    function burnable() external view returns (uint256) {
        return _reserves.burnable;
    }

    /* MOVES */

    function _collect(address from, uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == amount, PartialTransfer(amount, received));
    }

    /// @dev A recipient that cannot be paid never holds up anybody else's payment: the amount waits for its claim.
    function _pay(address to, uint256 amount) internal {
        if (amount == 0 || token.trySafeTransfer(to, amount)) return;
        creditOf[to] += amount;
        emit Credited(to, amount);
    }

    function _addToPool(uint256 amount) internal {
        if (amount > 0) _reserves.pool += uint128(amount);
    }

    function _addToBurn(uint256 amount) internal {
        _reserves.burnable += uint128(amount);
    }

    function _addReserves(uint256 toPool, uint256 toBurn) internal {
        Reserves memory reserves = _reserves;
        _reserves = Reserves(reserves.pool + uint128(toPool), reserves.burnable + uint128(toBurn));
    }

    /// @return taken As much of `wanted` as the pool has.
    function _takeFromPool(uint256 wanted) internal returns (uint256 taken) {
        if (wanted == 0) return 0;
        taken = Math.min(wanted, _reserves.pool);
        _reserves.pool -= uint128(taken);
    }
}
