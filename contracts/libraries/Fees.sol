// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {BPS, Bps} from "./Bps.sol";

uint256 constant WRONG_FEES = 5; // what a judge who was overruled loses, and a challenger bonds, in fees; a late judge loses one
uint256 constant FALSE_WORD_FEES = 10; // what a judge loses whose word for a seller was false

/// @title What judges cost, and how often they are asked.
library Fees {
    using Bps for uint256;

    uint256 private constant AUDIT_FLOOR_BPS = 500;
    uint256 private constant MARGIN_BPS = 12_500; // a quarter more than breaks even
    uint256 private constant JUDGE_BPS = 12_000; // of the price of a segment
    uint256 private constant COLLATERAL_BPS = 2_500;
    uint256 private constant COLLATERAL_FEES = 4;

    /// @return F = max(F_min, 1.2 · R / n), rounded up.
    function fee(uint256 price, uint256 segments, uint256 feeMin) internal pure returns (uint256) {
        return _max(feeMin, (price * JUDGE_BPS).ceilDiv(BPS * segments));
    }

    /// @return M = ceil(1.25 · F), the most an audit can cost the buyer.
    function maxLevy(uint256 fee_) internal pure returns (uint256) {
        return fee_.bpsUp(MARGIN_BPS);
    }

    /// @return ceil(1.25 · p · F), what the buyer pays for being audited that often.
    function levy(uint256 fee_, uint256 rateBps) internal pure returns (uint256) {
        return (fee_ * rateBps * MARGIN_BPS).ceilDiv(BPS * BPS);
    }

    /// @return max(25 % R, 4 F).
    function minCollateral(uint256 price, uint256 fee_) internal pure returns (uint256) {
        return _max(price.bpsUp(COLLATERAL_BPS), COLLATERAL_FEES * fee_);
    }

    /// @return p = clamp(1.25 · R / (R + L), 5 %, 100 %), rounded up.
    function auditBps(uint256 price, uint256 collateral) internal pure returns (uint256) {
        uint256 rate = (price * MARGIN_BPS).ceilDiv(price + collateral);
        return _max(AUDIT_FLOOR_BPS, rate < BPS ? rate : BPS);
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}
