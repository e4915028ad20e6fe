// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId} from "../interfaces/Types.sol";
import {Bps} from "./Bps.sol";

/// @title What a seed decides. The twin of swarm/protocol/draw.py.
library Draw {
    /// @notice Whether the seed draws a job for an audit.
    function isDrawn(bytes32 seed, JobId jobId, bytes32 root, uint16 auditBps) internal pure returns (bool) {
        return _point(0x10, seed, jobId, root) % Bps.ONE < auditBps;
    }

    /// @notice The segment that is re-executed.
    function segment(bytes32 seed, JobId jobId, bytes32 root, uint16 segments) internal pure returns (uint16) {
        return uint16(_point(0x11, seed, jobId, root) % segments);
    }

    /// @notice The bench position that attempt `attempt` of a round looks at.
    function slot(
        bytes32 seed,
        JobId jobId,
        uint256 round,
        uint256 attempt,
        uint256 benchSize
    ) internal pure returns (uint256) {
        bytes32 mixed =
            sha256(abi.encodePacked(bytes1(0x12), seed, uint256(JobId.unwrap(jobId)), round, attempt));
        return uint256(mixed) % benchSize;
    }

    function _point(bytes1 tag, bytes32 seed, JobId jobId, bytes32 root) private pure returns (uint256) {
        return uint256(sha256(abi.encodePacked(tag, seed, uint256(JobId.unwrap(jobId)), root)));
    }
}
