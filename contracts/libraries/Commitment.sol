// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId} from "../interfaces/Types.sol";

/// @title The commitment's hashes: leaf, tree and seal. The twin of swarm/protocol/commitment.py.
/// @dev sha256 everywhere: standard library in Python, a precompile here.
library Commitment {
    /// @notice Levels above `count` leaves: ceil(log2 count).
    function depth(uint256 count) internal pure returns (uint256 levels) {
        while ((1 << levels) < count) levels++;
    }

    function leaf(
        JobId jobId,
        uint256 index,
        bytes32 traceRoot,
        bytes32 outputHash,
        bytes32 outputCid
    ) internal pure returns (bytes32) {
        bytes32 digest = sha256(abi.encodePacked(traceRoot, outputHash));
        return sha256(abi.encodePacked(bytes1(0x00), uint256(JobId.unwrap(jobId)), index, digest, outputCid));
    }

    /// @notice The root above `node`, which stands at `index` of the lowest level.
    function rootOf(bytes32 node, uint256 index, bytes32[] calldata proof) internal pure returns (bytes32) {
        for (uint256 height = 0; height < proof.length; height++) {
            node = (index >> height) & 1 == 1
                ? sha256(abi.encodePacked(bytes1(0x01), proof[height], node))
                : sha256(abi.encodePacked(bytes1(0x01), node, proof[height]));
        }
        return node;
    }

    /// @notice A committee member's sealed finding, bound to job, round and judge.
    function seal(
        JobId jobId,
        uint256 round,
        address judge,
        bytes32 leaf_,
        bytes32 evidenceCid,
        bytes32 salt
    ) internal pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                bytes1(0x02), uint256(JobId.unwrap(jobId)), round, uint256(uint160(judge)), leaf_, evidenceCid, salt
            )
        );
    }
}
