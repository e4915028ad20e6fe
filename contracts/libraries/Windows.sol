// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title How long judges are given.
library Windows {
    uint40 private constant TIME_FACTOR = 3; // judges' machines may be slower than the seller's

    /// @return Seconds to re-execute a segment in, never less than `least`.
    function forWork(uint40 least, uint24 segmentSeconds) internal pure returns (uint40) {
        uint40 wanted = TIME_FACTOR * segmentSeconds;
        return wanted > least ? wanted : least;
    }
}
