// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditable, Ruling} from "./IAuditable.sol";
import {Epoch} from "./IBeacon.sol";
import {Job, JobStatus, Terms} from "./Job.sol";
import {EscrowParameters} from "./Parameters.sol";
import {JobId} from "./Types.sol";

/// @title Buyers' payments and the life of a job.
/// @notice None → Open → Running → Submitted → Settled | Slashed | Refunded | Void, with UnderAudit and Challenged between
/// Submitted and the end. Every state that is not final has a deadline after which anyone can bring the job on.
/// One word is stored per job, the hash of its state: whoever calls brings the state, which the events of the job's life give.
interface IJobEscrow is IAuditable {
    event JobPosted(JobId indexed jobId, address indexed buyer, Terms terms, uint96 held, uint40 openUntil);
    event JobCancelled(JobId indexed jobId);
    event JobAccepted(
        JobId indexed jobId, address indexed seller, uint96 price, uint96 collateral, uint16 auditBps, uint40 deadline
    );
    event JobAborted(JobId indexed jobId, address indexed seller, uint256 penalty, bool reopened);
    event JobSubmitted(
        JobId indexed jobId,
        address indexed seller,
        bytes32 resultCid,
        bytes32 segmentRoot,
        Epoch epoch,
        uint40 deadline
    );
    /// @notice The job goes on as `rest`; what was done is submitted with these numbers.
    event JobHandedBack(JobId indexed jobId, JobId indexed rest, uint16 segments, uint96 price, uint96 held);
    event JobRefunded(JobId indexed jobId, uint256 refunded, uint256 penalty);
    event AuditOpened(JobId indexed jobId);
    event JobChallenged(JobId indexed jobId, address indexed challenger);
    event JobRuled(
        JobId indexed jobId, Ruling ruling, JobStatus status, bool audited, uint96 held, uint40 deadline
    );
    event JobSettled(JobId indexed jobId, address indexed seller, uint256 paid, uint256 fee, uint256 returned);
    event JobSlashed(JobId indexed jobId, address indexed seller, uint256 slashed, uint256 refunded, uint256 burned);
    event JobVoided(JobId indexed jobId, uint256 toBuyer, uint256 toSeller);
    event Credited(address indexed account, uint256 amount);
    event Claimed(address indexed account, uint256 amount, address to);
    event Burned(uint256 amount);

    error StaleJob(JobId jobId);
    error StaleTerms();
    error WrongStatus(JobStatus expected, JobStatus actual);
    error OnlyBuyer(address buyer);
    error OnlySeller(address seller);
    error OnlyCourt(address court);
    error OnlyBench(address bench);
    error PriceTooLow(uint256 minimum, uint256 price);
    error PriceFalls(uint256 startPrice, uint256 maxPrice);
    error SegmentsOutOfRange(uint256 maximum, uint256 segments);
    error PartsOutOfRange(uint256 maximum, uint256 parts);
    error SecondsOutOfRange(uint256 maximum, uint256 seconds_);
    error EmptyCid();
    error EmptyRoot();
    error NothingPosted();
    error SellerIsBuyer();
    error ReputationTooLow(uint256 minimum, uint256 reputation);
    error CollateralTooLow(uint256 minimum, uint256 collateral);
    error NotEnoughJudges(uint16 hardwareClass);
    error WrongOutput();
    error TooLate(uint40 deadline, uint40 time);
    error TooEarly(uint40 deadline, uint40 time);
    error AwaitingSeed(Epoch epoch);
    error NotDrawn();
    error AuditPending();
    error NothingToClaim();
    error PartialTransfer(uint256 expected, uint256 received);
    error WrongCourt(address auditable);

    /* POSTING */

    /// @notice Posts a job and moves `escrowFor` of it into escrow: the most the buyer can ever pay.
    function post(Terms calldata terms) external returns (JobId);

    /// @notice Posts the same terms once for each spec, in one transfer: a sweep. Ids run on from the first.
    function postMany(Terms calldata terms, bytes32[] calldata specCids) external returns (JobId first);

    /// @notice Takes an open job back; everything returns to the buyer.
    function cancel(JobId jobId, Job calldata job) external;

    /* ACCEPTANCE */

    /// @notice Accepts a job at its present price, locking `collateral` of the seller's stake. The audit rate follows from it:
    /// p = clamp(1.25 · R / (R + L), 5 %, 100 %). The caller is the seller or its operator.
    /// @dev Warning: a seller that never submits loses a tenth of the price.
    function accept(JobId jobId, Job calldata job, Terms calldata terms, address seller, uint96 collateral) external;

    /// @notice Gives a running job up in time, for 2 % of the price; it opens again, or is refunded when its time to open is over.
    function abort(JobId jobId, Job calldata job) external;

    /* SUBMISSION */

    /// @notice Commits to the result. Fixes the epoch whose seed, unknown now, will decide whether the job is audited.
    function submit(JobId jobId, Job calldata job, bytes32 resultCid, bytes32 segmentRoot) external;

    /// @notice Splits a running job after its first `done` segments: they are submitted as they are, for their share of the price,
    /// and the others open again as a job of their own that starts from the last output. No penalty.
    /// @param last What the last leaf is made of: D, and the CID of the output the rest starts from.
    function handBack(
        JobId jobId,
        Job calldata job,
        Terms calldata terms,
        Submission calldata part,
        LastOutput calldata last
    ) external returns (JobId rest);

    /// @notice What a seller hands in of a job it hands back.
    struct Submission {
        bytes32 resultCid;
        bytes32 segmentRoot;
        uint16 done;
    }

    /// @notice The last leaf of a part, opened as far as the next seller needs it.
    struct LastOutput {
        bytes32 digest;
        bytes32 outputCid;
        bytes32[] proof;
    }

    /// @notice Ends a job nobody accepted, or whose seller is late, and returns the payment to the buyer. Anyone may call it.
    function refund(JobId jobId, Job calldata job) external;

    /* AUDIT */

    /// @notice Whether the seed draws this job for an audit. Pure function of seed, job and root.
    /// @dev Reverts with AwaitingSeed while the seed is unknown.
    function isDrawn(JobId jobId, Job calldata job) external view returns (bool);

    /* SETTLEMENT */

    /// @notice Pays the seller once the seed is known, the job was not drawn or its audit is passed, and the audit window is over;
    /// the buyer need not wait for the window (early acceptance).
    function settle(JobId jobId, Job calldata job) external;

    /// @notice Pays out what could not be delivered to the caller before.
    function claim(address to) external;

    /// @notice Sends what is to be burned to the burn address.
    function burn() external;

    /* VIEWS */

    /// @notice keccak256(abi.encode(job)); 0 for a job never posted.
    function stateOf(JobId jobId) external view returns (bytes32);
    function jobCount() external view returns (uint64);
    /// @notice The price a seller who accepts at `time` gets.
    function priceAt(Terms calldata terms, uint40 openUntil, uint40 time) external pure returns (uint96);
    /// @notice The whole amount `post` takes: price + parts · ceil(1.25 · F).
    function escrowFor(uint256 price, uint16 segments, uint8 parts) external view returns (uint256);
    /// @notice max(25 % R, 4 F).
    function minCollateralFor(uint256 price, uint16 segments) external view returns (uint256);
    function auditBpsFor(uint256 price, uint256 collateral) external view returns (uint16);
    /// @notice Tokens that belong to no job: they pay audits that a levy does not cover.
    function pool() external view returns (uint256);
    /// @notice Tokens that the next `burn` sends away.
    function burnable() external view returns (uint256);
    function creditOf(address account) external view returns (uint256);
    function parameters() external view returns (EscrowParameters memory);
}
