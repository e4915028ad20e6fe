// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId} from "./Types.sol";

/// @notice How a court ended a case.
/// Confirmed: the drawn judge opened the commitment. Acquitted / Slashed: a committee agreed for / against the seller.
/// Void: the committee did not agree; nobody who spoke is slashed. Unjudged: no judge answered; the case fails open.
enum Ruling {
    None,
    Confirmed,
    Acquitted,
    Slashed,
    Void,
    Unjudged
}

/// @notice What a court must know of a job to judge it.
struct AuditTerms {
    address buyer;
    address seller;
    uint16 segments;
    uint24 segmentSeconds;
    uint16 hardwareClass;
    bytes32 segmentRoot;
}

/// @title What a court asks of the contract whose jobs it judges.
interface IAuditable {
    /// @notice The committed facts of a job; fixed from submission on.
    function auditTermsOf(JobId jobId) external view returns (AuditTerms memory);

    /// @notice Carries out a ruling. Only the court may call it, once per case.
    /// @param right The owners of the judges who were right, each to be paid one fee. When the first judge is among
    /// them it comes first and `firstIsRight` is true: its fee comes from the job's reserve, the others' from who was wrong.
    /// @param penalties Tokens the court has already sent here: what absent and overruled judges lost in this case.
    function rule(JobId jobId, Ruling ruling, address[] calldata right, bool firstIsRight, uint256 penalties) external;

    /// @notice Books tokens the court has sent here: what a late judge lost while its case goes on.
    function bookPenalty(uint256 amount) external;
}
