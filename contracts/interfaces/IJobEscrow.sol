// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditable} from "./IAuditable.sol";
import {Epoch} from "./IBeacon.sol";
import {EscrowParameters} from "./Parameters.sol";
import {JobId} from "./Types.sol";

/// @title Buyers' payments and the life of a job.
/// @notice None → Open → Running → Submitted → Settled | Slashed | Refunded | Void, with UnderAudit and Challenged between
/// Submitted and the end. Expired is derived from the clock. Every state that is not final has a deadline after which
/// anyone can bring the job on.
interface IJobEscrow is IAuditable {
    enum JobStatus {
        None,
        Open,
        Running,
        Submitted,
        UnderAudit,
        Challenged,
        Settled,
        Slashed,
        Refunded,
        Void
    }

    /// @notice What a buyer asks for and offers.
    struct Terms {
        bytes32 specCid; // sha2-256 digest of the spec's raw block (canonical JSON)
        uint96 price; // R, for the whole job
        uint16 segments; // n, 1 … 1024
        uint24 segmentSeconds; // the longest a segment may take to re-execute
        uint24 runSeconds; // from acceptance to submission
        uint24 openSeconds; // how long the job waits for a seller
        uint16 hardwareClass; // whose judges can re-execute it
    }

    struct Job {
        // what was posted
        address buyer;
        uint16 segments;
        uint24 segmentSeconds;
        uint24 runSeconds;
        uint16 hardwareClass;
        // what moves
        address seller;
        JobStatus status;
        uint40 deadline; // of the present state: to accept by, to submit by, the end of the audit window
        uint16 auditBps; // p, stored at acceptance
        Epoch epoch; // whose seed decides whether the job is audited
        uint96 price;
        uint96 collateral;
        uint40 openUntil;
        bool audited;
        bytes32 specCid;
        bytes32 resultCid; // sha2-256 digest of the result directory's CID
        bytes32 segmentRoot;
    }

    event JobPosted(JobId indexed jobId, address indexed buyer, bytes32 specCid, uint256 price, uint16 segments);
    event JobCancelled(JobId indexed jobId);
    event JobAccepted(JobId indexed jobId, address indexed seller, uint256 collateral, uint16 auditBps, uint40 deadline);
    event JobAborted(JobId indexed jobId, address indexed seller, uint256 penalty, bool reopened);
    event JobSubmitted(JobId indexed jobId, address indexed seller, bytes32 resultCid, bytes32 segmentRoot, Epoch epoch);
    event JobRefunded(JobId indexed jobId, uint256 refunded, uint256 penalty);
    event AuditOpened(JobId indexed jobId);
    event JobRuled(JobId indexed jobId, uint8 ruling);
    event JobSettled(JobId indexed jobId, address indexed seller, uint256 paid, uint256 fee, uint256 returned);
    event JobSlashed(JobId indexed jobId, address indexed seller, uint256 slashed, uint256 refunded, uint256 burned);
    event JobVoided(JobId indexed jobId, uint256 toBuyer, uint256 toSeller);
    event JudgePaid(JobId indexed jobId, address indexed judge, uint256 amount);
    event Credited(address indexed account, uint256 amount);
    event Claimed(address indexed account, uint256 amount, address to);
    event Burned(uint256 amount);

    error WrongStatus(JobStatus expected, JobStatus actual);
    error OnlyBuyer(address buyer);
    error OnlySeller(address seller);
    error OnlyCourt(address court);
    error PriceTooLow(uint256 minimum, uint256 price);
    error SegmentsOutOfRange(uint256 maximum, uint256 segments);
    error SecondsOutOfRange(uint256 maximum, uint256 seconds_);
    error EmptyCid();
    error EmptyRoot();
    error SellerIsBuyer();
    error CollateralTooLow(uint256 minimum, uint256 collateral);
    error NotEnoughJudges(uint16 hardwareClass);
    error TooLate(uint40 deadline, uint40 time);
    error TooEarly(uint40 deadline, uint40 time);
    error AwaitingSeed(Epoch epoch);
    error NotDrawn();
    error AuditPending();
    error NothingToClaim();
    error PartialTransfer(uint256 expected, uint256 received);
    error WrongCourt(address auditable);

    /* POSTING */

    /// @notice Posts a job and moves price + the largest possible audit cost (`escrowFor`) into escrow: the most the buyer can ever pay.
    function post(Terms calldata terms) external returns (JobId);

    /// @notice Takes an open job back; everything returns to the buyer.
    function cancel(JobId jobId) external;

    /* ACCEPTANCE */

    /// @notice Accepts a job, locking `collateral` of the caller's stake. The audit rate follows from it:
    /// p = clamp(1.25 · R / (R + L), 5 %, 100 %).
    /// @dev Warning: a seller that never submits loses a tenth of the price.
    function accept(JobId jobId, uint96 collateral) external;

    /// @notice Gives a running job up in time, for 2 % of the price; it opens again, or is refunded when its time to open is over.
    function abort(JobId jobId) external;

    /* SUBMISSION */

    /// @notice Commits to the result. Fixes the epoch whose seed, unknown now, will decide whether the job is audited.
    function submit(JobId jobId, bytes32 resultCid, bytes32 segmentRoot) external;

    /// @notice Ends a job nobody accepted, or whose seller is late, and returns the payment to the buyer. Anyone may call it.
    function refund(JobId jobId) external;

    /* AUDIT */

    /// @notice Whether the seed draws this job for an audit. Pure function of seed, job and root.
    /// @dev Reverts with AwaitingSeed while the seed is unknown.
    function isDrawn(JobId jobId) external view returns (bool);

    /// @notice Opens the audit of a drawn job. Anyone may call it.
    function openAudit(JobId jobId) external;

    /* SETTLEMENT */

    /// @notice Pays the seller once the seed is known, the job was not drawn or its audit is passed, and the audit window is over;
    /// the buyer need not wait for the window (early acceptance).
    function settle(JobId jobId) external;

    /// @notice Pays out what could not be delivered to the caller before.
    function claim(address to) external;

    /// @notice Sends what is to be burned to the burn address.
    function burn() external;

    /* VIEWS */

    function jobOf(JobId jobId) external view returns (Job memory);
    function jobCount() external view returns (uint64);
    /// @notice F = max(F_min, 1.2 · R / n): what one re-execution of one segment is paid.
    function feeFor(uint256 price, uint16 segments) external view returns (uint256);
    /// @notice The whole amount `post` takes: price + ceil(1.25 · F).
    function escrowFor(uint256 price, uint16 segments) external view returns (uint256);
    /// @notice max(25 % R, 4 F).
    function minCollateralFor(uint256 price, uint16 segments) external view returns (uint256);
    function auditBpsFor(uint256 price, uint256 collateral) external view returns (uint16);
    /// @notice Tokens that belong to no job: they pay audits that a levy does not cover.
    function pool() external view returns (uint256);
    /// @notice Tokens that the next `burn` sends away.
    function burnable() external view returns (uint256);
    function creditOf(address account) external view returns (uint256);
    function parameters() external view returns (EscrowParameters memory);

    // Next in this place: postMany, a rising price, sellers named by the buyer, challenge, undelivered, appeal, handBack.
}
