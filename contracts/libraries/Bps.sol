// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

uint256 constant BPS = 10_000;

/// @title Shares in basis points, with the direction of rounding in the name.
library Bps {
    function bpsUp(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return ceilDiv(amount * bps, BPS);
    }

    function bpsDown(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return (amount * bps) / BPS;
    }

    function ceilDiv(uint256 numerator, uint256 denominator) internal pure returns (uint256) {
        return (numerator + denominator - 1) / denominator;
    }
}
