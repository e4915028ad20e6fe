// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title Basis points, with the direction of rounding in the name.
library Bps {
    uint256 internal constant ONE = 10_000;

    function bpsUp(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return ceilDiv(amount * bps, ONE);
    }

    function bpsDown(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return (amount * bps) / ONE;
    }

    function ceilDiv(uint256 numerator, uint256 denominator) internal pure returns (uint256) {
        return (numerator + denominator - 1) / denominator;
    }
}
