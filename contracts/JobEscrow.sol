// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Treasury} from "./Treasury.sol";
import {AuditTerms, IAuditable, Ruling} from "./interfaces/IAuditable.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EscrowParameters} from "./interfaces/Parameters.sol";
import {JobId} from "./interfaces/Types.sol";
import {Bps} from "./libraries/Bps.sol";
import {Draw} from "./libraries/Draw.sol";

/// @title The life of a job. See IJobEscrow for its promises.
contract JobEscrow is IJobEscrow, Treasury, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Bps for uint256;

    uint256 internal constant AUDIT_FLOOR_BPS = 500;
    uint256 internal constant MIN_COLLATERAL_BPS = 2_500;
    uint256 internal constant ABORT_BPS = 200;
    uint256 internal constant LATE_BPS = 1_000;
    uint256 internal constant FEE_BPS = 100;
    uint256 internal constant BUYER_SHARE_BPS = 2_000;
    uint256 internal constant ACCUSERS_SHARE_BPS = 3_000;

    IStakeVault internal immutable _vault;
    IAuditCourt internal immutable _court;
    IBeacon internal immutable _beacon;
    uint96 internal immutable _minPrice;
    uint96 internal immutable _feeMin;
    uint40 internal immutable _seedDelay;
    uint40 internal immutable _auditWindow;
    uint24 internal immutable _maxRunSeconds;
    uint24 internal immutable _maxSegmentSeconds;
    uint16 internal immutable _maxSegments;

    uint64 internal _jobCount;
    mapping(JobId jobId => Job) internal _jobs;

    constructor(
        IERC20 token_,
        IStakeVault vault_,
        IBeacon beacon_,
        IAuditCourt court_,
        EscrowParameters memory p
    ) Treasury(token_) {
        require(court_.auditable() == address(this), WrongCourt(court_.auditable()));
        (_vault, _beacon, _court) = (vault_, beacon_, court_);
        (_minPrice, _feeMin, _seedDelay, _auditWindow) = (p.minPrice, p.feeMin, p.seedDelay, p.auditWindow);
        (_maxRunSeconds, _maxSegmentSeconds, _maxSegments) = (p.maxRunSeconds, p.maxSegmentSeconds, p.maxSegments);
    }

    /* POSTING */

    /// @inheritdoc IJobEscrow
    function post(Terms calldata t) external nonReentrant returns (JobId jobId) {
        require(t.specCid != 0, EmptyCid());
        require(t.price >= _minPrice, PriceTooLow(_minPrice, t.price));
        require(t.segments > 0 && t.segments <= _maxSegments, SegmentsOutOfRange(_maxSegments, t.segments));
        _requireSeconds(_maxSegmentSeconds, t.segmentSeconds);
        _requireSeconds(_maxRunSeconds, t.runSeconds);
        _requireSeconds(type(uint24).max, t.openSeconds);

        jobId = JobId.wrap(++_jobCount);
        Job storage job = _jobs[jobId];
        (job.buyer, job.segments, job.segmentSeconds) = (msg.sender, t.segments, t.segmentSeconds);
        (job.runSeconds, job.hardwareClass) = (t.runSeconds, t.hardwareClass);
        (job.price, job.specCid, job.status) = (t.price, t.specCid, JobStatus.Open);
        job.openUntil = job.deadline = uint40(block.timestamp) + t.openSeconds;
        emit JobPosted(jobId, msg.sender, t.specCid, t.price, t.segments);
        _collect(msg.sender, escrowFor(t.price, t.segments));
    }

    /// @inheritdoc IJobEscrow
    function cancel(JobId jobId) external nonReentrant {
        Job storage job = _inStatus(jobId, JobStatus.Open);
        require(msg.sender == job.buyer, OnlyBuyer(job.buyer));

        job.status = JobStatus.Refunded;
        emit JobCancelled(jobId);
        _pay(job.buyer, escrowFor(job.price, job.segments));
    }

    /* ACCEPTANCE */

    /// @inheritdoc IJobEscrow
    function accept(JobId jobId, uint96 collateral) external nonReentrant {
        Job storage job = _inStatus(jobId, JobStatus.Open);
        _requireInTime(job.deadline);
        require(msg.sender != job.buyer, SellerIsBuyer());
        uint256 least = minCollateralFor(job.price, job.segments);
        require(collateral >= least, CollateralTooLow(least, collateral));
        uint256 fee = feeFor(job.price, job.segments);
        require(
            _court.canJudge(job.hardwareClass, job.buyer, msg.sender, fee), NotEnoughJudges(job.hardwareClass)
        );

        (job.seller, job.status, job.collateral) = (msg.sender, JobStatus.Running, collateral);
        job.auditBps = auditBpsFor(job.price, collateral);
        job.deadline = uint40(block.timestamp) + job.runSeconds;
        emit JobAccepted(jobId, msg.sender, collateral, job.auditBps, job.deadline);
        _vault.lock(msg.sender, collateral);
    }

    /// @inheritdoc IJobEscrow
    function abort(JobId jobId) external nonReentrant {
        Job storage job = _inStatus(jobId, JobStatus.Running);
        require(msg.sender == job.seller, OnlySeller(job.seller));
        _requireInTime(job.deadline);
        (address seller, uint256 collateral) = (job.seller, job.collateral);
        uint256 penalty = uint256(job.price).bpsUp(ABORT_BPS);
        bool reopened = job.openUntil > block.timestamp;

        job.status = reopened ? JobStatus.Open : JobStatus.Refunded;
        job.deadline = job.openUntil;
        (job.seller, job.collateral, job.auditBps) = (address(0), 0, 0);
        emit JobAborted(jobId, seller, penalty, reopened);
        uint256 toBuyer = _penalise(seller, collateral, penalty);
        if (!reopened) toBuyer += escrowFor(job.price, job.segments);
        _pay(job.buyer, toBuyer);
    }

    /* SUBMISSION */

    /// @inheritdoc IJobEscrow
    function submit(JobId jobId, bytes32 resultCid, bytes32 segmentRoot) external {
        Job storage job = _inStatus(jobId, JobStatus.Running);
        require(msg.sender == job.seller, OnlySeller(job.seller));
        _requireInTime(job.deadline);
        require(resultCid != 0, EmptyCid());
        require(segmentRoot != 0, EmptyRoot());

        (job.resultCid, job.segmentRoot, job.status) = (resultCid, segmentRoot, JobStatus.Submitted);
        job.epoch = _beacon.epochAt(uint64(block.timestamp) + _seedDelay);
        job.deadline = uint40(block.timestamp) + _auditWindow;
        emit JobSubmitted(jobId, job.seller, resultCid, segmentRoot, job.epoch);
    }

    /// @inheritdoc IJobEscrow
    function refund(JobId jobId) external nonReentrant {
        Job storage job = _jobs[jobId];
        bool isLate = job.status == JobStatus.Running;
        require(isLate || job.status == JobStatus.Open, WrongStatus(JobStatus.Open, job.status));
        require(block.timestamp > job.deadline, TooEarly(job.deadline, uint40(block.timestamp)));
        uint256 penalty = isLate ? uint256(job.price).bpsUp(LATE_BPS) : 0;
        uint256 escrowed = escrowFor(job.price, job.segments);

        job.status = JobStatus.Refunded;
        emit JobRefunded(jobId, escrowed, penalty);
        if (isLate) escrowed += _penalise(job.seller, job.collateral, penalty);
        _pay(job.buyer, escrowed);
    }

    /* AUDIT */

    /// @inheritdoc IJobEscrow
    function isDrawn(JobId jobId) public view returns (bool) {
        Job storage job = _jobs[jobId];
        require(job.segmentRoot != 0, WrongStatus(JobStatus.Submitted, job.status));
        bytes32 seed = _beacon.seedOf(job.epoch);
        require(seed != 0, AwaitingSeed(job.epoch));
        return Draw.isDrawn(seed, jobId, job.segmentRoot, job.auditBps);
    }

    /// @inheritdoc IJobEscrow
    function openAudit(JobId jobId) external nonReentrant {
        Job storage job = _inStatus(jobId, JobStatus.Submitted);
        require(!job.audited && isDrawn(jobId), NotDrawn());

        job.status = JobStatus.UnderAudit;
        emit AuditOpened(jobId);
        uint40 submittedAt = job.deadline - _auditWindow;
        _court.open(jobId, job.epoch, submittedAt, uint96(feeFor(job.price, job.segments)));
    }

    /// @inheritdoc IAuditable
    function rule(
        JobId jobId,
        Ruling ruling,
        address[] calldata right,
        bool firstIsRight,
        uint256 penalties
    ) external nonReentrant {
        require(msg.sender == address(_court), OnlyCourt(address(_court)));
        Job storage job = _inStatus(jobId, JobStatus.UnderAudit);
        emit JobRuled(jobId, uint8(ruling));
        if (ruling == Ruling.Slashed) return _slash(jobId, job, right, firstIsRight, penalties);
        if (ruling == Ruling.Void) return _void(jobId, job, right, penalties);

        (job.status, job.audited) = (JobStatus.Submitted, true);
        if (ruling == Ruling.Confirmed) _pay(job.buyer, _closeAudited(jobId, job, right[0]));
        else if (ruling == Ruling.Acquitted) _acquit(jobId, job, right, penalties);
        else _failOpen(job, penalties);
    }

    /// @inheritdoc IAuditable
    function bookPenalty(uint256 amount) external {
        require(msg.sender == address(_court), OnlyCourt(address(_court)));
        _keep(0, amount);
    }

    /* SETTLEMENT */

    /// @inheritdoc IJobEscrow
    function settle(JobId jobId) external nonReentrant {
        Job storage job = _inStatus(jobId, JobStatus.Submitted);
        bool mayNow = msg.sender == job.buyer || block.timestamp > job.deadline;
        require(mayNow, TooEarly(job.deadline, uint40(block.timestamp)));
        require(job.audited || !isDrawn(jobId), AuditPending());
        uint256 fee = uint256(job.price).bpsUp(FEE_BPS);

        job.status = JobStatus.Settled;
        uint256 returned = job.audited ? 0 : _closeUnaudited(job);
        _keep(fee - fee / 2, fee / 2);
        emit JobSettled(jobId, job.seller, job.price - fee, fee, returned);
        _vault.unlock(job.seller, job.collateral);
        _pay(job.seller, job.price - fee);
        _pay(job.buyer, returned);
    }

    /* VIEWS */

    /// @inheritdoc IJobEscrow
    function jobOf(JobId jobId) external view returns (Job memory job) {
        job = _jobs[jobId];
        // Whether a judge or a committee is at work is the court's state; it is not stored twice.
        if (job.status == JobStatus.UnderAudit && _court.caseOf(jobId).round > 0) job.status = JobStatus.Challenged;
    }

    /// @inheritdoc IJobEscrow
    function jobCount() external view returns (uint64) {
        return _jobCount;
    }

    /// @inheritdoc IAuditable
    function auditTermsOf(JobId jobId) external view returns (AuditTerms memory) {
        Job storage job = _jobs[jobId];
        return AuditTerms(
            job.buyer, job.seller, job.segments, job.segmentSeconds, job.hardwareClass, job.segmentRoot
        );
    }

    /// @inheritdoc IJobEscrow
    function feeFor(uint256 price, uint16 segments) public view returns (uint256) {
        uint256 fee = Bps.ceilDiv(price * 12, 10 * uint256(segments));
        return fee > _feeMin ? fee : _feeMin;
    }

    /// @inheritdoc IJobEscrow
    function escrowFor(uint256 price, uint16 segments) public view returns (uint256) {
        return price + _auditBudget(feeFor(price, segments));
    }

    /// @inheritdoc IJobEscrow
    function minCollateralFor(uint256 price, uint16 segments) public view returns (uint256) {
        uint256 share = price.bpsUp(MIN_COLLATERAL_BPS);
        uint256 fees = 4 * feeFor(price, segments);
        return share > fees ? share : fees;
    }

    /// @inheritdoc IJobEscrow
    function auditBpsFor(uint256 price, uint256 collateral) public pure returns (uint16) {
        uint256 rate = Bps.ceilDiv(12_500 * price, price + collateral);
        if (rate > Bps.ONE) return uint16(Bps.ONE);
        return uint16(rate < AUDIT_FLOOR_BPS ? AUDIT_FLOOR_BPS : rate);
    }

    /* ENDINGS */

    /// @dev The first judge was overruled: the levy goes to the pool as if the job had not been drawn.
    function _acquit(JobId jobId, Job storage job, address[] calldata right, uint256 penalties) internal {
        uint256 returned = _closeUnaudited(job);
        uint256 left = penalties - _payFees(jobId, job, right, penalties);
        uint256 toSeller = left.bpsDown(BUYER_SHARE_BPS);
        _keep(0, left - toSeller);
        _pay(job.seller, toSeller);
        _pay(job.buyer, returned);
    }

    /// @dev Nobody judged: one more window, then the job is settled like one that was not drawn.
    function _failOpen(Job storage job, uint256 penalties) internal {
        job.deadline = uint40(block.timestamp) + _auditWindow;
        _keep(0, penalties);
        _pay(job.buyer, _closeUnaudited(job));
    }

    function _slash(
        JobId jobId,
        Job storage job,
        address[] calldata right,
        bool firstIsRight,
        uint256 penalties
    ) internal {
        (uint256 price, uint256 collateral) = (job.price, job.collateral);
        job.status = JobStatus.Slashed;
        uint256 returned = firstIsRight ? _closeAudited(jobId, job, right[0]) : _closeUnaudited(job);
        uint256 left = collateral - _payFees(jobId, job, right[firstIsRight ? 1 : 0:], collateral);
        uint256 toBuyer = left.bpsDown(BUYER_SHARE_BPS);
        if (toBuyer > price) toBuyer = price;
        uint256 each = left.bpsDown(ACCUSERS_SHARE_BPS) / right.length;
        uint256 burned = left - toBuyer - each * right.length;

        _keep(burned, penalties);
        emit JobSlashed(jobId, job.seller, collateral, price + returned + toBuyer, burned);
        _vault.slash(job.seller, collateral, address(this));
        for (uint256 i = 0; i < right.length; i++) _payJudge(jobId, right[i], each);
        _pay(job.buyer, price + returned + toBuyer);
    }

    /// @dev The judges could not agree: halves, and everybody who spoke is paid as far as levy and pool reach.
    function _void(JobId jobId, Job storage job, address[] calldata right, uint256 penalties) internal {
        uint256 toSeller = job.price / 2;
        uint256 fee = feeFor(job.price, job.segments);
        uint256 levy = _levyOf(job, fee);
        job.status = JobStatus.Void;
        uint256 each = (levy + _pool) / right.length;
        if (each > fee) each = fee;
        _keep(0, levy + penalties);
        _take(each * right.length);
        uint256 toBuyer = job.price - toSeller + _auditBudget(fee) - levy;

        emit JobVoided(jobId, toBuyer, toSeller);
        _vault.unlock(job.seller, job.collateral);
        for (uint256 i = 0; i < right.length; i++) _payJudge(jobId, right[i], each);
        _pay(job.seller, toSeller);
        _pay(job.buyer, toBuyer);
    }

    /* AUDIT MONEY */

    /// @dev Nobody is to be paid for an audit: levy to the pool; returns what goes back to the buyer.
    function _closeUnaudited(Job storage job) internal returns (uint256 returned) {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 levy = _levyOf(job, fee);
        _keep(0, levy);
        return _auditBudget(fee) - levy;
    }

    /// @dev Pays the first judge from levy, pool and the buyer's reserve, in this order; returns what goes back.
    function _closeAudited(JobId jobId, Job storage job, address judge) internal returns (uint256 returned) {
        uint256 fee = feeFor(job.price, job.segments);
        uint256 levy = _levyOf(job, fee);
        returned = _auditBudget(fee) - levy;
        if (levy >= fee) _keep(0, levy - fee);
        else returned -= fee - levy - _take(fee - levy);
        _payJudge(jobId, judge, fee);
    }

    /// @dev One fee to each, out of `budget` and then the pool; returns what was used of the budget.
    function _payFees(
        JobId jobId,
        Job storage job,
        address[] calldata judges,
        uint256 budget
    ) internal returns (uint256 used) {
        uint256 fee = feeFor(job.price, job.segments);
        for (uint256 i = 0; i < judges.length; i++) {
            uint256 part = budget - used < fee ? budget - used : fee;
            used += part;
            _payJudge(jobId, judges[i], part == fee ? fee : part + _take(fee - part));
        }
    }

    function _payJudge(JobId jobId, address judge, uint256 amount) internal {
        if (amount == 0) return;
        emit JudgePaid(jobId, judge, amount);
        _pay(judge, amount);
    }

    /// @dev `penalty` of the collateral: half is burned, half returned for the buyer; the rest of it is free again.
    function _penalise(address seller, uint256 collateral, uint256 penalty) internal returns (uint256 toBuyer) {
        toBuyer = penalty / 2;
        _keep(penalty - toBuyer, 0);
        _vault.unlock(seller, collateral - penalty);
        _vault.slash(seller, penalty, address(this));
    }

    /// @dev M = ceil(1.25 F): the levy if every job were audited.
    function _auditBudget(uint256 fee) internal pure returns (uint256) {
        return Bps.ceilDiv(fee * 5, 4);
    }

    /// @dev ceil(1.25 · p · F).
    function _levyOf(Job storage job, uint256 fee) internal view returns (uint256) {
        return Bps.ceilDiv(fee * job.auditBps * 5, 4 * Bps.ONE);
    }

    /* GUARDS */

    function _inStatus(JobId jobId, JobStatus expected) internal view returns (Job storage job) {
        job = _jobs[jobId];
        require(job.status == expected, WrongStatus(expected, job.status));
    }

    function _requireInTime(uint40 deadline) internal view {
        require(block.timestamp <= deadline, TooLate(deadline, uint40(block.timestamp)));
    }

    function _requireSeconds(uint256 maximum, uint256 asked) internal pure {
        require(asked > 0 && asked <= maximum, SecondsOutOfRange(maximum, asked));
    }
}
