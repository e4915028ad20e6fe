// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Multicall} from "./Multicall.sol";
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
contract Ballots is IBallots, ReentrancyGuardTransient, Multicall {
    uint256 private constant MAX_SEATS = 15;
    uint8 private constant LEAST_SEATS = 3; // more only after an appeal, which takes all who are left, an odd number
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

    /// @dev A ballot as it is kept, in one word with the members of a committee of three.
    struct Roll {
        BallotStatus status;
        Comparison comparison;
        uint16 segment;
        uint8 seats;
        uint8 size;
        uint16 sealedSeats;
        uint16 revealedSeats;
        uint16 provedSeats;
        uint40 time; // of the call, until the committee is drawn; then the deadline
        uint24 probe; // where the next walk begins; written only when a whole walk did not find enough judges
        uint96 members; // of the first three seats
    }

    mapping(JobId jobId => mapping(uint8 round => Roll)) private _rolls;
    /// Members of further seats.
    mapping(JobId jobId => mapping(uint8 round => SlotId[MAX_SEATS - LEAST_SEATS])) private _others;
    mapping(JobId jobId => mapping(uint8 round => mapping(uint256 seat => bytes32))) private _findings;

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
        uint8 seats
    ) external onlyCourt returns (Epoch epoch) {
        Roll memory roll;
        (roll.status, roll.comparison, roll.segment) = (BallotStatus.Drawing, comparison, segment);
        (roll.seats, roll.time) = (seats, _now());
        _rolls[jobId][round] = roll;
        (epoch,) = _drawingOf(roll.time);

        emit BallotCalled(jobId, round, segment, seats, epoch);
    }

    /// @inheritdoc IBallots
    function cancel(JobId jobId, uint8 round) external onlyCourt {
        Roll storage roll = _rolls[jobId][round];

        _requireStatus(roll.status, BallotStatus.Drawing);

        roll.status = BallotStatus.Failed;

        emit CommitteeMissing(jobId, round);
    }

    /// @inheritdoc IBallots
    function close(JobId jobId, uint8 round)
        external
        onlyCourt
        returns (bytes32 verdict, bool anybodyCame, bool failed)
    {
        Roll memory roll = _rolls[jobId][round];
        if (roll.status == BallotStatus.Failed) return (0, false, true);

        _endSealing(roll);
        _requireStatus(roll.status, BallotStatus.Revealing);
        bool isOver = _now() > roll.time || roll.sealedSeats == roll.revealedSeats;
        require(isOver, DeadlineRunning(roll.time, _now()));

        roll.status = BallotStatus.Counted;
        _rolls[jobId][round] = roll;
        return (_winnerOf(_verdictsOf(jobId, round, roll)), roll.revealedSeats != 0, false);
    }

    /// @inheritdoc IBallots
    function release(JobId jobId, uint8 round, uint256 fee, bytes32 winner)
        external
        onlyCourt
        returns (SlotId[] memory right, uint256 penalties)
    {
        Roll memory roll = _rolls[jobId][round];
        bytes32[] memory verdicts = _verdictsOf(jobId, round, roll);
        SlotId[] memory members = _membersOf(jobId, round, roll);
        uint256 count;
        for (uint256 seat; seat < members.length; ++seat) {
            SlotId member = members[seat];
            // Nobody asks again: the word is given back.
            if (_has(roll.sealedSeats, seat)) delete _findings[jobId][round][seat];
            if (verdicts[seat] == 0) {
                penalties += bench.penalise(jobId, member, fee, fee, true);
            } else if (winner != 0 && verdicts[seat] != winner) {
                penalties += bench.penalise(jobId, member, fee, WRONG_FEES * fee, false);
            } else {
                members[count++] = member;
            }
        }
        right = members;
        assembly ("memory-safe") {
            mstore(right, count)
        }
        bench.dismiss(right, fee);
    }

    /* DRAWING */

    /// @inheritdoc IBallots
    function drawCommittee(JobId jobId, uint8 round, Job calldata job, Terms calldata terms)
        external
        nonReentrant
        returns (SlotId[] memory committee)
    {
        Roll memory roll = _rolls[jobId][round];
        _requireStatus(roll.status, BallotStatus.Drawing);
        (Epoch epoch, uint40 deadline) = _drawingOf(roll.time);
        (bytes32 seed,) = beacon.seedFor(epoch);
        bool isOver = _now() > deadline + (seed == 0 ? SEED_PATIENCE : 0);

        require(seed != 0 || isOver, SeedNotKnown(epoch));
        uint256 fee = auditable.feeOf(jobId, job);
        require(job.termsHash == StateHash.ofCalled(terms), StaleDocket());

        if (seed != 0) _fill(jobId, round, roll, _walkFor(jobId, round, job, terms.hardwareClass, seed, fee));
        bool isShort = isOver && roll.seats > LEAST_SEATS && roll.size >= LEAST_SEATS;
        if (roll.size == roll.seats || isShort) _seat(jobId, round, roll, terms, fee);
        else if (isOver) _giveUp(jobId, round, roll, fee);
        _rolls[jobId][round] = roll;
        committee = _membersOf(jobId, round, roll);

        if (roll.status == BallotStatus.Sealing) emit CommitteeDrawn(jobId, round, committee, roll.time);
    }

    /// @dev Nobody is missing, or nobody else will come.
    function _seat(JobId jobId, uint8 round, Roll memory roll, Terms calldata terms, uint256 fee) private {
        if (roll.size % 2 == 0) _dropLast(jobId, round, roll, fee);
        roll.status = BallotStatus.Sealing;
        roll.time = _now() + Windows.forWork(_sealMinSeconds, terms.segmentSeconds);
    }

    function _giveUp(JobId jobId, uint8 round, Roll memory roll, uint256 fee) private {
        while (roll.size > 0) _dropLast(jobId, round, roll, fee);
        roll.status = BallotStatus.Failed;

        emit CommitteeMissing(jobId, round);
    }

    function _walkFor(
        JobId jobId,
        uint8 round,
        Job calldata job,
        uint16 hardwareClass,
        bytes32 seed,
        uint256 fee
    ) private pure returns (IJudgeBench.Walk memory walk) {
        (walk.jobId, walk.round, walk.seed) = (jobId, round, seed);
        (walk.hardwareClass, walk.fee, walk.buyer, walk.seller) = (hardwareClass, fee, job.buyer, job.seller);
    }

    function _fill(JobId jobId, uint8 round, Roll memory roll, IJudgeBench.Walk memory walk) private {
        (walk.since, walk.probe, walk.wanted) = (roll.time, roll.probe, roll.seats - roll.size);
        (SlotId[] memory found, uint256 probe) = bench.draw(walk, _taken(jobId, round, roll));

        for (uint256 i; i < found.length; ++i) _setMember(jobId, round, roll, roll.size++, found[i]);
        if (found.length < walk.wanted) roll.probe = uint24(probe);
    }

    /// @dev Everybody drawn for this case so far: its judges, and the committees of its rounds.
    function _taken(JobId jobId, uint8 round, Roll memory roll) private view returns (SlotId[] memory taken) {
        (SlotId[] memory judges, uint8 firstRound) = court.judgesOf(jobId);
        taken = new SlotId[](judges.length + MAX_SEATS * (round - firstRound) + roll.size);
        uint256 count;
        for (uint256 i; i < judges.length; ++i) taken[count++] = judges[i];
        for (uint8 earlier = firstRound; earlier <= round; ++earlier) {
            SlotId[] memory members = earlier < round ? committeeOf(jobId, earlier) : _membersOf(jobId, round, roll);
            for (uint256 seat; seat < members.length; ++seat) taken[count++] = members[seat];
        }
        assembly ("memory-safe") {
            mstore(taken, count)
        }
    }

    function _dropLast(JobId jobId, uint8 round, Roll memory roll, uint256 fee) private {
        uint8 last = --roll.size;
        SlotId member = _memberAt(jobId, round, roll, last);
        _setMember(jobId, round, roll, last, SlotId.wrap(0));
        SlotId[] memory dropped = new SlotId[](1);
        dropped[0] = member;
        bench.dismiss(dropped, fee);
    }

    function _memberAt(JobId jobId, uint8 round, Roll memory roll, uint256 seat) private view returns (SlotId) {
        if (seat >= LEAST_SEATS) return _others[jobId][round][seat - LEAST_SEATS];
        return SlotId.wrap(uint32(roll.members >> (32 * seat)));
    }

    function _setMember(JobId jobId, uint8 round, Roll memory roll, uint256 seat, SlotId member) private {
        if (seat >= LEAST_SEATS) {
            _others[jobId][round][seat - LEAST_SEATS] = member;
            return;
        }
        uint256 others = roll.members & ~(uint256(type(uint32).max) << (32 * seat));
        roll.members = uint96(others | (uint256(SlotId.unwrap(member)) << (32 * seat)));
    }

    /// @dev What the time of its call says of a ballot: whose seed draws the committee, and by when.
    function _drawingOf(uint40 calledAt) private view returns (Epoch epoch, uint40 deadline) {
        epoch = Epochs.firstFrom(calledAt + _seedDelay, _genesis, _epochSeconds);
        deadline = Epochs.timeOf(epoch, _genesis, _epochSeconds) + _drawWindow;
    }

    /* SEALING AND REVEALING */

    /// @inheritdoc IBallots
    function seal(JobId jobId, uint8 round, uint8 seat, bytes32 seal_) external {
        Roll memory roll = _rolls[jobId][round];

        _requireStatus(roll.status, BallotStatus.Sealing);
        require(_now() <= roll.time, DeadlinePassed(roll.time, _now()));
        require(seat < roll.size, NotInCommittee(msg.sender));
        SlotId member = _memberAt(jobId, round, roll, seat);
        require(bench.operatorOf(member) == msg.sender, NotInCommittee(msg.sender));
        require(!_has(roll.sealedSeats, seat), AlreadySealed());
        require(seal_ != 0, EmptySeal());

        roll.sealedSeats |= _bit(seat);
        // Nobody is left to copy from whom: revealing need not wait.
        if (roll.sealedSeats == _bit(roll.size) - 1) {
            (roll.status, roll.time) = (BallotStatus.Revealing, _now() + _revealSeconds);
        }
        _rolls[jobId][round] = roll;
        _findings[jobId][round][seat] = seal_;

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
        Roll memory roll = _rolls[jobId][round];
        _requireOpening(roll.comparison, roll.segment);
        bytes32 leaf = _leafOf(jobId, roll.segment, opening);
        // A conviction asks nothing of the job: it may be left empty.
        bool acquits = proof.length > 0 || leaf == job.segmentRoot;
        if (acquits) auditable.requireCurrent(jobId, job);

        if (acquits && _isSellers(leaf, roll.segment, job, proof)) roll.provedSeats |= _bit(seat);
        _reveal(jobId, round, seat, roll, leaf, envelope);
    }

    /// @inheritdoc IBallots
    function revealWord(JobId jobId, uint8 round, uint8 seat, bytes32 verdict, Envelope calldata envelope) external {
        Roll memory roll = _rolls[jobId][round];

        require(Verdict.canSay(verdict, roll.comparison, roll.segment), WrongVerdict(verdict));

        _reveal(jobId, round, seat, roll, verdict, envelope);
    }

    /// @inheritdoc IBallots
    function tally(JobId jobId) external {
        court.tally(jobId);
    }

    /// @dev The seal names who made it, and only a member could place it: nobody else can open it.
    function _reveal(
        JobId jobId,
        uint8 round,
        uint8 seat,
        Roll memory roll,
        bytes32 verdict,
        Envelope calldata envelope
    ) private {
        _endSealing(roll);
        _requireStatus(roll.status, BallotStatus.Revealing);
        require(_now() <= roll.time, DeadlinePassed(roll.time, _now()));
        require(_has(roll.sealedSeats, seat), NotSealed());
        require(!_has(roll.revealedSeats, seat), AlreadyRevealed());
        bytes32 seal_ = Commitment.seal(jobId, round, msg.sender, verdict, envelope.evidenceCid, envelope.salt);
        require(_findings[jobId][round][seat] == seal_, SealMismatch());

        roll.revealedSeats |= _bit(seat);
        _rolls[jobId][round] = roll;
        _findings[jobId][round][seat] = verdict;

        emit Revealed(jobId, round, _memberAt(jobId, round, roll, seat), verdict, envelope.evidenceCid);
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
    function _endSealing(Roll memory roll) private view {
        if (roll.status != BallotStatus.Sealing) return;
        require(_now() > roll.time, DeadlineRunning(roll.time, _now()));
        roll.status = BallotStatus.Revealing;
        roll.time += _revealSeconds;
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

    function _requireStatus(BallotStatus actual, BallotStatus expected) private pure {
        require(actual == expected, WrongBallotStatus(expected, actual));
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
    function ballotOf(JobId jobId, uint8 round) external view returns (Ballot memory ballot) {
        Roll memory roll = _rolls[jobId][round];
        bool isUndrawn = roll.status == BallotStatus.Drawing || roll.status == BallotStatus.Failed;

        (ballot.status, ballot.comparison, ballot.segment) = (roll.status, roll.comparison, roll.segment);
        (ballot.seats, ballot.size, ballot.deadline) = (roll.seats, roll.size, roll.time);
        (ballot.sealedSeats, ballot.revealedSeats) = (roll.sealedSeats, roll.revealedSeats);
        ballot.provedSeats = roll.provedSeats;
        if (!isUndrawn) return ballot;
        ballot.since = roll.time;
        (ballot.epoch, ballot.deadline) = _drawingOf(roll.time);
    }

    /// @inheritdoc IBallots
    function committeeOf(JobId jobId, uint8 round) public view returns (SlotId[] memory) {
        return _membersOf(jobId, round, _rolls[jobId][round]);
    }

    function _membersOf(JobId jobId, uint8 round, Roll memory roll) private view returns (SlotId[] memory members) {
        members = new SlotId[](roll.size);
        for (uint256 seat; seat < members.length; ++seat) members[seat] = _memberAt(jobId, round, roll, seat);
    }

    /// @inheritdoc IBallots
    function verdictOf(JobId jobId, uint8 round) external view returns (bytes32) {
        return _winnerOf(_verdictsOf(jobId, round, _rolls[jobId][round]));
    }

    function _winnerOf(bytes32[] memory verdicts) private pure returns (bytes32) {
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
    function _verdictsOf(JobId jobId, uint8 round, Roll memory roll) private view returns (bytes32[] memory verdicts) {
        verdicts = new bytes32[](roll.size);
        bytes32 sellers;
        for (uint256 seat; seat < verdicts.length; ++seat) {
            if (_has(roll.revealedSeats, seat)) verdicts[seat] = _findings[jobId][round][seat];
            if (_has(roll.provedSeats, seat)) sellers = verdicts[seat];
        }
        if (sellers == 0) return verdicts;
        for (uint256 seat; seat < verdicts.length; ++seat) {
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
