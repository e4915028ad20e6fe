// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Ruling} from "./IAuditable.sol";
import {IBallots} from "./IBallots.sol";
import {Epoch} from "./IBeacon.sol";
import {Comparison, Job, Terms} from "./Job.sol";
import {CourtParameters} from "./Parameters.sol";
import {JobId, SlotId} from "./Types.sol";

/// @title Cases: audits that the seed drew, challenges that somebody bonded for, and their rulings.
/// @notice An audit re-executes one segment of one job. One drawn judge confirms or denies; a denial slashes nobody but calls a
/// ballot of three judges, and so does a challenge. The ruling can be appealed twice, to seven and to fifteen judges, and
/// is then executed. Every step that waits for somebody has a deadline after which anyone may move the case on.
interface IAuditCourt {
    enum CaseStatus {
        None,
        Judging, // the drawn judge is re-executing, or a volunteer is wanted; deadline for its verdict
        Voting, // a ballot is open; its deadlines are its own
        Appealable, // ruled by a committee; deadline for an appeal
        Closed
    }

    struct Case {
        CaseStatus status;
        Comparison comparison;
        Ruling ruling; // the last committee's, or the final one
        bool answersDraw; // the drawn audit; false for a challenge
        uint8 round; // the present ballot's number. Numbers run on over all cases of a job
        uint8 firstRound; // of this case's ballots
        uint8 ruledRound; // whose ballot decided the ruling
        uint8 instance; // 0: one judge; 1, 2, 3: which committee
        uint8 replacements; // judges who were late and replaced
        uint16 segment; // UNDELIVERED: whether the result can be fetched
        uint40 deadline;
        SlotId judge;
        bytes12 denied; // the beginning of sha256 of what the judge says the segment should have been; 0 before
    }

    event CaseOpened(JobId indexed jobId, uint16 segment, SlotId indexed judge, uint40 deadline);
    event JudgeReplaced(JobId indexed jobId, SlotId indexed late, SlotId indexed judge, uint40 deadline);
    event Volunteered(JobId indexed jobId, SlotId indexed judge);
    event Confirmed(JobId indexed jobId, SlotId indexed judge, bytes32 evidenceCid);
    event Denied(JobId indexed jobId, SlotId indexed judge, bytes32 verdict, bytes32 evidenceCid, Epoch epoch);
    event Challenged(JobId indexed jobId, address indexed challenger, uint16 segment, uint256 bond);
    event Tallied(JobId indexed jobId, uint8 round, Ruling ruling, uint40 deadline);
    event Appealed(JobId indexed jobId, address indexed appellant, uint8 round, uint256 bond, Epoch epoch);
    event Executed(JobId indexed jobId, Ruling ruling, uint256 penalties);

    error OnlyAuditable();
    error WrongCaseStatus(CaseStatus expected, CaseStatus actual);
    error CaseAlreadyOpen(JobId jobId);
    error CaseDeadlinePassed(uint40 deadline, uint40 time);
    error CaseDeadlineRunning(uint40 deadline, uint40 time);
    error NotTheJudge(SlotId drawn);
    error NoVolunteerWanted();
    error NotForComparison(Comparison comparison);
    error UnfitVerdict(bytes32 verdict);
    error OpeningNotCommitted();
    error NoSuchSegment(uint16 segment);
    error TermsDiffer();
    error NotAChallenge();
    error TooManyChallengers(uint256 maximum);
    error SellerChallenges();
    error FinalInstance();
    error NotACanary();
    error UnsafeDelays();

    /* THE DRAWN JUDGE */

    /// @notice Opens a case on a drawn job and draws its judge. Only the escrow may call it.
    function open(JobId jobId, Job calldata job, Terms calldata terms, bytes32 seed) external returns (SlotId judge);

    /// @notice The escrow's `openAudit`, so that the judge it will draw may open and answer in one `multicall`.
    function openAudit(JobId jobId, Job calldata job, Terms calldata terms) external returns (SlotId judge);

    /// @notice Confirms in the exact class: opens the seller's own commitment of the drawn segment, which only somebody who ran
    /// it can.
    function confirm(JobId jobId, Job calldata job, IBallots.Opening calldata opening, bytes32[] calldata proof)
        external;

    /// @notice Confirms in the other classes, by the judge's word.
    /// @dev Warning: a false word costs ten fees and the slot.
    function vouch(JobId jobId, Job calldata job, bytes32 evidenceCid) external;

    /// @notice Denies. In the exact class the verdict is the leaf the segment should have had; elsewhere MISMATCH; anywhere
    /// UNAVAILABLE. Calls a ballot of three.
    /// @dev Warning: a denial that the last committee overrules costs five fees; an overruled UNAVAILABLE one.
    function deny(JobId jobId, bytes32 verdict, bytes32 evidenceCid) external;

    /// @notice Replaces a late judge, who pays one fee, by the next in the draw. After five any judge may volunteer within a longer
    /// window; when nobody does, the job fails open.
    function replaceJudge(JobId jobId, Job calldata job, Terms calldata terms) external;

    /// @notice Takes the place of a judge that could not be drawn. The caller is the slot's operator.
    function volunteer(JobId jobId, Job calldata job, Terms calldata terms, SlotId slotId) external;

    /* CHALLENGE */

    /// @notice Forces a ballot on a segment of a submitted job, or with UNDELIVERED on the question whether its result can be
    /// fetched. Takes `challengeBond`.
    function challenge(JobId jobId, Job calldata job, Terms calldata terms, uint16 segment) external;

    /// @notice Joins a challenge before its committee's seed is public; a bond more, a share less.
    function joinChallenge(JobId jobId, Job calldata job) external;

    /* RULING */

    /// @notice Takes the result of a ballot: a verdict of at least two members and more than half of the seats decides; without one
    /// the ruling is Void. A ballot without a committee leaves an appealed ruling as it was, makes an audit Void, since the
    /// judge who denied was not proved wrong, and drops a challenge.
    function tally(JobId jobId) external;

    /// @notice Takes a tallied case to the next committee, for a bond that pays it: seven, then fifteen judges. Anyone may.
    function appeal(JobId jobId, Job calldata job) external;

    /// @notice Carries a ruling out once nobody can appeal any more.
    function execute(JobId jobId, Job calldata job) external;

    /// @notice Shows that a job of the tolerance class was a canary: its seller marked the judged segment as false on purpose, inside the
    /// commitment. Only the buyer may; everything returns, and a judge who vouched for it loses ten fees and the slot.
    function exposeCanary(JobId jobId, Job calldata job, IBallots.Opening calldata opening, bytes32[] calldata proof)
        external;

    /* VIEWS */

    function auditable() external view returns (address);
    function caseOf(JobId jobId) external view returns (Case memory);
    /// @notice Who cannot sit in the case's committees: those who were late, and last the drawn judge, or the one whose word is
    /// challenged; and the number of the case's first ballot.
    function judgesOf(JobId jobId) external view returns (SlotId[] memory judges, uint8 firstRound);
    function challengersOf(JobId jobId) external view returns (address[] memory);
    /// @notice Seats of the committee of this instance: 3, 7, 15.
    function seatsOf(uint8 instance) external pure returns (uint8);
    /// @notice What a challenger bonds: five fees.
    function challengeBond(uint256 fee) external pure returns (uint256);
    /// @notice What an appeal from this instance bonds: a fee for every seat of the next committee.
    function appealBond(uint8 instance, uint256 fee) external pure returns (uint256);
    /// @notice The longest time from a round's beginning to its last draw.
    function horizon() external view returns (uint64);
    function maxSegmentSeconds() external view returns (uint24);
    function parameters() external view returns (CourtParameters memory);
}
