// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Bench} from "./Bench.sol";
import {AuditTerms, IAuditable, Ruling} from "./interfaces/IAuditable.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {CourtParameters} from "./interfaces/Parameters.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {Commitment} from "./libraries/Commitment.sol";
import {Draw} from "./libraries/Draw.sol";

/// @title The court: one drawn judge, then a committee of three. See IAuditCourt for its promises.
/// @dev The judges' seats and their bonds live in `Bench`; this contract is the procedure.
contract AuditCourt is IAuditCourt, Bench, ReentrancyGuardTransient {
    uint8 internal constant MAX_REPLACEMENTS = 5;
    uint256 internal constant COMMITTEE = 3;
    uint256 internal constant LATE_FEES = 1;

    /// @dev Everybody drawn in a case, in order: at most five judges and a committee of three. One word.
    struct Drawn {
        SlotId[8] slots;
    }

    IAuditable internal immutable _auditable;
    IBeacon internal immutable _beacon;
    uint40 internal immutable _judgeMinSeconds;
    uint40 internal immutable _sealMinSeconds;
    uint40 internal immutable _revealSeconds;
    uint40 internal immutable _drawWindow;
    uint40 internal immutable _seedDelay;
    uint24 internal immutable _maxSegmentSeconds;

    mapping(JobId jobId => Case) internal _cases;
    mapping(JobId jobId => Drawn) internal _drawn;
    mapping(JobId jobId => uint16 attempts) internal _attempts;
    mapping(JobId jobId => mapping(SlotId slotId => Seat)) internal _seats;

    constructor(
        IStakeVault vault_,
        IBeacon beacon_,
        IAuditable auditable_,
        CourtParameters memory p
    ) Bench(vault_, address(auditable_), p.slotBond, p.slotExitDelay) {
        _auditable = auditable_;
        _beacon = beacon_;
        (_judgeMinSeconds, _sealMinSeconds) = (p.judgeMinSeconds, p.sealMinSeconds);
        (_revealSeconds, _drawWindow, _seedDelay) = (p.revealSeconds, p.drawWindow, p.seedDelay);
        _maxSegmentSeconds = p.maxSegmentSeconds;
        // Inlined: immutables cannot be read through `horizon` while they are being set.
        require(p.slotExitDelay > _longestCase(p), UnsafeDelays());
    }

    /* AUDIT */

    /// @inheritdoc IAuditCourt
    function open(JobId jobId, Epoch epoch, uint40 since, uint96 fee) external {
        require(msg.sender == address(_auditable), OnlyAuditable());
        Case storage c = _cases[jobId];
        require(c.status == CaseStatus.None, CaseAlreadyOpen(jobId));
        AuditTerms memory terms = _auditable.auditTermsOf(jobId);
        bytes32 seed = _seedOf(epoch);

        c.status = CaseStatus.Judging;
        c.segment = Draw.segment(seed, jobId, terms.segmentRoot, terms.segments);
        (c.since, c.epoch, c.fee) = (since, epoch, fee);
        _seatJudge(jobId, c, terms, seed);
        emit CaseOpened(jobId, c.segment, c.judge, c.deadline);
    }

    /// @inheritdoc IAuditCourt
    function confirm(JobId jobId, Opening calldata opening, bytes32[] calldata proof) external nonReentrant {
        Case storage c = _judgedByCaller(jobId);
        AuditTerms memory terms = _auditable.auditTermsOf(jobId);
        require(_provesLeaf(jobId, c.segment, terms, _leafOf(jobId, c.segment, opening), proof), WrongOpening());

        SlotId judge = c.judge;
        c.status = CaseStatus.Ruled;
        _release(judge, c.fee);
        emit Confirmed(jobId, judge);
        address[] memory right = new address[](1);
        right[0] = _slots[judge].owner;
        _rule(jobId, Ruling.Confirmed, right, true, 0);
    }

    /// @inheritdoc IAuditCourt
    function deny(JobId jobId, bytes32 leaf, bytes32 evidenceCid) external {
        Case storage c = _judgedByCaller(jobId);
        require(leaf != 0, EmptyLeaf());

        c.status = CaseStatus.Denied;
        c.round = 1;
        c.deniedLeaf = leaf;
        c.since = uint40(block.timestamp);
        c.epoch = _beacon.epochAt(uint64(block.timestamp) + _seedDelay);
        c.deadline = uint40(_beacon.timeOf(c.epoch)) + _drawWindow;
        _attempts[jobId] = 0;
        emit Denied(jobId, c.judge, leaf, evidenceCid, c.epoch);
    }

    /// @inheritdoc IAuditCourt
    function replaceJudge(JobId jobId) external nonReentrant {
        Case storage c = _inStatus(jobId, CaseStatus.Judging);
        _requireOver(c.deadline);
        SlotId late = c.judge;

        c.replacements++;
        uint256 penalties = _dismiss(jobId, late, c.fee, LATE_FEES);
        if (c.replacements == MAX_REPLACEMENTS) {
            c.status = CaseStatus.Ruled;
            _rule(jobId, Ruling.Unjudged, new address[](0), false, penalties);
            return;
        }
        _seatJudge(jobId, c, _auditable.auditTermsOf(jobId), _seedOf(c.epoch));
        emit JudgeReplaced(jobId, late, c.judge, c.deadline);
        if (penalties > 0) _auditable.bookPenalty(penalties);
    }

    /* COMMITTEE */

    /// @inheritdoc IAuditCourt
    function drawCommittee(JobId jobId) external nonReentrant {
        Case storage c = _inStatus(jobId, CaseStatus.Denied);
        if (block.timestamp > c.deadline) {
            _voidUndrawn(jobId, c);
            return;
        }
        AuditTerms memory terms = _auditable.auditTermsOf(jobId);
        bytes32 seed = _seedOf(c.epoch);

        uint256 filled = _filled(c);
        while (filled < COMMITTEE) {
            SlotId member = _draw(jobId, c, terms, seed);
            if (SlotId.unwrap(member) == 0) return;
            c.committee[filled] = member;
            filled++;
        }
        c.status = CaseStatus.Sealing;
        c.deadline = uint40(block.timestamp) + _windowOf(_sealMinSeconds, terms.segmentSeconds);
        emit CommitteeDrawn(jobId, c.round, c.committee, c.deadline);
    }

    /// @inheritdoc IAuditCourt
    function seal(JobId jobId, bytes32 seal_) external {
        Case storage c = _inStatus(jobId, CaseStatus.Sealing);
        require(block.timestamp <= c.deadline, DeadlinePassed(c.deadline, uint40(block.timestamp)));
        require(seal_ != 0, EmptySeal());
        SlotId member = _memberOf(c, msg.sender);
        Seat storage seat = _seats[jobId][member];
        require(seat.seal == 0, AlreadySealed());

        seat.seal = seal_;
        emit Sealed(jobId, member, seal_);
        if (_sealedCount(jobId, c) == COMMITTEE) {
            c.status = CaseStatus.Revealing;
            c.deadline = uint40(block.timestamp) + _revealSeconds;
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
        Case storage c = _toRevealing(jobId);
        require(block.timestamp <= c.deadline, DeadlinePassed(c.deadline, uint40(block.timestamp)));
        SlotId member = _memberOf(c, msg.sender);
        Seat storage seat = _seats[jobId][member];
        require(seat.seal != 0, NotSealed());
        require(seat.leaf == 0, AlreadyRevealed());
        bytes32 leaf = _leafOf(jobId, c.segment, opening);
        require(
            Commitment.seal(jobId, c.round, msg.sender, leaf, evidenceCid, salt) == seat.seal, SealMismatch()
        );

        seat.leaf = leaf;
        seat.matches = _matches(jobId, c.segment, leaf, proof);
        emit Revealed(jobId, member, leaf, seat.matches, evidenceCid);
    }

    /// @inheritdoc IAuditCourt
    function tally(JobId jobId) external nonReentrant {
        Case storage c = _toRevealing(jobId);
        if (_revealedCount(jobId, c) < _sealedCount(jobId, c)) _requireOver(c.deadline);
        (Ruling ruling, bytes32 leaf) = _classOf(jobId, c);

        c.status = CaseStatus.Ruled;
        uint256 penalties = _punish(jobId, c, ruling, leaf);
        (address[] memory right, bool firstIsRight) = _rightOnes(jobId, c, ruling, leaf);
        _rule(jobId, ruling, right, firstIsRight, penalties);
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
    function seatOf(JobId jobId, SlotId slotId) external view returns (Seat memory) {
        return _seats[jobId][slotId];
    }

    /// @inheritdoc IAuditCourt
    function horizon() external view returns (uint64) {
        return uint64(MAX_REPLACEMENTS) * _windowOf(_judgeMinSeconds, _maxSegmentSeconds)
            + uint64(_seedDelay) * 2 + _drawWindow + _windowOf(_sealMinSeconds, _maxSegmentSeconds) + _revealSeconds;
    }

    /* DRAWING */

    function _seatJudge(JobId jobId, Case storage c, AuditTerms memory terms, bytes32 seed) internal {
        c.judge = _draw(jobId, c, terms, seed);
        c.deadline = uint40(block.timestamp) + _windowOf(_judgeMinSeconds, terms.segmentSeconds);
    }

    /// @dev The next eligible slot in the round's draw, or none after 64 attempts; the next call goes on from there.
    function _draw(
        JobId jobId,
        Case storage c,
        AuditTerms memory terms,
        bytes32 seed
    ) internal returns (SlotId picked) {
        Drawn storage drawn = _drawn[jobId];
        uint256 attempt = _attempts[jobId];
        uint256 size = _benchSizeAt(terms.hardwareClass, c.since);
        uint256 last = size == 0 ? attempt : attempt + MAX_ATTEMPTS;
        for (; attempt < last && SlotId.unwrap(picked) == 0; attempt++) {
            SlotId candidate = _benches[terms.hardwareClass][Draw.slot(seed, jobId, c.round, attempt, size)];
            if (_isEligible(candidate, c.since, c.fee, terms) && !_meets(drawn, candidate)) picked = candidate;
        }
        _attempts[jobId] = uint16(attempt);
        if (SlotId.unwrap(picked) != 0) {
            _assign(picked, c.fee);
            _remember(drawn, picked);
        }
    }

    /// @dev Whether owner or operator of the candidate has been drawn in this case already.
    function _meets(Drawn storage drawn, SlotId candidate) internal view returns (bool) {
        Slot storage wanted = _slots[candidate];
        for (uint256 i = 0; i < 8; i++) {
            if (SlotId.unwrap(drawn.slots[i]) == 0) return false;
            Slot storage other = _slots[drawn.slots[i]];
            if (other.owner == wanted.owner || other.operator == wanted.operator) return true;
        }
        return false;
    }

    function _remember(Drawn storage drawn, SlotId picked) internal {
        uint256 i = 0;
        while (SlotId.unwrap(drawn.slots[i]) != 0) i++;
        drawn.slots[i] = picked;
    }

    /* RULING */

    function _voidUndrawn(JobId jobId, Case storage c) internal {
        c.status = CaseStatus.Ruled;
        uint256 filled = _filled(c);
        for (uint256 i = 0; i < filled; i++) _release(c.committee[i], c.fee);
        _release(c.judge, c.fee);
        address[] memory right = new address[](1);
        right[0] = _slots[c.judge].owner;
        _rule(jobId, Ruling.Void, right, true, 0);
    }

    /// @dev A class of at least two of three decides; the class is the seller's own leaf, or another leaf.
    function _classOf(JobId jobId, Case storage c) internal view returns (Ruling, bytes32) {
        uint256 matching = 0;
        for (uint256 i = 0; i < COMMITTEE; i++) {
            Seat storage seat = _seats[jobId][c.committee[i]];
            if (seat.matches) matching++;
            Seat storage next = _seats[jobId][c.committee[(i + 1) % COMMITTEE]];
            bool agree = seat.leaf != 0 && seat.leaf == next.leaf && !seat.matches && !next.matches;
            if (agree) return (Ruling.Slashed, seat.leaf);
        }
        return matching >= 2 ? (Ruling.Acquitted, bytes32(0)) : (Ruling.Void, bytes32(0));
    }

    /// @dev Absent members pay one fee, overruled ones five; the first judge five if it accused wrongly.
    function _punish(JobId jobId, Case storage c, Ruling ruling, bytes32 leaf) internal returns (uint256 penalties) {
        for (uint256 i = 0; i < COMMITTEE; i++) {
            SlotId member = c.committee[i];
            Seat storage seat = _seats[jobId][member];
            if (seat.leaf == 0) penalties += _dismiss(jobId, member, c.fee, LATE_FEES);
            else if (_isRight(seat, ruling, leaf)) _release(member, c.fee);
            else penalties += _overrule(jobId, member, c.fee);
        }
        if (ruling == Ruling.Acquitted) penalties += _overrule(jobId, c.judge, c.fee);
        else _release(c.judge, c.fee);
    }

    function _rightOnes(
        JobId jobId,
        Case storage c,
        Ruling ruling,
        bytes32 leaf
    ) internal view returns (address[] memory right, bool firstIsRight) {
        firstIsRight = ruling == Ruling.Void || (ruling == Ruling.Slashed && c.deniedLeaf == leaf);
        address[4] memory found;
        uint256 count = 0;
        if (firstIsRight) found[count++] = _slots[c.judge].owner;
        for (uint256 i = 0; i < COMMITTEE; i++) {
            Seat storage seat = _seats[jobId][c.committee[i]];
            if (seat.leaf != 0 && _isRight(seat, ruling, leaf)) found[count++] = _slots[c.committee[i]].owner;
        }
        right = new address[](count);
        for (uint256 i = 0; i < count; i++) right[i] = found[i];
    }

    function _isRight(Seat storage seat, Ruling ruling, bytes32 leaf) internal view returns (bool) {
        if (ruling == Ruling.Void) return true;
        return ruling == Ruling.Acquitted ? seat.matches : !seat.matches && seat.leaf == leaf;
    }

    function _rule(
        JobId jobId,
        Ruling ruling,
        address[] memory right,
        bool firstIsRight,
        uint256 penalties
    ) internal {
        emit Ruled(jobId, ruling, right, penalties);
        _auditable.rule(jobId, ruling, right, firstIsRight, penalties);
    }

    /* READING */

    function _judgedByCaller(JobId jobId) internal view returns (Case storage c) {
        c = _inStatus(jobId, CaseStatus.Judging);
        bool isJudge = SlotId.unwrap(c.judge) != 0 && _slots[c.judge].operator == msg.sender;
        require(isJudge, NotTheJudge(c.judge));
        require(block.timestamp <= c.deadline, DeadlinePassed(c.deadline, uint40(block.timestamp)));
    }

    function _inStatus(JobId jobId, CaseStatus expected) internal view returns (Case storage c) {
        c = _cases[jobId];
        require(c.status == expected, WrongCaseStatus(expected, c.status));
    }

    /// @dev Once the sealing is over the case is revealing, whoever notices first.
    function _toRevealing(JobId jobId) internal returns (Case storage c) {
        c = _cases[jobId];
        if (c.status == CaseStatus.Sealing) {
            _requireOver(c.deadline);
            c.status = CaseStatus.Revealing;
            c.deadline += _revealSeconds;
        }
        require(c.status == CaseStatus.Revealing, WrongCaseStatus(CaseStatus.Revealing, c.status));
    }

    function _memberOf(Case storage c, address operator) internal view returns (SlotId) {
        for (uint256 i = 0; i < COMMITTEE; i++) {
            if (_slots[c.committee[i]].operator == operator) return c.committee[i];
        }
        revert NotInCommittee(operator);
    }

    function _leafOf(JobId jobId, uint16 segment, Opening calldata opening) internal pure returns (bytes32) {
        return Commitment.leaf(jobId, segment, opening.traceRoot, opening.outputHash, opening.outputCid);
    }

    function _provesLeaf(
        JobId,
        uint16 segment,
        AuditTerms memory terms,
        bytes32 leaf,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        uint256 depth = Commitment.depth(terms.segments);
        require(proof.length == depth, WrongProofLength(depth, proof.length));
        return Commitment.rootOf(leaf, segment, proof) == terms.segmentRoot;
    }

    /// @dev A proof that is given must hold; without one the member says that its leaf is not the seller's.
    function _matches(
        JobId jobId,
        uint16 segment,
        bytes32 leaf,
        bytes32[] calldata proof
    ) internal view returns (bool) {
        AuditTerms memory terms = _auditable.auditTermsOf(jobId);
        if (terms.segments == 1) return leaf == terms.segmentRoot;
        if (proof.length == 0) return false;
        require(_provesLeaf(jobId, segment, terms, leaf, proof), WrongOpening());
        return true;
    }

    function _filled(Case storage c) internal view returns (uint256 count) {
        while (count < COMMITTEE && SlotId.unwrap(c.committee[count]) != 0) count++;
    }

    function _sealedCount(JobId jobId, Case storage c) internal view returns (uint256 count) {
        for (uint256 i = 0; i < COMMITTEE; i++) if (_seats[jobId][c.committee[i]].seal != 0) count++;
    }

    function _revealedCount(JobId jobId, Case storage c) internal view returns (uint256 count) {
        for (uint256 i = 0; i < COMMITTEE; i++) if (_seats[jobId][c.committee[i]].leaf != 0) count++;
    }

    function _seedOf(Epoch epoch) internal view returns (bytes32 seed) {
        seed = _beacon.seedOf(epoch);
        require(seed != 0, SeedNotKnown(epoch));
    }

    function _requireOver(uint40 deadline) internal view {
        require(block.timestamp > deadline, DeadlineRunning(deadline, uint40(block.timestamp)));
    }

    function _windowOf(uint40 least, uint24 segmentSeconds) internal pure returns (uint40) {
        uint40 three = uint40(segmentSeconds) * 3;
        return three > least ? three : least;
    }

    function _longestCase(CourtParameters memory p) internal pure returns (uint256) {
        return uint256(MAX_REPLACEMENTS) * _windowOf(p.judgeMinSeconds, p.maxSegmentSeconds) + uint256(p.seedDelay) * 2
            + p.drawWindow + _windowOf(p.sealMinSeconds, p.maxSegmentSeconds) + p.revealSeconds;
    }
}
