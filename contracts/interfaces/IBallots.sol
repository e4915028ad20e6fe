// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch} from "./IBeacon.sol";
import {Comparison, Job, Terms} from "./Job.sol";
import {BallotParameters} from "./Parameters.sol";
import {JobId, SlotId} from "./Types.sol";

/// @title Committees of judges, and their sealed votes on one segment of one job.
/// @notice The court calls a ballot; a fresh seed, which nobody can know yet, draws its committee. Members re-execute, seal their
/// verdicts, and reveal them once all are sealed or the time for it is over. Every step has a deadline; silence costs a fee.
/// A verdict is one word: MATCH, MISMATCH, UNAVAILABLE, or the leaf a member recomputed. Equal words are one class.
interface IBallots {
    enum BallotStatus {
        None,
        Drawing, // waiting for the seed that draws the committee
        Sealing, // the committee re-executes and seals; deadline for seals
        Revealing, // all sealed, or the sealing is over; deadline for reveals
        Counted,
        Failed // no committee could be drawn in time
    }

    struct Ballot {
        BallotStatus status;
        Comparison comparison;
        uint16 segment; // UNDELIVERED: whether the result can be fetched
        uint8 seats; // wanted
        uint8 size; // taken
        uint16 sealedSeats; // one bit per seat
        uint16 revealedSeats;
        uint16 provedSeats; // members who proved that the leaf they recomputed is the seller's own
        uint40 since; // when it was called: only slots active by then are drawn; 0 once they are
        uint40 deadline;
        Epoch epoch; // whose seed draws the committee; 0 once it has
    }

    /// @notice Re-execution of one segment: everything a judge must know to have run it.
    /// leaf = sha256(0x00 ‖ jobId ‖ segment ‖ sha256(traceRoot ‖ outputHash) ‖ outputCid).
    struct Opening {
        bytes32 traceRoot; // Merkle root of the intermediates; not in the published result
        bytes32 outputHash; // hash of the output's files
        bytes32 outputCid; // sha2-256 digest of the output directory's CID
    }

    event BallotCalled(JobId indexed jobId, uint8 round, uint16 segment, uint8 seats, Epoch epoch);
    event CommitteeDrawn(JobId indexed jobId, uint8 round, SlotId[] committee, uint40 deadline);
    event CommitteeMissing(JobId indexed jobId, uint8 round);
    event Sealed(JobId indexed jobId, uint8 round, SlotId indexed judge, bytes32 seal);
    event Revealed(JobId indexed jobId, uint8 round, SlotId indexed judge, bytes32 verdict, bytes32 evidenceCid);

    error OnlyTheCourt(address court);
    error WrongBallotStatus(BallotStatus expected, BallotStatus actual);
    error DeadlinePassed(uint40 deadline, uint40 time);
    error DeadlineRunning(uint40 deadline, uint40 time);
    error SeedNotKnown(Epoch epoch);
    error StaleDocket();
    error NotInCommittee(address operator);
    error WrongComparison(Comparison comparison);
    error WrongVerdict(bytes32 verdict);
    error WrongOpening();
    error WrongSegment(uint16 segment);
    error WrongProofLength(uint256 expected, uint256 actual);
    error AlreadySealed();
    error NotSealed();
    error AlreadyRevealed();
    error SealMismatch();
    error EmptySeal();

    /* THE COURT'S */

    /// @notice Calls a ballot on a segment. Rounds of a job are numbered by the court.
    function callBallot(
        JobId jobId,
        uint8 round,
        Comparison comparison,
        uint16 segment,
        uint8 seats
    ) external returns (Epoch);

    /// @notice Ends a ballot whose committee is not drawn yet: its question has gone away.
    function cancel(JobId jobId, uint8 round) external;

    /// @notice Ends a ballot whose votes are in or whose time is over.
    /// @return verdict Of at least two members and more than half of the seats; 0 without one.
    /// @return anybodyCame Whether anybody revealed.
    /// @return failed Whether there was no committee at all.
    function close(JobId jobId, uint8 round) external returns (bytes32 verdict, bool anybodyCame, bool failed);

    /// @notice Frees a committee's judges and forgets what they found: absent ones lose one fee, those overruled by `winner` five; without a winner all who spoke
    /// are right.
    /// @return right The judges who were right.
    /// @return penalties What the others lost.
    function release(JobId jobId, uint8 round, uint256 fee, bytes32 winner)
        external
        returns (SlotId[] memory right, uint256 penalties);

    /* MEMBERS' */

    /// @notice Draws the committee once its seed is known; draws again from where it stopped if seats are empty. When no committee can
    /// be found in time the ballot has failed. Anyone may call it; a member that foresees its seat may draw and seal in one
    /// `multicall`.
    /// @return Who has been found so far.
    function drawCommittee(JobId jobId, uint8 round, Job calldata job, Terms calldata terms)
        external
        returns (SlotId[] memory);

    /// @notice Seals a member's verdict: sha256(0x02 ‖ jobId ‖ round ‖ judge ‖ verdict ‖ evidenceCid ‖ salt), where judge is
    /// the operator's address, so that another judge cannot replay it.
    function seal(JobId jobId, uint8 round, uint8 seat, bytes32 seal_) external;

    /// @notice The court's `tally`, so that whoever reveals last may take the result in the same `multicall`.
    function tally(JobId jobId) external;

    /// @notice Reveals a sealed re-execution by its preimage (exact class). The seal itself says whose it is. With a Merkle `proof` that the recomputed leaf is the
    /// seller's own the member acquits; with an empty proof it convicts with the leaf it recomputed.
    function reveal(
        JobId jobId,
        uint8 round,
        uint8 seat,
        Job calldata job,
        Opening calldata opening,
        Envelope calldata envelope,
        bytes32[] calldata proof
    ) external;

    /// @notice Reveals a sealed verdict that is a word: MATCH, MISMATCH or UNAVAILABLE.
    function revealWord(JobId jobId, uint8 round, uint8 seat, bytes32 verdict, Envelope calldata envelope) external;

    /// @notice What a seal hides beside the verdict.
    struct Envelope {
        bytes32 evidenceCid;
        bytes32 salt;
    }

    /* VIEWS */

    function ballotOf(JobId jobId, uint8 round) external view returns (Ballot memory);
    function committeeOf(JobId jobId, uint8 round) external view returns (SlotId[] memory);
    /// @notice The verdict of at least two members and more than half of the seats, as far as revealed; 0 without one.
    function verdictOf(JobId jobId, uint8 round) external view returns (bytes32);
    /// @notice A member's seal before it revealed, the leaf or word it revealed afterwards; 0 once the case is closed.
    function findingOf(JobId jobId, uint8 round, uint8 seat) external view returns (bytes32);
    /// @notice The longest time from the call of a ballot to its draw.
    function drawHorizon() external view returns (uint64);
    function parameters() external view returns (BallotParameters memory);
}
