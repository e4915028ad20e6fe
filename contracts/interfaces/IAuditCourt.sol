// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch} from "./IBeacon.sol";
import {Ruling} from "./IAuditable.sol";
import {CourtParameters} from "./Parameters.sol";
import {JobId, SlotId} from "./Types.sol";

/// @title Judges' slots, draws, verdicts and rulings.
/// @notice An audit re-executes one segment of one job. One drawn judge confirms by opening the seller's own
/// commitment, which only somebody who ran the segment can, or denies; a denial slashes nobody but draws a committee of
/// three from a fresh seed. The committee seals, reveals, and is tallied. Every step that waits for somebody has a
/// deadline after which anyone may move the case on.
interface IAuditCourt {
    enum CaseStatus {
        None,
        Judging, // the drawn judge is re-executing; deadline for its verdict
        Denied, // waiting for the fresh seed that draws the committee
        Sealing, // the committee re-executes and seals; deadline for seals
        Revealing, // all sealed, or the sealing is over; deadline for reveals
        Ruled
    }

    /// @notice A judge's seat. An owner may hold several; each serves one hardware class.
    struct Slot {
        address owner; // holds the stake, receives fees
        uint40 activeFrom;
        uint40 activeUntil; // 0 while active; draws for older commitments may still take a slot that has left
        uint8 strikes; // deadlines missed; at three the slot is suspended
        address operator; // sends verdicts, cannot touch money
        uint16 hardwareClass;
        uint8 cases; // live assignments
        uint64 index; // position on the bench of its class
    }

    struct Case {
        CaseStatus status;
        uint16 segment;
        uint8 replacements; // judges who were late and replaced
        uint8 round; // 0: one judge; 1: committee of three. Appeals will count on.
        uint40 since; // when the round began: only slots active by then are drawn
        uint40 deadline;
        Epoch epoch; // whose seed draws this round
        SlotId judge; // the drawn judge of round 0
        uint96 fee;
        bytes32 deniedLeaf; // what the first judge says the leaf should be; 0 before a denial
        SlotId[3] committee;
    }

    /// @notice One committee member's state.
    struct Seat {
        bytes32 seal;
        bytes32 leaf; // the recomputed leaf once revealed
        bool matches; // the revealed leaf was proved to be the seller's own
    }

    /// @notice Re-execution of one segment: everything a judge must know to have run it.
    /// leaf = sha256(0x00 ‖ jobId ‖ segment ‖ sha256(traceRoot ‖ outputHash) ‖ outputCid).
    struct Opening {
        bytes32 traceRoot; // Merkle root of the intermediates; not in the published result
        bytes32 outputHash; // hash of the output's files
        bytes32 outputCid; // sha2-256 digest of the output directory's CID
    }

    event SlotTaken(SlotId indexed slotId, address indexed owner, address operator, uint16 hardwareClass);
    event SlotLeft(SlotId indexed slotId, uint40 activeUntil);
    event SlotReleased(SlotId indexed slotId);
    event CaseOpened(JobId indexed jobId, uint16 segment, SlotId indexed judge, uint40 deadline);
    event JudgeReplaced(JobId indexed jobId, SlotId indexed late, SlotId indexed judge, uint40 deadline);
    event Confirmed(JobId indexed jobId, SlotId indexed judge);
    event Denied(JobId indexed jobId, SlotId indexed judge, bytes32 leaf, bytes32 evidenceCid, Epoch epoch);
    event CommitteeDrawn(JobId indexed jobId, uint8 round, SlotId[3] committee, uint40 deadline);
    event Sealed(JobId indexed jobId, SlotId indexed judge, bytes32 seal);
    event Revealed(JobId indexed jobId, SlotId indexed judge, bytes32 leaf, bool matches, bytes32 evidenceCid);
    event Ruled(JobId indexed jobId, Ruling ruling, address[] right, uint256 penalties);
    event JudgePenalised(JobId indexed jobId, SlotId indexed judge, uint256 amount);

    error OnlyAuditable();
    error OnlyOperator(address operator);
    error OnlySlotOwner(address owner);
    error SlotNotActive(SlotId slotId);
    error SlotBusy(uint8 cases);
    error ExitDelayRunning(uint40 readyAt, uint40 time);
    error WrongCaseStatus(CaseStatus expected, CaseStatus actual);
    error CaseAlreadyOpen(JobId jobId);
    error DeadlinePassed(uint40 deadline, uint40 time);
    error DeadlineRunning(uint40 deadline, uint40 time);
    error NotTheJudge(SlotId drawn);
    error NotInCommittee(address operator);
    error WrongOpening();
    error WrongProofLength(uint256 expected, uint256 actual);
    error AlreadySealed();
    error NotSealed();
    error AlreadyRevealed();
    error SealMismatch();
    error EmptyLeaf();
    error EmptySeal();
    error SeedNotKnown(Epoch epoch);
    error UnsafeDelays();

    /* BENCH */

    /// @notice Takes a seat for `hardwareClass`; locks `slotBond` of the caller's stake in the vault.
    /// @param operator The key that will send verdicts; it may be the caller.
    function takeSlot(uint16 hardwareClass, address operator) external returns (SlotId);

    /// @notice Leaves the seat: no draw for a commitment made after this takes it.
    function leaveSlot(SlotId slotId) external;

    /// @notice Returns the bond once `slotExitDelay` has passed and no case is live; the seat can be taken anew.
    function releaseSlot(SlotId slotId) external;

    /* AUDIT */

    /// @notice Opens a case on a drawn job and draws its judge. Only the escrow may call it.
    /// @param since When the job was committed: only slots active by then are drawn.
    function open(JobId jobId, Epoch epoch, uint40 since, uint96 fee) external;

    /// @notice Confirms: opens the seller's own commitment of the drawn segment.
    function confirm(JobId jobId, Opening calldata opening, bytes32[] calldata proof) external;

    /// @notice Denies: says which leaf the segment should have had. Draws a committee from a fresh seed.
    /// @dev Warning: a denial that the committee overrules costs five fees.
    function deny(JobId jobId, bytes32 leaf, bytes32 evidenceCid) external;

    /// @notice Replaces a late judge, who pays one fee, by the next in the draw. After five the case fails open.
    function replaceJudge(JobId jobId) external;

    /* COMMITTEE */

    /// @notice Draws the committee once the fresh seed is known; draws again from where it stopped if seats are empty.
    /// When no committee can be found in time the case is ruled Void.
    function drawCommittee(JobId jobId) external;

    /// @notice Seals a member's finding: sha256(0x02 ‖ jobId ‖ round ‖ judge ‖ leaf ‖ evidenceCid ‖ salt), where judge is
    /// the operator's address, so that another judge cannot replay it.
    function seal(JobId jobId, bytes32 seal_) external;

    /// @notice Reveals a sealed finding by its preimage. With a Merkle `proof` that the recomputed leaf is the seller's own the
    /// member acquits; with an empty proof it convicts with the leaf it recomputed.
    function reveal(
        JobId jobId,
        Opening calldata opening,
        bytes32 evidenceCid,
        bytes32 salt,
        bytes32[] calldata proof
    ) external;

    /// @notice Rules once all have revealed or the time for it is over: a class of at least two members and a strict majority
    /// decides; without one the ruling is Void.
    function tally(JobId jobId) external;

    /* VIEWS */

    function auditable() external view returns (address);
    function slotBond() external view returns (uint256);
    function slotOf(SlotId slotId) external view returns (Slot memory);
    function slotCount() external view returns (uint32);
    /// @notice What is left of a slot's bond, and how much of that its live cases reserve (5 F each).
    function bondOf(SlotId slotId) external view returns (uint256 left, uint256 reserved);
    function caseOf(JobId jobId) external view returns (Case memory);
    function seatOf(JobId jobId, SlotId slotId) external view returns (Seat memory);
    /// @notice How many independent owners with an active slot serve the class.
    function ownersOf(uint16 hardwareClass) external view returns (uint32);
    /// @notice Whether a job between these two could be given a judge and a committee at this fee.
    function canJudge(uint16 hardwareClass, address buyer, address seller, uint256 fee) external view returns (bool);
    /// @notice The longest time a case can keep a slot's bond at risk.
    function horizon() external view returns (uint64);
    function maxSegmentSeconds() external view returns (uint24);
    function parameters() external view returns (CourtParameters memory);
}
