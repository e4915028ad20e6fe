// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Comparison} from "../interfaces/Job.sol";

/// @dev Verdicts that are words. Any other value is a leaf, a sha256 digest, which none of these can be.
bytes32 constant MATCH = bytes32(uint256(1));
bytes32 constant MISMATCH = bytes32(uint256(2));
bytes32 constant UNAVAILABLE = bytes32(uint256(3));

/// @dev In place of a segment: the question is whether the result can be fetched.
uint16 constant UNDELIVERED = type(uint16).max;

/// @dev The output hash that a seller commits to in a segment it made false on purpose; hidden by the trace root until opened.
bytes32 constant CANARY = keccak256("ComputeSwarm canary");

/// @title Which verdicts a judge may give in which class.
library Verdict {
    /// @notice Against the seller, by the drawn judge.
    function canDeny(bytes32 verdict, Comparison comparison) internal pure returns (bool) {
        if (verdict == UNAVAILABLE) return true;
        if (comparison == Comparison.Exact) return uint256(verdict) > uint256(UNAVAILABLE);
        return comparison == Comparison.Tolerance && verdict == MISMATCH;
    }

    /// @notice What a case keeps of a denial: enough to tell whether another verdict is the same. Twelve bytes leave nobody a guess
    /// at a leaf it did not compute, nor time to find another verdict with the same print.
    function print(bytes32 verdict) internal pure returns (bytes12) {
        return bytes12(sha256(abi.encodePacked(verdict)));
    }

    /// @notice As a word, by a committee's member. In the exact class a match or mismatch needs its preimage, except where the
    /// question is only whether the result is there.
    function canSay(bytes32 verdict, Comparison comparison, uint16 segment) internal pure returns (bool) {
        if (verdict == UNAVAILABLE) return true;
        if (verdict == MATCH) return segment == UNDELIVERED || comparison != Comparison.Exact;
        return verdict == MISMATCH && segment != UNDELIVERED && comparison == Comparison.Tolerance;
    }
}
