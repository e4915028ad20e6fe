// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Rulings} from "./Rulings.sol";
import {Treasury} from "./Treasury.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IAuditable, Outcome, Ruling} from "./interfaces/IAuditable.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Job, JobStatus, Terms} from "./interfaces/Job.sol";
import {EscrowParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {BPS, Bps} from "./libraries/Bps.sol";
import {Commitment} from "./libraries/Commitment.sol";
import {Draw} from "./libraries/Draw.sol";
import {Epochs} from "./libraries/Epochs.sol";
import {Fees} from "./libraries/Fees.sol";
import {StateHash} from "./libraries/StateHash.sol";

/// @title Buyers' payments and the life of a job. What rulings do with the money is in `Rulings`, the till is `Treasury`.
/// @dev Invariant: the escrow's tokens = Σ held by live jobs + pool + burnable + credits + bonds.
contract JobEscrow is Rulings {
    using Bps for uint256;

    uint256 private constant ABORT_BPS = 200;
    uint256 private constant LATE_BPS = 1_000;
    uint256 private constant FEE_BPS = 100;
    uint256 private constant MAX_PARTS = 16;

    /// @dev Where all others are, in the order of the constructors.
    struct Contracts {
        IERC20 token;
        IStakeVault vault;
        IBeacon beacon;
        IJudgeBench bench;
        IAuditCourt court;
        IReputation reputation;
    }

    IBeacon public immutable beacon;
    IAuditCourt public immutable court;
    uint96 private immutable _minPrice;
    uint40 private immutable _seedDelay;
    uint64 private immutable _genesis;
    uint64 private immutable _epochSeconds;
    uint24 private immutable _maxRunSeconds;
    uint24 private immutable _maxSegmentSeconds;
    uint16 private immutable _maxSegments;

    /// @inheritdoc IJobEscrow
    uint64 public jobCount;
    /// @inheritdoc IJobEscrow
    mapping(JobId jobId => bytes32) public stateOf;

    modifier onlyCourt() {
        require(msg.sender == address(court), OnlyCourt(address(court)));
        _;
    }

    constructor(Contracts memory others, EscrowParameters memory parameters_)
        Treasury(others.token)
        Rulings(others.vault, others.bench, others.reputation, parameters_.feeMin, parameters_.auditWindow)
    {
        uint24 judged = others.court.maxSegmentSeconds();
        require(others.court.auditable() == address(this), WrongCourt(others.court.auditable()));
        require(parameters_.maxSegmentSeconds <= judged, SecondsOutOfRange(judged, parameters_.maxSegmentSeconds));

        (beacon, court) = (others.beacon, others.court);
        _minPrice = parameters_.minPrice;
        _seedDelay = parameters_.seedDelay;
        _genesis = others.beacon.genesis();
        _epochSeconds = others.beacon.roundsPerEpoch() * others.beacon.period();
        _maxRunSeconds = parameters_.maxRunSeconds;
        _maxSegmentSeconds = parameters_.maxSegmentSeconds;
        _maxSegments = parameters_.maxSegments;
    }

    /* POSTING */

    /// @inheritdoc IJobEscrow
    function post(Terms memory terms) external nonReentrant returns (JobId jobId) {
        _requireValid(terms);
        uint256 held = escrowFor(terms.maxPrice, terms.segments, terms.parts);

        jobId = _open(terms, msg.sender, uint96(held));

        _collect(msg.sender, held);
    }

    /// @inheritdoc IJobEscrow
    function postMany(Terms memory terms, bytes32[] calldata specCids) external nonReentrant returns (JobId first) {
        _requireValid(terms);
        require(specCids.length > 0, NothingPosted());
        uint256 held = escrowFor(terms.maxPrice, terms.segments, terms.parts);
        first = JobId.wrap(jobCount + 1);

        for (uint256 i; i < specCids.length; ++i) {
            require(specCids[i] != 0, EmptyCid());
            terms.specCid = specCids[i];
            _open(terms, msg.sender, uint96(held));
        }

        _collect(msg.sender, held * specCids.length);
    }

    /// @inheritdoc IJobEscrow
    function cancel(JobId jobId, Job memory job) external nonReentrant {
        _requireState(jobId, job, JobStatus.Open);
        require(msg.sender == job.buyer, OnlyBuyer(job.buyer));

        uint256 held = _end(jobId, job, JobStatus.Refunded);

        emit JobCancelled(jobId);

        _pay(job.buyer, held);
    }

    function _open(Terms memory terms, address buyer, uint96 held) private returns (JobId jobId) {
        Job memory job;
        jobId = JobId.wrap(++jobCount);
        (job.termsHash, job.buyer, job.status) = (StateHash.ofTerms(terms), buyer, JobStatus.Open);
        (job.segments, job.held) = (terms.segments, held);
        job.openUntil = _now() + terms.openSeconds;
        job.deadline = job.openUntil;
        _store(jobId, job);

        emit JobPosted(jobId, buyer, terms, held, job.openUntil);
    }

    function _requireValid(Terms memory terms) private view {
        (uint256 segments, uint256 parts) = (terms.segments, terms.parts);
        require(terms.specCid != 0, EmptyCid());
        require(terms.startPrice >= _minPrice, PriceTooLow(_minPrice, terms.startPrice));
        require(terms.maxPrice >= terms.startPrice, PriceFalls(terms.startPrice, terms.maxPrice));
        require(segments > 0 && segments <= _maxSegments, SegmentsOutOfRange(_maxSegments, segments));
        require(parts > 0 && parts <= MAX_PARTS, PartsOutOfRange(MAX_PARTS, parts));
        _requireSeconds(terms.segmentSeconds, _maxSegmentSeconds);
        _requireSeconds(terms.runSeconds, _maxRunSeconds);
        _requireSeconds(terms.openSeconds, type(uint24).max);
    }

    function _requireSeconds(uint24 seconds_, uint24 maximum) private pure {
        require(seconds_ > 0 && seconds_ <= maximum, SecondsOutOfRange(maximum, seconds_));
    }

    /* ACCEPTANCE */

    /// @inheritdoc IJobEscrow
    function accept(JobId jobId, Job memory job, Terms calldata terms, address seller, uint96 collateral)
        external
        nonReentrant
    {
        _requireState(jobId, job, JobStatus.Open);
        _requireTerms(job, terms);
        _requireInTime(job);
        _requireWelcome(job, terms, seller);
        uint96 price = priceAt(terms, job.openUntil, _now());
        _requireCollateral(collateral, minCollateralFor(price, job.segments));
        bool canJudge = bench.canJudge(terms.hardwareClass, job.buyer, seller, feeFor(price, job.segments));
        require(canJudge, NotEnoughJudges(terms.hardwareClass));

        (job.seller, job.status, job.price, job.collateral) = (seller, JobStatus.Running, price, collateral);
        job.auditBps = auditBpsFor(price, collateral);
        job.deadline = _now() + terms.runSeconds;
        _store(jobId, job);

        emit JobAccepted(jobId, seller, price, collateral, job.auditBps, job.deadline);

        vault.lock(seller, collateral);
    }

    /// @inheritdoc IJobEscrow
    function abort(JobId jobId, Job memory job) external nonReentrant {
        (address seller, uint96 collateral) = (job.seller, job.collateral);
        uint256 penalty = uint256(job.price).bpsUp(ABORT_BPS);
        bool reopens = job.openUntil > _now();

        _requireRunning(jobId, job);

        uint256 held;
        if (reopens) _reopen(jobId, job);
        else held = _end(jobId, job, JobStatus.Refunded);
        uint256 toBuyer = _splitPenalty(penalty);

        emit JobAborted(jobId, seller, penalty, reopens);

        _penalise(seller, collateral, penalty);
        _pay(job.buyer, held + toBuyer);
    }

    function _requireWelcome(Job memory job, Terms calldata terms, address seller) private view {
        _requireActsFor(seller);
        require(seller != job.buyer, SellerIsBuyer());
        require(terms.seller == address(0) || terms.seller == seller, OnlySeller(terms.seller));
        if (terms.minReputation == 0) return;
        uint256 score = reputation.scoreOf(seller);
        require(score >= terms.minReputation, ReputationTooLow(terms.minReputation, score));
    }

    function _requireCollateral(uint256 collateral, uint256 minimum) private pure {
        require(collateral >= minimum, CollateralTooLow(minimum, collateral));
    }

    /// @dev As it was posted; the price has gone on rising by the clock.
    function _reopen(JobId jobId, Job memory job) private {
        (job.status, job.deadline) = (JobStatus.Open, job.openUntil);
        (job.seller, job.price, job.collateral, job.auditBps) = (address(0), 0, 0, 0);
        _store(jobId, job);
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
    function submit(JobId jobId, Job memory job, bytes32 resultCid, bytes32 segmentRoot) external {
        _requireRunning(jobId, job);

        _submit(jobId, job, resultCid, segmentRoot);
    }

    /// @inheritdoc IJobEscrow
    function handBack(
        JobId jobId,
        Job memory job,
        Terms calldata terms,
        Submission calldata part,
        LastOutput calldata last
    ) external nonReentrant returns (JobId rest) {
        _requireRunning(jobId, job);
        _requireTerms(job, terms);
        require(terms.parts > 1, PartsOutOfRange(terms.parts, 2));
        require(part.done > 0 && part.done < job.segments, SegmentsOutOfRange(job.segments - 1, part.done));
        require(_isLast(jobId, part, last), WrongOutput());

        Terms memory restTerms = _restOf(terms, part.done, last.outputCid);
        uint96 restHeld = uint96(escrowFor(restTerms.maxPrice, restTerms.segments, restTerms.parts));
        job.price = uint96((uint256(job.price) * part.done) / job.segments);
        job.held -= restHeld;
        job.segments = part.done;
        rest = _open(restTerms, job.buyer, restHeld);

        emit JobHandedBack(jobId, rest, job.segments, job.price, job.held);

        _submit(jobId, job, part.resultCid, part.segmentRoot);
    }

    /// @inheritdoc IJobEscrow
    function refund(JobId jobId, Job memory job) external nonReentrant {
        bool isLate = job.status == JobStatus.Running;

        _requireState(jobId, job, isLate ? JobStatus.Running : JobStatus.Open);
        _requireOver(job);

        uint256 held = _end(jobId, job, JobStatus.Refunded);
        uint256 penalty = isLate ? uint256(job.price).bpsUp(LATE_BPS) : 0;
        uint256 toBuyer = _splitPenalty(penalty);

        emit JobRefunded(jobId, held, penalty);

        if (isLate) {
            _penalise(job.seller, job.collateral, penalty);
            reputation.recordLate(job.seller, job.buyer, job.price);
        }
        _pay(job.buyer, held + toBuyer);
    }

    function _submit(JobId jobId, Job memory job, bytes32 resultCid, bytes32 segmentRoot) private {
        Epoch epoch = Epochs.firstFrom(_now() + _seedDelay, _genesis, _epochSeconds);

        require(resultCid != 0, EmptyCid());
        require(segmentRoot != 0, EmptyRoot());

        (job.status, job.deadline, job.epoch) = (JobStatus.Submitted, _now() + auditWindow, epoch);
        (job.resultCid, job.segmentRoot) = (resultCid, segmentRoot);
        _store(jobId, job);

        emit JobSubmitted(jobId, job.seller, resultCid, segmentRoot, epoch, job.deadline);
    }

    /// @dev What another seller goes on with. Rounded down, so that both parts together never ask for more than the job holds.
    function _restOf(Terms memory terms, uint16 done, bytes32 outputCid) private pure returns (Terms memory) {
        uint16 left = terms.segments - done;
        terms.input = outputCid;
        terms.startPrice = uint96((uint256(terms.startPrice) * left) / terms.segments);
        terms.maxPrice = uint96((uint256(terms.maxPrice) * left) / terms.segments);
        terms.firstSegment += done;
        terms.segments = left;
        --terms.parts;
        return terms;
    }

    /// @dev The output is the one the part's last leaf commits to.
    function _isLast(JobId jobId, Submission calldata part, LastOutput calldata last) private pure returns (bool) {
        uint256 index = part.done - 1;
        bytes32 leaf = Commitment.leaf(jobId, index, last.digest, last.outputCid);
        if (last.proof.length != Commitment.depth(part.done)) return false;
        return Commitment.root(leaf, index, last.proof) == part.segmentRoot;
    }

    /* AUDIT */

    /// @inheritdoc IJobEscrow
    function isDrawn(JobId jobId, Job memory job) public view returns (bool drawn) {
        _requireCurrent(jobId, job);
        (drawn,) = _draw(jobId, job);
    }

    /// @inheritdoc IAuditable
    function openAudit(JobId jobId, Job memory job, Terms calldata terms)
        external
        nonReentrant
        returns (SlotId judge)
    {
        _requireState(jobId, job, JobStatus.Submitted);
        _requireTerms(job, terms);
        require(!job.audited, IAuditCourt.CaseAlreadyOpen(jobId));
        (bool drawn, bytes32 seed) = _draw(jobId, job);
        require(drawn, NotDrawn());

        job.status = JobStatus.UnderAudit;
        _store(jobId, job);

        emit AuditOpened(jobId);

        judge = court.open(jobId, job, terms, seed);
    }

    /// @inheritdoc IAuditable
    function rule(JobId jobId, Job memory job, Outcome calldata outcome) external onlyCourt nonReentrant {
        bool isJudged = job.status == JobStatus.UnderAudit || job.status == JobStatus.Challenged;
        bool isCanary = outcome.ruling == Ruling.Canary && job.status == JobStatus.Submitted;

        _requireCurrent(jobId, job);
        require(isJudged || isCanary, WrongStatus(JobStatus.UnderAudit, job.status));

        _carryOut(jobId, job, outcome);
    }

    /// @inheritdoc IAuditable
    function challenged(JobId jobId, Job memory job, address challenger, uint256 bond) external onlyCourt nonReentrant {
        _requireState(jobId, job, JobStatus.Submitted);
        _requireInTime(job);

        job.status = JobStatus.Challenged;
        _store(jobId, job);

        emit JobChallenged(jobId, challenger);

        _collect(challenger, bond);
    }

    /// @inheritdoc IAuditable
    function takeBond(address payer, uint256 bond) external onlyCourt nonReentrant {
        _collect(payer, bond);
    }

    /// @inheritdoc IAuditable
    function bookPenalty(uint256 amount) external onlyCourt {
        _addToPool(amount);
    }

    /// @inheritdoc IAuditable
    function payJudge(address owner, uint256 amount) external nonReentrant {
        require(msg.sender == address(bench), OnlyBench(address(bench)));

        _pay(vault.payoutOf(owner), amount);
    }

    /// @dev A seed that judges made may be biased by one of them, so it draws twice as often.
    function _draw(JobId jobId, Job memory job) private view returns (bool drawn, bytes32 seed) {
        bool isFallback;
        require(job.segmentRoot != 0, WrongStatus(JobStatus.Submitted, job.status));
        (seed, isFallback) = beacon.seedFor(job.epoch);
        require(seed != 0, AwaitingSeed(job.epoch));

        uint256 rate = isFallback ? 2 * uint256(job.auditBps) : job.auditBps;
        drawn = Draw.isDrawn(seed, jobId, job.segmentRoot, rate);
    }

    /* SETTLEMENT */

    /// @inheritdoc IJobEscrow
    function settle(JobId jobId, Job memory job) external nonReentrant {
        _requireState(jobId, job, JobStatus.Submitted);
        if (!job.audited) {
            (bool drawn,) = _draw(jobId, job);
            require(!drawn, AuditPending());
        }
        if (msg.sender != job.buyer) _requireOver(job);

        uint256 fee = uint256(job.price).bpsUp(FEE_BPS);
        uint256 returned = _closeLevy(job, 0);
        _addReserves(fee - fee / 2, fee / 2);
        _end(jobId, job, JobStatus.Settled);

        emit JobSettled(jobId, job.seller, job.price - fee, fee, returned);

        vault.unlock(job.seller, job.collateral);
        _pay(vault.payoutOf(job.seller), job.price - fee);
        _pay(job.buyer, returned);
    }

    /* STATE */

    function _store(JobId jobId, Job memory job) internal override {
        stateOf[jobId] = StateHash.ofJob(job);
    }

    /// @return held What the job still held.
    function _end(JobId jobId, Job memory job, JobStatus status) private returns (uint256 held) {
        held = job.held;
        (job.status, job.held) = (status, 0);
        _store(jobId, job);
    }

    function _requireCurrent(JobId jobId, Job memory job) private view {
        require(stateOf[jobId] == StateHash.ofJob(job), StaleJob(jobId));
    }

    function _requireState(JobId jobId, Job memory job, JobStatus expected) private view {
        _requireCurrent(jobId, job);
        require(job.status == expected, WrongStatus(expected, job.status));
    }

    function _requireTerms(Job memory job, Terms calldata terms) private pure {
        require(job.termsHash == StateHash.ofCalled(terms), StaleTerms());
    }

    /// @dev The seller's move, in time.
    function _requireRunning(JobId jobId, Job memory job) private view {
        _requireState(jobId, job, JobStatus.Running);
        _requireActsFor(job.seller);
        _requireInTime(job);
    }

    function _requireActsFor(address seller) private view {
        require(msg.sender == seller || msg.sender == vault.operatorOf(seller), OnlySeller(seller));
    }

    function _requireInTime(Job memory job) private view {
        require(_now() <= job.deadline, TooLate(job.deadline, _now()));
    }

    function _requireOver(Job memory job) private view {
        require(_now() > job.deadline, TooEarly(job.deadline, _now()));
    }

    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }

    /* VIEWS */

    /// @inheritdoc IAuditable
    function requireCurrent(JobId jobId, Job memory job) external view {
        _requireCurrent(jobId, job);
    }

    /// @inheritdoc IAuditable
    function feeOf(JobId jobId, Job memory job) external view returns (uint256) {
        _requireCurrent(jobId, job);
        return _feeOf(job);
    }

    /// @inheritdoc IJobEscrow
    function priceAt(Terms calldata terms, uint40 openUntil, uint40 time) public pure returns (uint96) {
        uint256 elapsed = time - (openUntil - terms.openSeconds);
        if (elapsed >= terms.riseSeconds) return terms.maxPrice;
        return terms.startPrice + uint96((uint256(terms.maxPrice - terms.startPrice) * elapsed) / terms.riseSeconds);
    }

    /// @inheritdoc IAuditable
    function feeFor(uint256 price, uint16 segments) public view returns (uint256) {
        return Fees.fee(price, segments, _feeMin);
    }

    /// @inheritdoc IJobEscrow
    function escrowFor(uint256 price, uint16 segments, uint8 parts) public view returns (uint256) {
        return price + parts * Fees.maxLevy(feeFor(price, segments));
    }

    /// @inheritdoc IJobEscrow
    function minCollateralFor(uint256 price, uint16 segments) public view returns (uint256) {
        return Fees.minCollateral(price, feeFor(price, segments));
    }

    /// @inheritdoc IJobEscrow
    function auditBpsFor(uint256 price, uint256 collateral) public pure returns (uint16) {
        return uint16(Fees.auditBps(price, collateral));
    }

    /// @inheritdoc IJobEscrow
    function parameters() external view returns (EscrowParameters memory) {
        return EscrowParameters({
            minPrice: _minPrice,
            feeMin: _feeMin,
            seedDelay: _seedDelay,
            auditWindow: auditWindow,
            maxRunSeconds: _maxRunSeconds,
            maxSegmentSeconds: _maxSegmentSeconds,
            maxSegments: _maxSegments
        });
    }
}
