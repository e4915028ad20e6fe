// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Job, Terms} from "./Job.sol";
import {JobId, SlotId} from "./Types.sol";

/// @notice How a court ended a case.
/// Confirmed: the drawn judge stood by the seller. Acquitted / Slashed: a committee agreed for / against the seller.
/// Void: the committee did not agree; nobody who spoke is slashed. Unjudged: nobody answered; the job fails open.
/// Canary: the buyer showed that the result was false on purpose, to see whether judges look.
enum Ruling {
    None,
    Confirmed,
    Acquitted,
    Slashed,
    Void,
    Unjudged,
    Canary
}

/// @notice A ruling and what it costs whom. Tokens of penalties and bonds are with the escrow already.
struct Outcome {
    Ruling ruling;
    bool answersDraw; // the case was the job's drawn audit, not a challenge
    bool harmedSeller; // an acquitted seller was accused of false work, not of being out of reach
    bool firstIsRight; // right[0] is the drawn judge, paid from the levy as if it had confirmed
    SlotId[] right; // the judges who were right, each to be paid one fee
    address[] accusers; // challengers and appellants who were right: a share, no fee
    uint256 penalties; // what absent and overruled judges lost in this case
    uint256 forfeited; // bonds of challengers and appellants who were wrong
    address[] bonded; // whose bonds go back …
    uint256[] bonds; // … and how much
}

/// @title What a court asks of the contract whose jobs it judges.
interface IAuditable {
    /// @notice Reverts unless `job` is the present state of the job.
    function requireCurrent(JobId jobId, Job calldata job) external view;

    /// @notice Opens the audit of a drawn job. Anyone may call it.
    /// @return judge The slot that was drawn; 0 for none.
    function openAudit(JobId jobId, Job calldata job, Terms calldata terms) external returns (SlotId judge);

    /// @notice Carries out a ruling. Only the court may call it.
    function rule(JobId jobId, Job calldata job, Outcome calldata outcome) external;

    /// @notice Marks a submitted job as challenged and collects the challenger's bond. Only the court may call it.
    function challenged(JobId jobId, Job calldata job, address challenger, uint256 bond) external;

    /// @notice Collects the bond of somebody who joins or appeals. Only the court may call it.
    function takeBond(address payer, uint256 bond) external;

    /// @notice Books tokens the bench has sent here: what a late judge lost while its case goes on.
    function bookPenalty(uint256 amount) external;

    /// @notice Pays fees that a judge has earned. Only the bench may call it.
    function payJudge(address owner, uint256 amount) external;

    /// @notice From a submission to the settlement anyone may call, in seconds.
    function auditWindow() external view returns (uint40);

    /// @notice F of a job. Reverts unless `job` is its present state.
    function feeOf(JobId jobId, Job calldata job) external view returns (uint256);

    /// @notice F of a job: what one re-execution of one segment is paid.
    function feeFor(uint256 price, uint16 segments) external view returns (uint256);
}
