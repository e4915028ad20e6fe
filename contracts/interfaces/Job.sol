// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch} from "./IBeacon.sol";

/// @notice Where a job stands. Expired is derived from the clock, never stored; Challenged is also how readers see an audit
/// whose judge has denied.
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

/// @notice How a re-execution is compared with what the seller committed to.
/// Exact: bit by bit; a judge confirms by opening the commitment. Tolerance: within the certified bounds of the image; a
/// judge gives its word, canaries and challenges keep it honest. Delivery: nobody certified the image, so only a result
/// that cannot be fetched is a fault.
enum Comparison {
    Exact,
    Tolerance,
    Delivery
}

/// @notice What a buyer asks for and offers; never changes once posted.
struct Terms {
    bytes32 specCid; // sha2-256 digest of the spec's raw block (canonical JSON)
    bytes32 input; // what the first segment starts from, when not what the spec says: an earlier output's CID digest
    uint96 startPrice; // the price at posting …
    uint96 maxPrice; // … rises in a line to this
    uint24 riseSeconds; // within this time; 0: the price is maxPrice at once
    uint16 firstSegment; // of the spec: this job is segments firstSegment … firstSegment + segments − 1
    uint16 segments; // n, 1 … 1024
    uint24 segmentSeconds; // the longest a segment may take to re-execute
    uint24 runSeconds; // from acceptance to submission
    uint24 openSeconds; // how long the job waits for a seller
    uint16 hardwareClass; // whose judges can re-execute it
    Comparison comparison;
    uint8 parts; // sellers who may finish it one after the other, by handing back: 1 for none
    uint16 minReputation; // basis points; 0 for no filter
    address seller; // the only seller who may accept; 0 for anyone
}

/// @notice The moving part of a job. The escrow stores only keccak256(abi.encode(job)); callers bring the job itself, which the
/// events of its life give, and the hash proves.
struct Job {
    bytes32 termsHash; // keccak256(abi.encode(terms))
    address buyer;
    JobStatus status;
    bool audited; // its draw is answered: passed, or failed open
    uint16 segments; // those this job is paid for
    uint40 openUntil;
    uint40 deadline; // of the present state: to accept by, to submit by, the end of the audit window
    uint96 held; // tokens of the job in the escrow; 0 at its end
    // from acceptance on
    address seller;
    uint96 price; // R, fixed at acceptance
    uint96 collateral; // L
    uint16 auditBps; // p
    // from submission on
    Epoch epoch; // whose seed decides whether the job is audited
    bytes32 resultCid; // sha2-256 digest of the result directory's CID
    bytes32 segmentRoot;
}
