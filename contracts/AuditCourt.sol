// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {CaseFile} from "./CaseFile.sol";
import {Execution} from "./Execution.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IAuditable, Outcome, Ruling} from "./interfaces/IAuditable.sol";
import {IBallots} from "./interfaces/IBallots.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {Comparison, Job, JobStatus, Terms} from "./interfaces/Job.sol";
import {CourtParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {Commitment} from "./libraries/Commitment.sol";
import {Draw} from "./libraries/Draw.sol";
import {FALSE_WORD_FEES} from "./libraries/Fees.sol";
import {CANARY, MISMATCH, UNDELIVERED, Verdict} from "./libraries/Verdict.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title The court: the drawn judge, challenges, canaries. Rulings are in `Execution`, what is stored in `CaseFile`.
contract AuditCourt is Execution {
    uint256 private constant MAX_CHALLENGERS = 8;

    /// @param escrow The address the escrow will be created at.
    constructor(
        IBeacon beacon_,
        IJudgeBench bench_,
        IBallots ballots_,
        IAuditable escrow,
        CourtParameters memory parameters_
    ) CaseFile(beacon_, bench_, ballots_, escrow, parameters_) {
        require(bench_.slotExitDelay() > horizon(), UnsafeDelays());
    }

    /* THE DRAWN JUDGE */

    /// @inheritdoc IAuditCourt
    function open(JobId jobId, Job calldata job, Terms calldata terms, bytes32 seed)
        external
        nonReentrant
        returns (SlotId judge)
    {
        Case storage case_ = _cases[jobId];

        require(msg.sender == address(_auditable), OnlyAuditable());
        _begin(jobId, case_, terms.comparison, true);

        case_.status = CaseStatus.Judging;
        case_.segment = uint16(Draw.segment(seed, jobId, job.segmentRoot, job.segments));
        case_.deadline = _now() + _windowFor(terms);
        judge = _drawJudge(jobId, case_, job, terms.hardwareClass, seed);
        case_.judge = judge;

        emit CaseOpened(jobId, case_.segment, judge, case_.deadline);
    }

    /// @inheritdoc IAuditCourt
    function openAudit(JobId jobId, Job calldata job, Terms calldata terms) external returns (SlotId) {
        return _auditable.openAudit(jobId, job, terms);
    }

    /// @inheritdoc IAuditCourt
    function confirm(JobId jobId, Job calldata job, IBallots.Opening calldata opening, bytes32[] calldata proof)
        external
        nonReentrant
    {
        Case storage case_ = _cases[jobId];

        _requireJudge(case_);
        require(case_.comparison == Comparison.Exact, NotForComparison(case_.comparison));
        _requireCommitted(jobId, case_.segment, job, opening, proof);

        _confirm(jobId, case_, job, 0);
    }

    /// @inheritdoc IAuditCourt
    function vouch(JobId jobId, Job calldata job, bytes32 evidenceCid) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireJudge(case_);
        require(case_.comparison != Comparison.Exact, NotForComparison(case_.comparison));

        _confirm(jobId, case_, job, evidenceCid);
    }

    /// @inheritdoc IAuditCourt
    function deny(JobId jobId, bytes32 verdict, bytes32 evidenceCid) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireJudge(case_);
        require(Verdict.canDeny(verdict, case_.comparison), UnfitVerdict(verdict));

        case_.denied = Verdict.print(verdict);
        Epoch epoch = _callBallot(jobId, case_);

        emit Denied(jobId, case_.judge, verdict, evidenceCid, epoch);
    }

    /// @inheritdoc IAuditCourt
    function replaceJudge(JobId jobId, Job calldata job, Terms calldata terms) external nonReentrant {
        Case storage case_ = _cases[jobId];
        (SlotId late, uint8 replacements) = (case_.judge, case_.replacements);

        _requireStatus(case_, CaseStatus.Judging);
        _requireOver(case_.deadline);
        _requireTerms(jobId, job, terms);

        uint256 penalty = _penaliseLate(jobId, late, _feeOf(job));
        if (replacements > MAX_REPLACEMENTS) {
            _rule(jobId, case_, job, Ruling.Unjudged, new SlotId[](0), penalty);
            return;
        }
        _late[jobId][replacements] = late;
        case_.replacements = replacements + 1;
        case_.judge = SlotId.wrap(0);
        // After the last replacement volunteers are given twice the time.
        bool isLast = replacements == MAX_REPLACEMENTS;
        case_.deadline = _now() + (isLast ? 2 : 1) * _windowFor(terms);
        if (!isLast) {
            (bytes32 seed,) = beacon.seedFor(job.epoch);
            case_.judge = _drawJudge(jobId, case_, job, terms.hardwareClass, seed);
        }

        emit JudgeReplaced(jobId, late, case_.judge, case_.deadline);

        _auditable.bookPenalty(penalty);
    }

    /// @inheritdoc IAuditCourt
    function volunteer(JobId jobId, Job calldata job, Terms calldata terms, SlotId slotId) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireStatus(case_, CaseStatus.Judging);
        require(SlotId.unwrap(case_.judge) == 0, NoVolunteerWanted());
        _requireInTime(case_.deadline);
        require(msg.sender == bench.operatorOf(slotId), NotTheJudge(slotId));
        _requireTerms(jobId, job, terms);

        IJudgeBench.Walk memory walk = _walkFor(jobId, case_, job, terms.hardwareClass);
        walk.since = _now();
        (SlotId[] memory taken,) = judgesOf(jobId);
        case_.judge = slotId;

        emit Volunteered(jobId, slotId);

        bench.enlist(slotId, walk, taken);
    }

    /// @dev The case waits for its judge's verdict, in time, and the caller speaks for that judge.
    function _requireJudge(Case storage case_) private view {
        _requireStatus(case_, CaseStatus.Judging);
        require(msg.sender == bench.operatorOf(case_.judge), NotTheJudge(case_.judge));
        _requireInTime(case_.deadline);
    }

    function _confirm(JobId jobId, Case storage case_, Job calldata job, bytes32 evidenceCid) private {
        SlotId judge = case_.judge;

        emit Confirmed(jobId, judge, evidenceCid);

        SlotId[] memory right = _only(judge);
        bench.dismiss(right, _feeOf(job));
        _rule(jobId, case_, job, Ruling.Confirmed, right, 0);
    }

    function _drawJudge(JobId jobId, Case storage case_, Job calldata job, uint16 hardwareClass, bytes32 seed)
        private
        returns (SlotId)
    {
        IJudgeBench.Walk memory walk = _walkFor(jobId, case_, job, hardwareClass);
        (walk.seed, walk.wanted, walk.since) = (seed, 1, job.deadline - _auditable.auditWindow());
        (SlotId[] memory taken,) = judgesOf(jobId);
        (SlotId[] memory found,) = bench.draw(walk, taken);
        return found.length == 0 ? SlotId.wrap(0) : found[0];
    }

    function _walkFor(JobId jobId, Case storage case_, Job calldata job, uint16 hardwareClass)
        private
        view
        returns (IJudgeBench.Walk memory walk)
    {
        (walk.jobId, walk.round) = (jobId, case_.round);
        (walk.hardwareClass, walk.fee) = (hardwareClass, _feeOf(job));
        (walk.buyer, walk.seller) = (job.buyer, job.seller);
    }

    /// @dev Nobody is late where nobody was drawn.
    function _penaliseLate(JobId jobId, SlotId late, uint256 fee) private returns (uint256) {
        return SlotId.unwrap(late) == 0 ? 0 : bench.penalise(jobId, late, fee, fee, true);
    }

    function _windowFor(Terms calldata terms) private view returns (uint40) {
        return Windows.forWork(_judgeMinSeconds, terms.segmentSeconds);
    }

    /* CHALLENGE */

    /// @inheritdoc IAuditCourt
    function challenge(JobId jobId, Job calldata job, Terms calldata terms, uint16 segment) external nonReentrant {
        Case storage case_ = _cases[jobId];
        bool isSegment = segment < job.segments && terms.comparison != Comparison.Delivery;

        _requireTerms(jobId, job, terms);
        require(isSegment || segment == UNDELIVERED, NoSuchSegment(segment));
        require(msg.sender != job.seller, SellerChallenges());

        _words[jobId] = _wordFor(jobId, case_);
        _begin(jobId, case_, terms.comparison, false);
        case_.segment = segment;
        _callBallot(jobId, case_);
        _challengers[jobId].push(msg.sender);
        uint256 bond = challengeBond(_feeOf(job));

        emit Challenged(jobId, msg.sender, segment, bond);

        _auditable.challenged(jobId, job, msg.sender, bond);
    }

    /// @inheritdoc IAuditCourt
    function joinChallenge(JobId jobId, Job calldata job) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireStatus(case_, CaseStatus.Voting);
        require(!case_.answersDraw && case_.instance == 1, NotAChallenge());
        _requireBeforeSeed(jobId, case_);
        require(_challengers[jobId].length < MAX_CHALLENGERS, TooManyChallengers(MAX_CHALLENGERS));
        require(msg.sender != job.seller, SellerChallenges());
        _auditable.requireCurrent(jobId, job);

        _challengers[jobId].push(msg.sender);
        uint256 bond = challengeBond(_feeOf(job));

        emit Challenged(jobId, msg.sender, case_.segment, bond);

        _auditable.takeBond(msg.sender, bond);
    }

    /// @dev Whose word stands for the seller, if anybody's.
    function _wordFor(JobId jobId, Case storage case_) private view returns (Word memory) {
        return case_.ruling == Ruling.Confirmed ? Word(case_.judge, case_.segment) : _words[jobId];
    }

    /// @dev Nobody can know yet who will sit in the committee.
    function _requireBeforeSeed(JobId jobId, Case storage case_) private view {
        _requireInTime(uint40(beacon.timeOf(ballots.ballotOf(jobId, case_.round).epoch)) - 1);
    }

    /* CANARY */

    /// @inheritdoc IAuditCourt
    function exposeCanary(JobId jobId, Job calldata job, IBallots.Opening calldata opening, bytes32[] calldata proof)
        external
        nonReentrant
    {
        Case storage case_ = _cases[jobId];
        bool isSubmitted = job.status == JobStatus.Submitted;
        Word memory word = _wordFor(jobId, case_);

        require(msg.sender == job.buyer && opening.outputHash == CANARY, NotACanary());
        require(case_.comparison == Comparison.Tolerance, NotForComparison(case_.comparison));
        _requireCommitted(jobId, isSubmitted ? word.segment : case_.segment, job, opening, proof);

        (SlotId[] memory right, uint256 penalty) = (new SlotId[](0), uint256(0));
        if (isSubmitted) {
            require(SlotId.unwrap(word.judge) != 0, NotACanary());
            penalty = bench.suspend(jobId, word.judge, FALSE_WORD_FEES * _feeOf(job));
        } else {
            // The judge has denied, and nobody else has begun to work on it.
            require(case_.status == CaseStatus.Voting && case_.answersDraw && case_.instance == 1, NotACanary());
            _requireBeforeSeed(jobId, case_);
            ballots.cancel(jobId, case_.round);
            SlotId[] memory judge = _only(case_.judge);
            bench.dismiss(judge, _feeOf(job));
            if (case_.denied == Verdict.print(MISMATCH)) right = judge;
        }
        _rule(jobId, case_, job, Ruling.Canary, right, penalty);
    }

    /* RULING */

    /// @dev The opening leads to the seller's own root.
    function _requireCommitted(
        JobId jobId,
        uint256 segment,
        Job calldata job,
        IBallots.Opening calldata opening,
        bytes32[] calldata proof
    ) private pure {
        bytes32 digest = Commitment.digest(opening.traceRoot, opening.outputHash);
        bytes32 leaf = Commitment.leaf(jobId, segment, digest, opening.outputCid);
        bool hasDepth = proof.length == Commitment.depth(job.segments);
        require(hasDepth && Commitment.root(leaf, segment, proof) == job.segmentRoot, OpeningNotCommitted());
    }

    /// @dev A ruling without a committee.
    function _rule(
        JobId jobId,
        Case storage case_,
        Job calldata job,
        Ruling ruling,
        SlotId[] memory right,
        uint256 penalties
    ) private {
        (case_.status, case_.ruling) = (CaseStatus.Closed, ruling);
        Outcome memory outcome;
        (outcome.ruling, outcome.answersDraw, outcome.firstIsRight) = (ruling, true, right.length > 0);
        (outcome.right, outcome.penalties) = (right, penalties);

        emit Executed(jobId, ruling, penalties);

        _auditable.rule(jobId, job, outcome);
    }
}
