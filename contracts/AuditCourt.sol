// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Bench} from "./Bench.sol";
import {AuditTerms, IAuditable, Ruling} from "./interfaces/IAuditable.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {CourtParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {Commitment} from "./libraries/Commitment.sol";
import {Draw} from "./libraries/Draw.sol";

/// @title The court: one drawn judge, then a committee of three. The judges' seats and bonds are the `Bench`.
contract AuditCourt is Bench {
    uint256 private constant COMMITTEE_SIZE = 3;
    uint256 private constant MAJORITY = 2;
    uint256 private constant MAX_REPLACEMENTS = 5;
    uint256 private constant MAX_PROBES = 64;
    uint40 private constant TIME_FACTOR = 3; // judges' machines may be slower than the seller's

    /// @dev A walk over the bench in the order that a seed gives.
    struct Walk {
        bytes32 seed;
        uint256 count;
        uint256 next;
        uint256 end;
    }

    IBeacon public immutable beacon;
    /// @inheritdoc IAuditCourt
    uint24 public immutable maxSegmentSeconds;
    uint40 private immutable _judgeMinSeconds;
    uint40 private immutable _sealMinSeconds;
    uint40 private immutable _revealSeconds;
    uint40 private immutable _drawWindow;
    uint40 private immutable _seedDelay;

    mapping(JobId jobId => Case) private _cases;
    mapping(JobId jobId => mapping(SlotId slotId => Seat)) private _seats;
    /// The judges who were late, in order; written only when one is.
    mapping(JobId jobId => SlotId[MAX_REPLACEMENTS]) private _late;
    /// Where the next walk of a round begins; written only when a whole walk did not find enough judges.
    mapping(JobId jobId => mapping(uint8 round => uint256 probes)) private _probed;

    /// @param escrow The address the escrow will be created at.
    constructor(IStakeVault vault_, IBeacon beacon_, address escrow, CourtParameters memory parameters_)
        Bench(vault_, escrow, parameters_.slotBond, parameters_.slotExitDelay)
    {
        beacon = beacon_;
        _judgeMinSeconds = parameters_.judgeMinSeconds;
        _sealMinSeconds = parameters_.sealMinSeconds;
        _revealSeconds = parameters_.revealSeconds;
        _drawWindow = parameters_.drawWindow;
        _seedDelay = parameters_.seedDelay;
        maxSegmentSeconds = parameters_.maxSegmentSeconds;

        require(parameters_.slotExitDelay > horizon(), UnsafeDelays());
    }

    /* AUDIT */

    /// @inheritdoc IAuditCourt
    function open(JobId jobId, Epoch epoch, uint40 since, uint96 fee) external nonReentrant {
        Case storage case_ = _cases[jobId];
        bytes32 seed = beacon.seedOf(epoch);

        require(msg.sender == auditable, OnlyAuditable());
        require(case_.status == CaseStatus.None, CaseAlreadyOpen(jobId));
        require(seed != 0, SeedNotKnown(epoch));

        AuditTerms memory terms = IAuditable(auditable).auditTermsOf(jobId);
        case_.status = CaseStatus.Judging;
        case_.segment = uint16(Draw.segment(seed, jobId, terms.segmentRoot, terms.segments));
        (case_.since, case_.epoch, case_.fee) = (since, epoch, fee);
        case_.deadline = _now() + _windowFor(_judgeMinSeconds, terms.segmentSeconds);
        case_.judge = _drawJudge(jobId, case_, terms);

        emit CaseOpened(jobId, case_.segment, case_.judge, case_.deadline);
    }

    /// @inheritdoc IAuditCourt
    function confirm(JobId jobId, Opening calldata opening, bytes32[] calldata proof) external nonReentrant {
        Case storage case_ = _cases[jobId];
        AuditTerms memory terms = IAuditable(auditable).auditTermsOf(jobId);

        _requireJudge(case_);
        bytes32 leaf = _leafOf(jobId, case_.segment, opening);
        require(_isCommitted(leaf, case_.segment, terms, proof), WrongOpening());

        case_.status = CaseStatus.Ruled;
        _dismiss(case_.judge, case_.fee);

        emit Confirmed(jobId, case_.judge);

        address[] memory right = new address[](1);
        right[0] = _slots[case_.judge].owner;
        _rule(jobId, Ruling.Confirmed, right, true, 0);
    }

    /// @inheritdoc IAuditCourt
    function deny(JobId jobId, bytes32 leaf, bytes32 evidenceCid) external nonReentrant {
        Case storage case_ = _cases[jobId];
        Epoch epoch = beacon.epochAt(_now() + _seedDelay);

        _requireJudge(case_);
        require(leaf != 0, EmptyLeaf());

        case_.status = CaseStatus.Denied;
        case_.round = 1;
        case_.since = _now();
        case_.epoch = epoch;
        case_.deadline = uint40(beacon.timeOf(epoch)) + _drawWindow;
        case_.deniedLeaf = leaf;

        emit Denied(jobId, case_.judge, leaf, evidenceCid, epoch);
    }

    /// @inheritdoc IAuditCourt
    function replaceJudge(JobId jobId) external nonReentrant {
        Case storage case_ = _cases[jobId];
        SlotId late = case_.judge;
        uint8 replacements = case_.replacements;

        _requireStatus(case_, CaseStatus.Judging);
        require(_now() > case_.deadline, DeadlineRunning(case_.deadline, _now()));

        if (replacements == MAX_REPLACEMENTS) {
            case_.status = CaseStatus.Ruled;
            uint256 penalties = _penaliseLate(jobId, late, case_.fee);
            _rule(jobId, Ruling.Unjudged, new address[](0), false, penalties);
            return;
        }
        AuditTerms memory terms = IAuditable(auditable).auditTermsOf(jobId);
        _late[jobId][replacements] = late;
        case_.replacements = replacements + 1;
        case_.deadline = _now() + _windowFor(_judgeMinSeconds, terms.segmentSeconds);
        case_.judge = _drawJudge(jobId, case_, terms);

        emit JudgeReplaced(jobId, late, case_.judge, case_.deadline);

        IAuditable(auditable).bookPenalty(_penaliseLate(jobId, late, case_.fee));
    }

    /// @dev The case waits for its judge's verdict, in time, and the caller speaks for that judge.
    function _requireJudge(Case storage case_) private view {
        _requireStatus(case_, CaseStatus.Judging);
        require(msg.sender == _slots[case_.judge].operator, NotTheJudge(case_.judge));
        require(_now() <= case_.deadline, DeadlinePassed(case_.deadline, _now()));
    }

    /* COMMITTEE */

    /// @inheritdoc IAuditCourt
    function drawCommittee(JobId jobId) external nonReentrant {
        Case storage case_ = _cases[jobId];
        bytes32 seed = beacon.seedOf(case_.epoch);
        bool isOver = _now() > case_.deadline;

        _requireStatus(case_, CaseStatus.Denied);
        require(seed != 0 || isOver, SeedNotKnown(case_.epoch));

        AuditTerms memory terms = IAuditable(auditable).auditTermsOf(jobId);
        if (seed != 0 && _fillCommittee(jobId, case_, terms)) {
            case_.status = CaseStatus.Sealing;
            case_.deadline = _now() + _windowFor(_sealMinSeconds, terms.segmentSeconds);
            emit CommitteeDrawn(jobId, case_.round, case_.committee, case_.deadline);
        } else if (isOver) {
            _abandon(jobId, case_);
        }
    }

    /// @inheritdoc IAuditCourt
    function seal(JobId jobId, bytes32 seal_) external {
        Case storage case_ = _cases[jobId];

        _requireStatus(case_, CaseStatus.Sealing);
        require(_now() <= case_.deadline, DeadlinePassed(case_.deadline, _now()));
        SlotId member = _memberOf(case_);
        require(_seats[jobId][member].seal == 0, AlreadySealed());
        require(seal_ != 0, EmptySeal());

        _seats[jobId][member].seal = seal_;
        emit Sealed(jobId, member, seal_);

        // Nobody is left to copy from whom: revealing need not wait.
        if (_sealed(jobId, case_) == COMMITTEE_SIZE) {
            case_.status = CaseStatus.Revealing;
            case_.deadline = _now() + _revealSeconds;
        }
    }

    /// @inheritdoc IAuditCourt
    function reveal(
        JobId jobId,
        Opening calldata opening,
        bytes32 evidenceCid,
        bytes32 salt,
        bytes32[] calldata proof
    ) external {
        Case storage case_ = _cases[jobId];

        _endSealing(case_);
        _requireStatus(case_, CaseStatus.Revealing);
        require(_now() <= case_.deadline, DeadlinePassed(case_.deadline, _now()));
        SlotId member = _memberOf(case_);
        bytes32 leaf = _leafOf(jobId, case_.segment, opening);
        _requireSealed(_seats[jobId][member], Commitment.seal(jobId, case_.round, msg.sender, leaf, evidenceCid, salt));
        bool matches = _matches(jobId, case_.segment, leaf, proof);

        (_seats[jobId][member].leaf, _seats[jobId][member].matches) = (leaf, matches);

        emit Revealed(jobId, member, leaf, matches, evidenceCid);
    }

    /// @inheritdoc IAuditCourt
    function tally(JobId jobId) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _endSealing(case_);
        _requireStatus(case_, CaseStatus.Revealing);
        bool isOver = _now() > case_.deadline || _sealed(jobId, case_) == _revealed(jobId, case_);
        require(isOver, DeadlineRunning(case_.deadline, _now()));

        case_.status = CaseStatus.Ruled;
        (Ruling ruling, bytes32 leaf) = _count(jobId, case_);
        uint256 penalties = _penaliseCommittee(jobId, case_, leaf) + _judgeDenier(jobId, case_, ruling);

        bool isDenierRight = ruling == Ruling.Void || (ruling == Ruling.Slashed && leaf == case_.deniedLeaf);
        _rule(jobId, ruling, _ownersRight(jobId, case_, leaf, isDenierRight), isDenierRight, penalties);
    }

    /// @dev Fills empty seats; false when the bench gave too few in one walk. What was found stays.
    function _fillCommittee(JobId jobId, Case storage case_, AuditTerms memory terms) private returns (bool) {
        Walk memory walk = _walkFor(jobId, case_, terms.hardwareClass);
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            if (SlotId.unwrap(case_.committee[seat]) != 0) continue;
            case_.committee[seat] = _drawNext(jobId, case_, terms, walk);
            if (SlotId.unwrap(case_.committee[seat]) == 0) return false;
        }
        return true;
    }

    /// @dev No committee in time: Void; nobody is penalised, and the judge who spoke was not wrong.
    function _abandon(JobId jobId, Case storage case_) private {
        case_.status = CaseStatus.Ruled;
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            SlotId member = case_.committee[seat];
            if (SlotId.unwrap(member) != 0) _dismiss(member, case_.fee);
        }
        _dismiss(case_.judge, case_.fee);

        address[] memory right = new address[](1);
        right[0] = _slots[case_.judge].owner;
        _rule(jobId, Ruling.Void, right, true, 0);
    }

    /// @dev Sealing ends by itself at its deadline; the time to reveal counts from there, whoever comes first.
    function _endSealing(Case storage case_) private {
        if (case_.status != CaseStatus.Sealing) return;
        require(_now() > case_.deadline, DeadlineRunning(case_.deadline, _now()));
        case_.status = CaseStatus.Revealing;
        case_.deadline += _revealSeconds;
    }

    function _requireSealed(Seat storage seat, bytes32 seal_) private view {
        require(seat.seal != 0, NotSealed());
        require(seat.leaf == 0, AlreadyRevealed());
        require(seat.seal == seal_, SealMismatch());
    }

    /// @dev Without a proof a member convicts, unless its leaf is the whole commitment; a proof given must lead to the root.
    function _matches(JobId jobId, uint256 segment, bytes32 leaf, bytes32[] calldata proof) private view returns (bool) {
        AuditTerms memory terms = IAuditable(auditable).auditTermsOf(jobId);
        if (proof.length == 0) return leaf == terms.segmentRoot && terms.segments == 1;
        require(_isCommitted(leaf, segment, terms, proof), WrongOpening());
        return true;
    }

    /// @dev A class is a leaf. The one that was proved to be the seller's own acquits.
    function _count(JobId jobId, Case storage case_) private view returns (Ruling, bytes32) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            bytes32 leaf = _seats[jobId][case_.committee[seat]].leaf;
            (uint256 votes, bool matches) = _votesFor(jobId, case_, leaf);
            if (leaf != 0 && votes >= MAJORITY) return (matches ? Ruling.Acquitted : Ruling.Slashed, leaf);
        }
        return (Ruling.Void, 0);
    }

    /// @return votes How many revealed this leaf.
    /// @return matches Whether any of them proved it to be the seller's own.
    function _votesFor(JobId jobId, Case storage case_, bytes32 leaf) private view returns (uint256 votes, bool matches) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            Seat storage vote = _seats[jobId][case_.committee[seat]];
            if (vote.leaf != leaf) continue;
            ++votes;
            matches = matches || vote.matches;
        }
    }

    /// @dev Absent members lose one fee; those of the minority five, when there is a majority.
    function _penaliseCommittee(JobId jobId, Case storage case_, bytes32 winner) private returns (uint256 penalties) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            SlotId member = case_.committee[seat];
            bytes32 leaf = _seats[jobId][member].leaf;
            if (leaf == 0) {
                penalties += _penaliseLate(jobId, member, case_.fee);
            } else if (winner != 0 && leaf != winner) {
                penalties += _penalise(jobId, member, case_.fee, WRONG_FEES * case_.fee);
            } else {
                _dismiss(member, case_.fee);
            }
        }
    }

    function _judgeDenier(JobId jobId, Case storage case_, Ruling ruling) private returns (uint256 penalty) {
        if (ruling == Ruling.Acquitted) return _penalise(jobId, case_.judge, case_.fee, WRONG_FEES * case_.fee);
        _dismiss(case_.judge, case_.fee);
    }

    /// @dev The first judge comes first. On Void (no winner) all who spoke are right.
    function _ownersRight(JobId jobId, Case storage case_, bytes32 winner, bool isDenierRight)
        private
        view
        returns (address[] memory right)
    {
        address[] memory found = new address[](COMMITTEE_SIZE + 1);
        uint256 count;
        if (isDenierRight) found[count++] = _slots[case_.judge].owner;
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            bytes32 leaf = _seats[jobId][case_.committee[seat]].leaf;
            if (leaf != 0 && (winner == 0 || leaf == winner)) found[count++] = _slots[case_.committee[seat]].owner;
        }
        right = new address[](count);
        for (uint256 i; i < count; ++i) right[i] = found[i];
    }

    function _memberOf(Case storage case_) private view returns (SlotId) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            SlotId member = case_.committee[seat];
            if (_slots[member].operator == msg.sender) return member;
        }
        revert NotInCommittee(msg.sender);
    }

    function _sealed(JobId jobId, Case storage case_) private view returns (uint256 count) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            if (_seats[jobId][case_.committee[seat]].seal != 0) ++count;
        }
    }

    function _revealed(JobId jobId, Case storage case_) private view returns (uint256 count) {
        for (uint256 seat; seat < COMMITTEE_SIZE; ++seat) {
            if (_seats[jobId][case_.committee[seat]].leaf != 0) ++count;
        }
    }

    /* DRAWS */

    function _drawJudge(JobId jobId, Case storage case_, AuditTerms memory terms) private returns (SlotId) {
        return _drawNext(jobId, case_, terms, _walkFor(jobId, case_, terms.hardwareClass));
    }

    function _walkFor(JobId jobId, Case storage case_, uint16 hardwareClass) private view returns (Walk memory walk) {
        walk.seed = beacon.seedOf(case_.epoch);
        walk.count = _benchLength(hardwareClass, case_.since);
        walk.next = _probed[jobId][case_.round];
        walk.end = walk.next + MAX_PROBES;
    }

    /// @return The next eligible slot of the walk, now assigned; 0 when the walk is over.
    function _drawNext(JobId jobId, Case storage case_, AuditTerms memory terms, Walk memory walk)
        private
        returns (SlotId)
    {
        while (walk.next < walk.end && walk.count > 0) {
            uint256 position = Draw.position(walk.seed, jobId, case_.round, walk.next++, walk.count);
            SlotId candidate = _slotAt(terms.hardwareClass, position);
            bool isEligible = _isEligible(candidate, case_.since, case_.fee, terms);
            if (isEligible && !_sharesCase(candidate, jobId, case_)) {
                _assign(candidate, case_.fee);
                return candidate;
            }
        }
        _probed[jobId][case_.round] = walk.end;
        return SlotId.wrap(0);
    }

    /// @dev Whether the slot belongs to, or is operated by, somebody already drawn for this case.
    function _sharesCase(SlotId slotId, JobId jobId, Case storage case_) private view returns (bool) {
        Slot storage slot = _slots[slotId];
        if (_sharesSlot(slot, case_.judge)) return true;
        for (uint256 i; i < case_.replacements; ++i) {
            if (_sharesSlot(slot, _late[jobId][i])) return true;
        }
        for (uint256 seat; case_.round > 0 && seat < COMMITTEE_SIZE; ++seat) {
            if (_sharesSlot(slot, case_.committee[seat])) return true;
        }
        return false;
    }

    function _rule(JobId jobId, Ruling ruling, address[] memory right, bool firstIsRight, uint256 penalties) private {
        emit Ruled(jobId, ruling, right, penalties);

        IAuditable(auditable).rule(jobId, ruling, right, firstIsRight, penalties);
    }

    /* COMMITMENTS */

    function _leafOf(JobId jobId, uint256 segment, Opening calldata opening) private pure returns (bytes32) {
        bytes32 digest = Commitment.digest(opening.traceRoot, opening.outputHash);
        return Commitment.leaf(jobId, segment, digest, opening.outputCid);
    }

    function _isCommitted(bytes32 leaf, uint256 segment, AuditTerms memory terms, bytes32[] calldata proof)
        private
        pure
        returns (bool)
    {
        uint256 depth = Commitment.depth(terms.segments);
        require(proof.length == depth, WrongProofLength(depth, proof.length));
        return Commitment.root(leaf, segment, proof) == terms.segmentRoot;
    }

    /* VIEWS */

    /// @inheritdoc IAuditCourt
    function caseOf(JobId jobId) external view returns (Case memory) {
        return _cases[jobId];
    }

    /// @inheritdoc IAuditCourt
    function seatOf(JobId jobId, SlotId slotId) external view returns (Seat memory) {
        return _seats[jobId][slotId];
    }

    /// @inheritdoc IAuditCourt
    function horizon() public view returns (uint64) {
        uint64 epochSeconds = beacon.roundsPerEpoch() * beacon.period();
        uint64 judging = uint64(MAX_REPLACEMENTS + 1) * _windowFor(_judgeMinSeconds, maxSegmentSeconds);
        uint64 drawing = _seedDelay + epochSeconds + _drawWindow;
        return judging + drawing + _windowFor(_sealMinSeconds, maxSegmentSeconds) + _revealSeconds;
    }

    /// @inheritdoc IAuditCourt
    function parameters() external view returns (CourtParameters memory) {
        return CourtParameters({
            slotBond: uint96(slotBond),
            judgeMinSeconds: _judgeMinSeconds,
            sealMinSeconds: _sealMinSeconds,
            revealSeconds: _revealSeconds,
            drawWindow: _drawWindow,
            seedDelay: _seedDelay,
            slotExitDelay: _slotExitDelay,
            maxSegmentSeconds: maxSegmentSeconds
        });
    }

    function _requireStatus(Case storage case_, CaseStatus expected) private view {
        require(case_.status == expected, WrongCaseStatus(expected, case_.status));
    }

    function _windowFor(uint40 least, uint24 segmentSeconds) private pure returns (uint40) {
        uint40 wanted = TIME_FACTOR * segmentSeconds;
        return wanted > least ? wanted : least;}
}
