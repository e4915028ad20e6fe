// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId} from "../interfaces/Types.sol";
import {BPS} from "./Bps.sol";

/// @title What a seed decides: whether a job is audited, which segment, which slot.
/// @dev Pure functions of seed, job and commitment: never of the caller or the block.
library Draw {
    function isDrawn(bytes32 seed, JobId jobId, bytes32 root, uint256 auditBps) internal pure returns (bool) {
        return uint256(sha256(abi.encodePacked(bytes1(0x10), seed, _word(jobId), root))) % BPS < auditBps;
    }

    function segment(bytes32 seed, JobId jobId, bytes32 root, uint256 segments) internal pure returns (uint256) {
        return uint256(sha256(abi.encodePacked(bytes1(0x11), seed, _word(jobId), root))) % segments;
    }

    /// @return The position on a bench of `count` that probe `t` of a round looks at.
    function position(bytes32 seed, JobId jobId, uint256 round, uint256 t, uint256 count)
        internal
        pure
        returns (uint256)
    {
        return uint256(sha256(abi.encodePacked(bytes1(0x12), seed, _word(jobId), round, t))) % count;
    }

    function _word(JobId jobId) private pure returns (uint256) {
        return JobId.unwrap(jobId);
    }
}
