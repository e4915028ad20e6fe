// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Job, Terms} from "../interfaces/Job.sol";

/// @title The hashes that stand for a job's state and terms.
/// @dev Both structs hold value types only, so that in memory they lie as abi.encode would lay them: one word per field, in
/// order. Hashing them in place saves the copy; a test compares with keccak256(abi.encode(…)).
library StateHash {
    uint256 private constant JOB_BYTES = 15 * 32;
    uint256 private constant TERMS_BYTES = 15 * 32;

    function ofJob(Job memory job) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(job, JOB_BYTES)
        }
    }

    function ofTerms(Terms memory terms) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(terms, TERMS_BYTES)
        }
    }

    /// @dev As they came, to be compared with the hash of terms that were checked when they were posted.
    function ofCalled(Terms calldata terms) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, TERMS_BYTES)
            hash := keccak256(free, TERMS_BYTES)
        }
    }
}
