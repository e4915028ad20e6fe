// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Multicall} from "./Multicall.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IAuditable, Ruling} from "./interfaces/IAuditable.sol";
import {IBallots} from "./interfaces/IBallots.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {Comparison, Job, Terms} from "./interfaces/Job.sol";
import {CourtParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {WRONG_FEES} from "./libraries/Fees.sol";
import {StateHash} from "./libraries/StateHash.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title The court's files: what is stored of a case, and what every part of the court needs to read it.
abstract contract CaseFile is IAuditCourt, ReentrancyGuardTransient, Multicall {
    uint256 internal constant MAX_REPLACEMENTS = 5;
    uint8 internal constant LAST_INSTANCE = 3;

    /// @dev Who took a case to this round, against which ruling.
    struct Appeal {
        address appellant;
        Ruling against;
    }

    /// @dev A judge whose word for a segment closed the drawn audit: liable should a challenge prove it wrong.
    struct Word {
        SlotId judge;
        uint16 segment;
    }

    IAuditable internal immutable _auditable;
    IBeacon public immutable beacon;
    IJudgeBench public immutable bench;
    IBallots public immutable ballots;
    /// @inheritdoc IAuditCourt
    uint24 public immutable maxSegmentSeconds;
    uint40 internal immutable _judgeMinSeconds;
    uint40 internal immutable _appealSeconds;

    mapping(JobId jobId => Case) internal _cases;
    mapping(JobId jobId => Word) internal _words;
    mapping(JobId jobId => address[]) internal _challengers;
    mapping(JobId jobId => mapping(uint8 round => Appeal)) internal _appeals;
    /// The judges who were late, in order; written only when one is.
    mapping(JobId jobId => SlotId[MAX_REPLACEMENTS + 1]) internal _late;

    constructor(
        IBeacon beacon_,
        IJudgeBench bench_,
        IBallots ballots_,
        IAuditable escrow,
        CourtParameters memory parameters_
    ) {
        (beacon, bench, ballots, _auditable) = (beacon_, bench_, ballots_, escrow);
        _judgeMinSeconds = parameters_.judgeMinSeconds;
        _appealSeconds = parameters_.appealSeconds;
        maxSegmentSeconds = parameters_.maxSegmentSeconds;
    }

    /// @dev A job may have several cases, one after the other; rounds run on, so that no draw or seal is used twice.
    function _begin(JobId jobId, Case storage case_, Comparison comparison, bool answersDraw) internal {
        bool isFirst = case_.status == CaseStatus.None;
        require(isFirst || case_.status == CaseStatus.Closed, CaseAlreadyOpen(jobId));

        case_.round = isFirst ? 0 : case_.round + 1;
        case_.firstRound = case_.round + 1;
        (case_.comparison, case_.ruling, case_.answersDraw) = (comparison, Ruling.None, answersDraw);
        (case_.instance, case_.replacements, case_.judge, case_.denied) = (0, 0, SlotId.wrap(0), 0);
    }

    /// @dev Takes the case to the next committee.
    function _callBallot(JobId jobId, Case storage case_) internal returns (Epoch) {
        uint8 instance = ++case_.instance;
        uint8 round = ++case_.round;
        case_.status = CaseStatus.Voting;
        return ballots.callBallot(jobId, round, case_.comparison, case_.segment, seatsOf(instance));
    }

    function _requireStatus(Case storage case_, CaseStatus expected) internal view {
        require(case_.status == expected, WrongCaseStatus(expected, case_.status));
    }

    function _requireInTime(uint40 deadline) internal view {
        require(_now() <= deadline, CaseDeadlinePassed(deadline, _now()));
    }

    function _requireOver(uint40 deadline) internal view {
        require(_now() > deadline, CaseDeadlineRunning(deadline, _now()));
    }

    /// @dev `job` is its present state and `terms` are its terms.
    function _requireTerms(JobId jobId, Job calldata job, Terms calldata terms) internal view {
        _auditable.requireCurrent(jobId, job);
        require(job.termsHash == StateHash.ofCalled(terms), TermsDiffer());
    }

    function _feeOf(Job calldata job) internal view returns (uint256) {
        return _auditable.feeFor(job.price, job.segments);
    }

    function _only(SlotId judge) internal pure returns (SlotId[] memory list) {
        list = new SlotId[](1);
        list[0] = judge;
    }

    function _now() internal view returns (uint40) {
        return uint40(block.timestamp);
    }

    /* VIEWS */

    /// @inheritdoc IAuditCourt
    function auditable() external view returns (address) {
        return address(_auditable);
    }

    /// @inheritdoc IAuditCourt
    function caseOf(JobId jobId) external view returns (Case memory) {
        return _cases[jobId];
    }

    /// @inheritdoc IAuditCourt
    function judgesOf(JobId jobId) public view returns (SlotId[] memory judges, uint8 firstRound) {
        Case storage case_ = _cases[jobId];
        uint256 late = case_.replacements;
        judges = new SlotId[](late + 1);
        for (uint256 i; i < late; ++i) judges[i] = _late[jobId][i];
        // Nobody judges its own word: a challenge has no judge of its own, but may question an earlier one's.
        judges[late] = case_.answersDraw ? case_.judge : _words[jobId].judge;
        firstRound = case_.firstRound;
    }

    /// @inheritdoc IAuditCourt
    function challengersOf(JobId jobId) external view returns (address[] memory) {
        return _challengers[jobId];
    }

    /// @inheritdoc IAuditCourt
    function seatsOf(uint8 instance) public pure returns (uint8) {
        return uint8((uint256(2) << instance) - 1); // 3, 7, 15
    }

    /// @inheritdoc IAuditCourt
    function challengeBond(uint256 fee) public pure returns (uint256) {
        return WRONG_FEES * fee;
    }

    /// @inheritdoc IAuditCourt
    function appealBond(uint8 instance, uint256 fee) public pure returns (uint256) {
        return seatsOf(instance + 1) * fee;
    }

    /// @inheritdoc IAuditCourt
    function horizon() public view returns (uint64) {
        uint64 judging = uint64(MAX_REPLACEMENTS + 3) * Windows.forWork(_judgeMinSeconds, maxSegmentSeconds);
        uint64 drawing = ballots.drawHorizon();
        return judging > drawing ? judging : drawing;
    }

    /// @inheritdoc IAuditCourt
    function parameters() external view returns (CourtParameters memory) {
        return CourtParameters(_judgeMinSeconds, _appealSeconds, maxSegmentSeconds);
    }
}
