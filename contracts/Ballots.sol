// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IAuditable} from "./interfaces/IAuditable.sol";
import {IBallots} from "./interfaces/IBallots.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {Comparison, Job, Terms} from "./interfaces/Job.sol";
import {BallotParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {Commitment} from "./libraries/Commitment.sol";
import {Epochs} from "./libraries/Epochs.sol";
import {WRONG_FEES} from "./libraries/Fees.sol";
import {StateHash} from "./libraries/StateHash.sol";
import {MATCH, UNDELIVERED, Verdict} from "./libraries/Verdict.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title Committees: drawn, sealed, revealed, counted.
contract Ballots is IBallots, ReentrancyGuardTransient {
    uint256 private constant MAX_SEATS = 15;
    uint8 private constant LEAST_SEATS = 3;
    uint40 private constant SEED_PATIENCE = 7 days; // beyond which a committee without a seed is given up

    IBeacon public immutable beacon;
    IJudgeBench public immutable bench;
    IAuditCourt public immutable court;
    IAuditable public immutable auditable;
    uint40 private immutable _sealMinSeconds;
    uint40 private immutable _revealSeconds;
    uint40 private immutable _drawWindow;
    uint40 private immutable _seedDelay;
    uint64 private immutable _genesis;
    uint64 private immutable _epochSeconds;

    mapping(JobId jobId => mapping(uint8 round => Ballot)) private _ballots;
    mapping(JobId jobId => mapping(uint8 round => SlotId[MAX_SEATS])) private _committees;
    mapping(JobId jobId => mapping(uint8 round => mapping(uint256 seat => bytes32))) private _findings;
    /// Where the next walk of a round begins; written only when a whole walk did not find enough judges.
    mapping(JobId jobId => mapping(uint8 round => uint256 probe)) private _probes;

    modifier onlyCourt() {
        require(msg.sender == address(court), OnlyTheCourt(address(court)));
        _;
    }

    /// @param court_ The address the court will be created at.
    /// @param escrow The address the escrow will be created at.
    constructor(
        IBeacon beacon_,
        IJudgeBench bench_,
        IAuditCourt court_,
        IAuditable escrow,
        BallotParameters memory parameters_
    ) {
        (beacon, bench, court, auditable) = (beacon_, bench_, court_, escrow);
        _sealMinSeconds = parameters_.sealMinSeconds;
        _revealSeconds = parameters_.revealSeconds;
        _drawWindow = parameters_.drawWindow;
        _seedDelay = parameters_.seedDelay;
        _genesis = beacon_.genesis();
        _epochSeconds = beacon_.roundsPerEpoch() * beacon_.period();
    }

    /* THE COURT'S */

    /// @inheritdoc IBallots
    function callBallot(
        JobId jobId,
        uint8 round,
        Comparison comparison,
        uint16 segment,
        uint8 seats,
        bool mayBeShort
    ) external onlyCourt returns (Epoch epoch) {
        epoch = Epochs.firstFrom(_now() + _seedDelay, _genesis, _epochSeconds);
        _ballots[jobId][round] = Ballot({
            status: BallotStatus.Drawing,
            comparison: comparison,
            segment: segment,
            seats: seats,
            size: 0,
            sealedSeats: 0,
            revealedSeats: 0,
            provedSeats: 0,
            mayBeShort: mayBeShort,
            since: _now(),
            deadline: Epochs.timeOf(epoch, _genesis, _epochSeconds) + _drawWindow,
            epoch: epoch
        });

        emit BallotCalled(jobId, round, segment, seats, epoch);
    }

    /// @inheritdoc IBallots
    function cancel(JobId jobId, uint8 round) external onlyCourt {
        Ballot storage ballot = _ballots[jobId][round];

        _requireStatus(ballot, BallotStatus.Drawing);

        ballot.status = BallotStatus.Failed;

        emit CommitteeMissing(jobId, round);
    }

    /// @inheritdoc IBallots
    function close(JobId jobId, uint8 round)
        external
        onlyCourt
        returns (bytes32 verdict, bool anybodyCame, bool failed)
    {
        Ballot storage ballot = _ballots[jobId][round];
        if (ballot.status == BallotStatus.Failed) return (0, false, true);

        _endSealing(ballot);
        _requireStatus(ballot, BallotStatus.Revealing);
        bool isOver = _now() > ballot.deadline || ballot.sealedSeats == ballot.revealedSeats;
        require(isOver, DeadlineRunning(ballot.deadline, _now()));

        ballot.status = BallotStatus.Counted;
        return (verdictOf(jobId, round), ballot.revealedSeats != 0, false);
    }

    /// @inheritdoc IBallots
    function release(JobId jobId, uint8 round, uint256 fee, bytes32 winner)
        external
        onlyCourt
        returns (address[] memory right, uint256 penalties)
    {
        SlotId[] memory members = committeeOf(jobId, round);
        bytes32[] memory verdicts = _verdictsOf(jobId, round);
        address[] memory found = new address[](members.length);
        uint256 count;
        for (uint256 seat; seat < members.length; ++seat) {
            if (verdicts[seat] == 0) {
                penalties += bench.penalise(jobId, members[seat], fee, fee, true);
            } else if (winner != 0 && verdicts[seat] != winner) {
                penalties += bench.penalise(jobId, members[seat], fee, WRONG_FEES * fee, false);
            } else {
                found[count++] = bench.dismiss(members[seat], fee);
            }
        }
        right = new address[](count);
        for (uint256 i; i < count; ++i) right[i] = found[i];
    }

    /* DRAWING */

    /// @inheritdoc IBallots
    function drawCommittee(JobId jobId, uint8 round, Job calldata job, Terms calldata terms) external nonReentrant {
        Ballot storage ballot = _ballots[jobId][round];
        (bytes32 seed,) = beacon.seedFor(ballot.epoch);
        bool isOver = _now() > ballot.deadline + (seed == 0 ? SEED_PATIENCE : 0);

        _requireStatus(ballot, BallotStatus.Drawing);
        require(seed != 0 || isOver, SeedNotKnown(ballot.epoch));
        auditable.requireCurrent(jobId, job);
        require(job.termsHash == StateHash.ofCalled(terms), StaleDocket());

        uint256 fee = auditable.feeFor(job.price, job.segments);
        if (seed != 0) _fill(jobId, round, ballot, _walkFor(jobId, round, job, terms.hardwareClass, seed, fee));
        bool isShort = isOver && ballot.mayBeShort && ballot.size >= LEAST_SEATS;
        if (ballot.size == ballot.seats || isShort) {
            if (ballot.size % 2 == 0) _dropLast(jobId, round, ballot, fee);
            ballot.status = BallotStatus.Sealing;
            ballot.deadline = _now() + Windows.forWork(_sealMinSeconds, terms.segmentSeconds);
            emit CommitteeDrawn(jobId, round, committeeOf(jobId, round), ballot.deadline);
        } else if (isOver) {
            while (ballot.size > 0) _dropLast(jobId, round, ballot, fee);
            ballot.status = BallotStatus.Failed;
            emit CommitteeMissing(jobId, round);
        }
    }

    function _walkFor(
        JobId jobId,
        uint8 round,
        Job calldata job,
        uint16 hardwareClass,
        bytes32 seed,
        uint256 fee
    ) private view returns (IJudgeBench.Walk memory walk) {
        (walk.jobId, walk.round, walk.seed) = (jobId, round, seed);
        (walk.since, walk.probe) = (_ballots[jobId][round].since, _probes[jobId][round]);
        (walk.hardwareClass, walk.fee, walk.buyer, walk.seller) = (hardwareClass, fee, job.buyer, job.seller);
    }

    function _fill(JobId jobId, uint8 round, Ballot storage ballot, IJudgeBench.Walk memory walk) private {
        uint8 size = ballot.size;
        walk.wanted = ballot.seats - size;
        (SlotId[] memory found, uint256 probe) = bench.draw(walk, _taken(jobId, round));

        for (uint256 i; i < found.length; ++i) _committees[jobId][round][size + i] = found[i];
        ballot.size = size + uint8(found.length);
        if (found.length < walk.wanted) _probes[jobId][round] = probe;
    }

    /// @dev Everybody drawn for this case so far: its judges, and the committees of its rounds.
    function _taken(JobId jobId, uint8 round) private view returns (SlotId[] memory taken) {
        (SlotId[] memory judges, uint8 firstRound) = court.judgesOf(jobId);
        SlotId[] memory found = new SlotId[](judges.length + MAX_SEATS * (round - firstRound + 1));
        uint256 count = judges.length;
        for (uint256 i; i < count; ++i) found[i] = judges[i];
        for (uint8 earlier = firstRound; earlier <= round; ++earlier) {
            SlotId[] memory members = committeeOf(jobId, earlier);
            for (uint256 seat; seat < members.length; ++seat) found[count++] = members[seat];
        }
        taken = new SlotId[](count);
        for (uint256 i; i < count; ++i) taken[i] = found[i];
    }

    function _dropLast(JobId jobId, uint8 round, Ballot storage ballot, uint256 fee) private {
        uint8 last = --ballot.size;
        SlotId member = _committees[jobId][round][last];
        _committees[jobId][round][last] = SlotId.wrap(0);
        bench.dismiss(member, fee);
    }

    /* SEALING AND REVEALING */

    /// @inheritdoc IBallots
    function seal(JobId jobId, uint8 round, uint8 seat, bytes32 seal_) external {
        Ballot storage ballot = _ballots[jobId][round];

        _requireStatus(ballot, BallotStatus.Sealing);
        require(_now() <= ballot.deadline, DeadlinePassed(ballot.deadline, _now()));
        SlotId member = _requireMember(jobId, round, ballot, seat);
        require(!_has(ballot.sealedSeats, seat), AlreadySealed());
        require(seal_ != 0, EmptySeal());

        ballot.sealedSeats |= _bit(seat);
        _findings[jobId][round][seat] = seal_;
        // Nobody is left to copy from whom: revealing need not wait.
        if (ballot.sealedSeats == _bit(ballot.size) - 1) {
            (ballot.status, ballot.deadline) = (BallotStatus.Revealing, _now() + _revealSeconds);
        }

        emit Sealed(jobId, round, member, seal_);
    }

    /// @inheritdoc IBallots
    function reveal(
        JobId jobId,
        uint8 round,
        uint8 seat,
        Job calldata job,
        Opening calldata opening,
        Envelope calldata envelope,
        bytes32[] calldata proof
    ) external {
        uint16 segment = _ballots[jobId][round].segment;
        _requireOpening(_ballots[jobId][round].comparison, segment);
        bytes32 leaf = _leafOf(jobId, segment, opening);
        // A conviction asks nothing of the job: it may be left empty.
        bool acquits = proof.length > 0 || leaf == job.segmentRoot;
        if (acquits) auditable.requireCurrent(jobId, job);

        if (acquits && _isSellers(leaf, segment, job, proof)) _ballots[jobId][round].provedSeats |= _bit(seat);
        _reveal(jobId, round, seat, leaf, envelope);
    }

    /// @inheritdoc IBallots
    function revealWord(JobId jobId, uint8 round, uint8 seat, bytes32 verdict, Envelope calldata envelope) external {
        Ballot storage ballot = _ballots[jobId][round];

        require(Verdict.canSay(verdict, ballot.comparison, ballot.segment), WrongVerdict(verdict));

        _reveal(jobId, round, seat, verdict, envelope);
    }

    function _reveal(JobId jobId, uint8 round, uint8 seat, bytes32 verdict, Envelope calldata envelope) private {
        Ballot storage ballot = _ballots[jobId][round];

        _endSealing(ballot);
        _requireStatus(ballot, BallotStatus.Revealing);
        require(_now() <= ballot.deadline, DeadlinePassed(ballot.deadline, _now()));
        SlotId member = _requireMember(jobId, round, ballot, seat);
        require(_has(ballot.sealedSeats, seat), NotSealed());
        require(!_has(ballot.revealedSeats, seat), AlreadyRevealed());
        bytes32 seal_ = Commitment.seal(jobId, round, msg.sender, verdict, envelope.evidenceCid, envelope.salt);
        require(_findings[jobId][round][seat] == seal_, SealMismatch());

        ballot.revealedSeats |= _bit(seat);
        _findings[jobId][round][seat] = verdict;

        emit Revealed(jobId, round, member, verdict, envelope.evidenceCid);
    }

    /// @dev Only a re-execution of the exact class is revealed by its preimage.
    function _requireOpening(Comparison comparison, uint16 segment) private pure {
        require(comparison == Comparison.Exact, WrongComparison(comparison));
        require(segment != UNDELIVERED, WrongSegment(segment));
    }

    function _leafOf(JobId jobId, uint256 segment, Opening calldata opening) private pure returns (bytes32) {
        bytes32 digest = Commitment.digest(opening.traceRoot, opening.outputHash);
        return Commitment.leaf(jobId, segment, digest, opening.outputCid);
    }

    /// @dev Sealing ends by itself at its deadline; the time to reveal counts from there, whoever comes first.
    function _endSealing(Ballot storage ballot) private {
        if (ballot.status != BallotStatus.Sealing) return;
        require(_now() > ballot.deadline, DeadlineRunning(ballot.deadline, _now()));
        ballot.status = BallotStatus.Revealing;
        ballot.deadline += _revealSeconds;
    }

    /// @dev Without a proof a member convicts, unless its leaf is the whole commitment; a proof given must lead to the root.
    function _isSellers(bytes32 leaf, uint256 segment, Job calldata job, bytes32[] calldata proof)
        private
        pure
        returns (bool)
    {
        if (proof.length == 0) return leaf == job.segmentRoot && job.segments == 1;
        uint256 depth = Commitment.depth(job.segments);
        require(proof.length == depth, WrongProofLength(depth, proof.length));
        require(Commitment.root(leaf, segment, proof) == job.segmentRoot, WrongOpening());
        return true;
    }

    function _requireStatus(Ballot storage ballot, BallotStatus expected) private view {
        require(ballot.status == expected, WrongBallotStatus(expected, ballot.status));
    }

    function _requireMember(JobId jobId, uint8 round, Ballot storage ballot, uint8 seat)
        private
        view
        returns (SlotId member)
    {
        require(seat < ballot.size, NotInCommittee(msg.sender));
        member = _committees[jobId][round][seat];
        require(bench.operatorOf(member) == msg.sender, NotInCommittee(msg.sender));
    }

    function _bit(uint256 seat) private pure returns (uint16) {
        return uint16(1 << seat);
    }

    function _has(uint16 seats, uint256 seat) private pure returns (bool) {
        return seats & _bit(seat) != 0;
    }

    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }

    /* VIEWS */

    /// @inheritdoc IBallots
    function ballotOf(JobId jobId, uint8 round) external view returns (Ballot memory) {
        return _ballots[jobId][round];
    }

    /// @inheritdoc IBallots
    function committeeOf(JobId jobId, uint8 round) public view returns (SlotId[] memory members) {
        uint256 size = _ballots[jobId][round].size;
        members = new SlotId[](size);
        for (uint256 seat; seat < size; ++seat) members[seat] = _committees[jobId][round][seat];
    }

    /// @inheritdoc IBallots
    function verdictOf(JobId jobId, uint8 round) public view returns (bytes32) {
        bytes32[] memory verdicts = _verdictsOf(jobId, round);
        uint256 size = verdicts.length;
        for (uint256 seat; seat < size; ++seat) {
            uint256 votes;
            for (uint256 other = seat; other < size; ++other) {
                if (verdicts[other] == verdicts[seat]) ++votes;
            }
            if (verdicts[seat] != 0 && votes >= 2 && 2 * votes > size) return verdicts[seat];
        }
        return 0;
    }

    /// @dev What each seat's finding counts as; 0 for one not revealed. A leaf that anybody proved to be the seller's own is a
    /// match, whoever found it.
    function _verdictsOf(JobId jobId, uint8 round) private view returns (bytes32[] memory verdicts) {
        Ballot storage ballot = _ballots[jobId][round];
        (uint256 size, uint16 revealed, uint16 proved) = (ballot.size, ballot.revealedSeats, ballot.provedSeats);
        verdicts = new bytes32[](size);
        bytes32 sellers;
        for (uint256 seat; seat < size; ++seat) {
            if (_has(revealed, seat)) verdicts[seat] = _findings[jobId][round][seat];
            if (_has(proved, seat)) sellers = verdicts[seat];
        }
        if (sellers == 0) return verdicts;
        for (uint256 seat; seat < size; ++seat) {
            if (verdicts[seat] == sellers) verdicts[seat] = MATCH;
        }
    }

    /// @inheritdoc IBallots
    function findingOf(JobId jobId, uint8 round, uint8 seat) external view returns (bytes32) {
        return _findings[jobId][round][seat];
    }

    /// @inheritdoc IBallots
    function drawHorizon() external view returns (uint64) {
        return _seedDelay + _epochSeconds + _drawWindow;
    }

    /// @inheritdoc IBallots
    function parameters() external view returns (BallotParameters memory) {
        return BallotParameters({
            sealMinSeconds: _sealMinSeconds,
            revealSeconds: _revealSeconds,
            drawWindow: _drawWindow,
            seedDelay: _seedDelay
        });
    }
}
