// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Treasury} from "./Treasury.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {AuditTerms, IAuditable, Ruling} from "./interfaces/IAuditable.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EscrowParameters} from "./interfaces/Parameters.sol";
import {JobId} from "./interfaces/Types.sol";
import {BPS, Bps} from "./libraries/Bps.sol";
import {Draw} from "./libraries/Draw.sol";

/// @title Buyers' payments and the life of a job.
/// @dev Money: a job holds price + M, M = ceil(1.25 · F), until its first ruling or its end. The levy ceil(1.25 · p · F) is
/// derived, never moved on its own: each job reserves its whole audit out of its own M, so the first audit on the chain is
/// funded like any other, and what the levy of undrawn jobs brings only lowers what drawn jobs cost their buyers.
/// Invariant: the escrow's tokens = Σ held by live jobs + pool + burnable + credits.
contract JobEscrow is Treasury {
    using Bps for uint256;

    uint256 private constant AUDIT_FLOOR_BPS = 500;
    uint256 private constant MARGIN_BPS = 12_500; // a quarter more than breaks even
    uint256 private constant JUDGE_BPS = 12_000; // of the price of a segment
    uint256 private constant COLLATERAL_BPS = 2_500;
    uint256 private constant COLLATERAL_FEES = 4;
    uint256 private constant ABORT_BPS = 200;
    uint256 private constant LATE_BPS = 1_000;
    uint256 private constant FEE_BPS = 100;
    uint256 private constant HARMED_BPS = 2_000; // of what is taken, to the side that was harmed
    uint256 private constant RIGHT_BPS = 3_000; // of what is taken, to all judges who were right

    IStakeVault public immutable vault;
    IBeacon public immutable beacon;
    IAuditCourt public immutable court;
    uint96 private immutable _minPrice;
    uint96 private immutable _feeMin;
    uint40 private immutable _seedDelay;
    uint40 private immutable _auditWindow;
    uint24 private immutable _maxRunSeconds;
    uint24 private immutable _maxSegmentSeconds;
    uint16 private immutable _maxSegments;

    /// @inheritdoc IJobEscrow
    uint64 public jobCount;
    mapping(JobId jobId => Job) private _jobs;

    constructor(
        IERC20 token_,
        IStakeVault vault_,
        IBeacon beacon_,
        IAuditCourt court_,
        EscrowParameters memory parameters_
    ) Treasury(token_) {
        uint24 judged = court_.maxSegmentSeconds();
        require(court_.auditable() == address(this), WrongCourt(court_.auditable()));
        require(parameters_.maxSegmentSeconds <= judged, SecondsOutOfRange(judged, parameters_.maxSegmentSeconds));

        (vault, beacon, court) = (vault_, beacon_, court_);
        _minPrice = parameters_.minPrice;
        _feeMin = parameters_.feeMin;
        _seedDelay = parameters_.seedDelay;
        _auditWindow = parameters_.auditWindow;
        _maxRunSeconds = parameters_.maxRunSeconds;
        _maxSegmentSeconds = parameters_.maxSegmentSeconds;
        _maxSegments = parameters_.maxSegments;
    }

    /* POSTING */

    /// @inheritdoc IJobEscrow
    function post(Terms calldata terms) external nonReentrant returns (JobId jobId) {
        uint40 openUntil = _now() + terms.openSeconds;

        _requireTerms(terms);

        jobId = JobId.wrap(++jobCount);
        Job storage job = _jobs[jobId];
        (job.buyer, job.status) = (msg.sender, JobStatus.Open);
        (job.segments, job.segmentSeconds) = (terms.segments, terms.segmentSeconds);
        (job.runSeconds, job.hardwareClass) = (terms.runSeconds, terms.hardwareClass);
        (job.deadline, job.openUntil) = (openUntil, openUntil);
        (job.price, job.specCid) = (terms.price, terms.specCid);

        emit JobPosted(jobId, msg.sender, terms.specCid, terms.price, terms.segments);

        _collect(msg.sender, escrowFor(terms.price, terms.segments));
    }

    /// @inheritdoc IJobEscrow
    function cancel(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];

        _requireStatus(job, JobStatus.Open);
        require(msg.sender == job.buyer, OnlyBuyer(job.buyer));

        job.status = JobStatus.Refunded;

        emit JobCancelled(jobId);

        _pay(job.buyer, escrowFor(job.price, job.segments));
    }

    function _requireTerms(Terms calldata terms) private view {
        require(terms.specCid != 0, EmptyCid());
        require(terms.price >= _minPrice, PriceTooLow(_minPrice, terms.price));
        require(
            terms.segments > 0 && terms.segments <= _maxSegments,
            SegmentsOutOfRange(_maxSegments, terms.segments)
        );
        _requireSeconds(terms.segmentSeconds, _maxSegmentSeconds);
        _requireSeconds(terms.runSeconds, _maxRunSeconds);
        _requireSeconds(terms.openSeconds, type(uint24).max);
    }

    function _requireSeconds(uint24 seconds_, uint24 maximum) private pure {
        require(seconds_ > 0 && seconds_ <= maximum, SecondsOutOfRange(maximum, seconds_));
    }

    /* ACCEPTANCE */

    /// @inheritdoc IJobEscrow
    function accept(JobId jobId, uint96 collateral) external nonReentrant {
        Job storage job = _jobs[jobId];
        (address buyer, uint96 price, uint16 segments) = (job.buyer, job.price, job.segments);

        _requireStatus(job, JobStatus.Open);
        _requireInTime(job);
        require(msg.sender != buyer, SellerIsBuyer());
        _requireCollateral(collateral, minCollateralFor(price, segments));
        bool canJudge = court.canJudge(job.hardwareClass, buyer, msg.sender, feeFor(price, segments));
        require(canJudge, NotEnoughJudges(job.hardwareClass));

        (job.seller, job.status, job.collateral) = (msg.sender, JobStatus.Running, collateral);
        job.auditBps = auditBpsFor(price, collateral);
        job.deadline = _now() + job.runSeconds;

        emit JobAccepted(jobId, msg.sender, collateral, job.auditBps, job.deadline);

        vault.lock(msg.sender, collateral);
    }

    /// @inheritdoc IJobEscrow
    function abort(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];
        (address seller, uint96 collateral) = (job.seller, job.collateral);
        uint256 penalty = uint256(job.price).bpsUp(ABORT_BPS);
        bool reopens = job.openUntil > _now();

        _requireStatus(job, JobStatus.Running);
        require(msg.sender == seller, OnlySeller(seller));
        _requireInTime(job);

        job.status = reopens ? JobStatus.Open : JobStatus.Refunded;
        if (reopens) (job.seller, job.collateral, job.auditBps, job.deadline) = (address(0), 0, 0, job.openUntil);
        uint256 toBuyer = _splitPenalty(penalty);

        emit JobAborted(jobId, seller, penalty, reopens);

        _penalise(seller, collateral, penalty);
        _pay(job.buyer, reopens ? toBuyer : toBuyer + escrowFor(job.price, job.segments));
    }

    function _requireCollateral(uint256 collateral, uint256 minimum) private pure {
        require(collateral >= minimum, CollateralTooLow(minimum, collateral));
    }

    /// @dev Half to the buyer, half (and the odd unit) to be burned.
    function _splitPenalty(uint256 penalty) private returns (uint256 toBuyer) {
        toBuyer = penalty / 2;
        _addToBurn(penalty - toBuyer);
    }

    /// @dev Takes `penalty` out of the collateral and unlocks the rest.
    function _penalise(address seller, uint256 collateral, uint256 penalty) private {
        vault.slash(seller, penalty, address(this));
        vault.unlock(seller, collateral - penalty);
    }

    /* SUBMISSION */

    /// @inheritdoc IJobEscrow
    function submit(JobId jobId, bytes32 resultCid, bytes32 segmentRoot) external nonReentrant {
        Job storage job = _jobs[jobId];
        Epoch epoch = beacon.epochAt(_now() + _seedDelay);

        _requireStatus(job, JobStatus.Running);
        require(msg.sender == job.seller, OnlySeller(job.seller));
        _requireInTime(job);
        require(resultCid != 0, EmptyCid());
        require(segmentRoot != 0, EmptyRoot());

        (job.status, job.deadline, job.epoch) = (JobStatus.Submitted, _now() + _auditWindow, epoch);
        (job.resultCid, job.segmentRoot) = (resultCid, segmentRoot);

        emit JobSubmitted(jobId, msg.sender, resultCid, segmentRoot, epoch);
    }

    /// @inheritdoc IJobEscrow
    function refund(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];
        bool isLate = job.status == JobStatus.Running;

        if (!isLate) _requireStatus(job, JobStatus.Open);
        _requireOver(job);

        job.status = JobStatus.Refunded;
        uint256 payment = escrowFor(job.price, job.segments);
        uint256 penalty = isLate ? uint256(job.price).bpsUp(LATE_BPS) : 0;
        uint256 toBuyer = _splitPenalty(penalty);

        emit JobRefunded(jobId, payment, penalty);

        if (isLate) _penalise(job.seller, job.collateral, penalty);
        _pay(job.buyer, payment + toBuyer);
    }

    /* AUDIT */

    /// @inheritdoc IJobEscrow
    function isDrawn(JobId jobId) public view returns (bool) {
        Job storage job = _jobs[jobId];
        bytes32 seed = beacon.seedOf(job.epoch);

        require(job.segmentRoot != 0, WrongStatus(JobStatus.Submitted, job.status));
        require(seed != 0, AwaitingSeed(job.epoch));

        return Draw.isDrawn(seed, jobId, job.segmentRoot, job.auditBps);
    }

    /// @inheritdoc IJobEscrow
    function openAudit(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];

        _requireStatus(job, JobStatus.Submitted);
        require(!job.audited, IAuditCourt.CaseAlreadyOpen(jobId));
        require(isDrawn(jobId), NotDrawn());

        job.status = JobStatus.UnderAudit;

        emit AuditOpened(jobId);

        court.open(jobId, job.epoch, job.deadline - _auditWindow, uint96(feeFor(job.price, job.segments)));
    }

    /// @inheritdoc IAuditable
    function rule(JobId jobId, Ruling ruling, address[] calldata right, bool firstIsRight, uint256 penalties)
        external
        nonReentrant
    {
        Job storage job = _jobs[jobId];

        require(msg.sender == address(court), OnlyCourt(address(court)));
        _requireStatus(job, JobStatus.UnderAudit);

        emit JobRuled(jobId, uint8(ruling));

        if (ruling == Ruling.Confirmed) _confirm(jobId, job, right[0], penalties);
        else if (ruling == Ruling.Acquitted) _acquit(jobId, job, right, penalties);
        else if (ruling == Ruling.Slashed) _slash(jobId, job, right, firstIsRight, penalties);
        else if (ruling == Ruling.Void) _void(jobId, job, right, penalties);
        else _resume(job, penalties);
    }

    /// @inheritdoc IAuditable
    function bookPenalty(uint256 amount) external {
        require(msg.sender == address(court), OnlyCourt(address(court)));

        _addToPool(amount);
    }

    /// @dev The judge's fee comes out of the levy and the pool; the buyer's own M stands in for what they lack.
    function _confirm(JobId jobId, Job storage job, address judge, uint256 penalties) private {
        uint256 fee = feeFor(job.price, job.segments);

        _addToPool(penalties);
        uint256 returned = _closeLevy(job, fee);
        (job.status, job.audited) = (JobStatus.Submitted, true);

        _payJudge(jobId, judge, fee);
        _pay(job.buyer, returned);
    }

    /// @dev The committee is paid by the judges it overruled: the denier alone lost five fees, three are due at most.
    function _acquit(JobId jobId, Job storage job, address[] calldata right, uint256 penalties) private {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 rest = penalties - fee * right.length;
        uint256 toSeller = rest.bpsDown(HARMED_BPS);

        _addToPool(rest - toSeller);
        uint256 returned = _closeLevy(job, 0);
        (job.status, job.audited) = (JobStatus.Submitted, true);

        _payJudges(jobId, right, fee);
        _pay(job.seller, toSeller);
        _pay(job.buyer, returned);
    }

    /// @dev Of the collateral: the committee's fees, then of the rest 20 % to the buyer (at most the price), 30 % to all who were
    /// right, and everything else burned. An accuser's own fee comes from the levy, as if it had confirmed.
    function _slash(JobId jobId, Job storage job, address[] calldata right, bool firstIsRight, uint256 penalties) private {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 fees = fee * (right.length - (firstIsRight ? 1 : 0));
        uint256 rest = job.collateral - fees;
        uint256 toHarmed = Math.min(rest.bpsDown(HARMED_BPS), job.price);
        uint256 share = rest.bpsDown(RIGHT_BPS) / right.length;
        uint256 burned = rest - toHarmed - share * right.length;

        _addToPool(penalties);
        uint256 refunded = job.price + _closeLevy(job, firstIsRight ? fee : 0) + toHarmed;
        _addToBurn(burned);
        job.status = JobStatus.Slashed;

        emit JobSlashed(jobId, job.seller, job.collateral, refunded, burned);

        vault.slash(job.seller, job.collateral, address(this));
        _payJudges(jobId, right, fee + share);
        _pay(job.buyer, refunded);
    }

    /// @dev Nobody who spoke loses anything: the payment is split, the odd unit to the buyer, and the pool pays the judges.
    function _void(JobId jobId, Job storage job, address[] calldata right, uint256 penalties) private {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 toSeller = job.price / 2;
        uint256 toBuyer = job.price - toSeller + _closeLevy(job, 0);

        _addToPool(penalties);
        uint256 each = Math.min(fee, pool() / right.length);
        _takeFromPool(each * right.length);
        job.status = JobStatus.Void;

        emit JobVoided(jobId, toBuyer, toSeller);

        vault.unlock(job.seller, job.collateral);
        _payJudges(jobId, right, each);
        _pay(job.seller, toSeller);
        _pay(job.buyer, toBuyer);
    }

    /// @dev No judge answered: the job fails open, after one more window in which somebody may still look.
    function _resume(Job storage job, uint256 penalties) private {
        _addToPool(penalties);
        uint256 returned = _closeLevy(job, 0);
        (job.status, job.audited, job.deadline) = (JobStatus.Submitted, true, _now() + _auditWindow);

        _pay(job.buyer, returned);
    }

    /* SETTLEMENT */

    /// @inheritdoc IJobEscrow
    function settle(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];
        (address buyer, address seller, uint256 price) = (job.buyer, job.seller, job.price);

        _requireStatus(job, JobStatus.Submitted);
        if (!job.audited) require(!isDrawn(jobId), AuditPending());
        if (msg.sender != buyer) _requireOver(job);

        job.status = JobStatus.Settled;
        uint256 fee = price.bpsUp(FEE_BPS);
        uint256 returned = job.audited ? 0 : _closeLevy(job, 0);
        _addToBurn(fee / 2);
        _addToPool(fee - fee / 2);

        emit JobSettled(jobId, seller, price - fee, fee, returned);

        vault.unlock(seller, job.collateral);
        _pay(seller, price - fee);
        _pay(buyer, returned);
    }

    /// @dev Closes M: the levy goes to the pool, and `due` (at most one fee) leaves the pool, or M where the pool is too small.
    /// Happens once per job, at its first ruling or at its end.
    /// @return returned What is left of M for the buyer.
    function _closeLevy(Job storage job, uint256 due) private returns (uint256 returned) {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 levy = (fee * job.auditBps * MARGIN_BPS).ceilDiv(BPS * BPS);

        _addToPool(levy);
        uint256 fromPool = _takeFromPool(due);
        return fee.bpsUp(MARGIN_BPS) - levy - (due - fromPool);
    }

    /* JUDGES' PAY */

    function _payJudge(JobId jobId, address judge, uint256 amount) private {
        emit JudgePaid(jobId, judge, amount);
        _pay(judge, amount);
    }

    function _payJudges(JobId jobId, address[] calldata judges, uint256 amount) private {
        for (uint256 i; i < judges.length; ++i) _payJudge(jobId, judges[i], amount);
    }

    /* VIEWS */

    /// @inheritdoc IAuditable
    function auditTermsOf(JobId jobId) external view returns (AuditTerms memory) {
        Job storage job = _jobs[jobId];
        return AuditTerms({
            buyer: job.buyer,
            seller: job.seller,
            segments: job.segments,
            segmentSeconds: job.segmentSeconds,
            hardwareClass: job.hardwareClass,
            segmentRoot: job.segmentRoot
        });
    }

    /// @inheritdoc IJobEscrow
    function jobOf(JobId jobId) external view returns (Job memory job) {
        job = _jobs[jobId];
        // Whether a judge or a committee is at work is the court's to know; it is not stored twice.
        if (job.status == JobStatus.UnderAudit && court.caseOf(jobId).round > 0) job.status = JobStatus.Challenged;
    }

    /// @inheritdoc IJobEscrow
    function feeFor(uint256 price, uint16 segments) public view returns (uint256) {
        return Math.max(_feeMin, (price * JUDGE_BPS).ceilDiv(BPS * segments));
    }

    /// @inheritdoc IJobEscrow
    function escrowFor(uint256 price, uint16 segments) public view returns (uint256) {
        return price + feeFor(price, segments).bpsUp(MARGIN_BPS);
    }

    /// @inheritdoc IJobEscrow
    function minCollateralFor(uint256 price, uint16 segments) public view returns (uint256) {
        return Math.max(price.bpsUp(COLLATERAL_BPS), COLLATERAL_FEES * feeFor(price, segments));
    }

    /// @inheritdoc IJobEscrow
    function auditBpsFor(uint256 price, uint256 collateral) public pure returns (uint16) {
        uint256 rate = (price * MARGIN_BPS).ceilDiv(price + collateral);
        return uint16(Math.max(AUDIT_FLOOR_BPS, Math.min(BPS, rate)));
    }

    /// @inheritdoc IJobEscrow
    function parameters() external view returns (EscrowParameters memory) {
        return EscrowParameters({
            minPrice: _minPrice,
            feeMin: _feeMin,
            seedDelay: _seedDelay,
            auditWindow: _auditWindow,
            maxRunSeconds: _maxRunSeconds,
            maxSegmentSeconds: _maxSegmentSeconds,
            maxSegments: _maxSegments
        });
    }

    function _requireStatus(Job storage job, JobStatus expected) private view {
        require(job.status == expected, WrongStatus(expected, job.status));
    }

    function _requireInTime(Job storage job) private view {
        require(_now() <= job.deadline, TooLate(job.deadline, _now()));
    }

    function _requireOver(Job storage job) private view {
        require(_now() > job.deadline, TooEarly(job.deadline, _now()));
    }

    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }
}
