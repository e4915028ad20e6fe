// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId} from "../interfaces/Types.sol";

/// @title A seller's commitment to every segment of a job, and a judge's sealed finding.
/// @dev sha256 throughout, so that the off-chain twin needs no third-party code. Every kind of hash has a tag of its own:
/// an inner node can never pass for a leaf, and a tree's depth is fixed by the number of segments.
library Commitment {
    /// @return D, whose preimage only somebody who ran the segment knows.
    function digest(bytes32 traceRoot, bytes32 outputHash) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(traceRoot, outputHash));
    }

    function leaf(JobId jobId, uint256 index, bytes32 digest_, bytes32 outputCid) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), uint256(JobId.unwrap(jobId)), index, digest_, outputCid));
    }

    /// @notice Levels above the leaves: ceil(log2 count).
    function depth(uint256 count) internal pure returns (uint256 levels) {
        while ((1 << levels) < count) ++levels;
    }

    /// @dev The bits of `index` choose the sides; the caller has checked the proof's length against `depth`.
    function root(bytes32 leaf_, uint256 index, bytes32[] calldata proof) internal pure returns (bytes32 node) {
        node = leaf_;
        for (uint256 height; height < proof.length; ++height) {
            bool isRight = (index >> height) & 1 == 1;
            (bytes32 left, bytes32 right) = isRight ? (proof[height], node) : (node, proof[height]);
            node = sha256(abi.encodePacked(bytes1(0x01), left, right));
        }
    }

    /// @dev Bound to job, round and judge, so that nobody can replay another judge's seal.
    function seal(JobId jobId, uint256 round, address judge, bytes32 leaf_, bytes32 evidenceCid, bytes32 salt)
        internal
        pure
        returns (bytes32)
    {
        uint256 job = JobId.unwrap(jobId);
        uint256 who = uint160(judge);
        return sha256(abi.encodePacked(bytes1(0x02), job, round, who, leaf_, evidenceCid, salt));
    }
}
