// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {Job, JobStatus} from "../../contracts/interfaces/Job.sol";
import {SlotId} from "../../contracts/interfaces/Types.sol";
import {Commitment} from "../../contracts/libraries/Commitment.sol";
import {MATCH, MISMATCH, UNAVAILABLE, UNDELIVERED} from "../../contracts/libraries/Verdict.sol";
import {MarketTraders} from "./MarketTraders.sol";
import {cheats} from "./MarketVm.sol";
import {vm} from "./Vm.sol";

/// @title What judges do, the honest, the lying, the careless and the silent.
abstract contract MarketJudges is MarketTraders {
    /// @dev How a committee behaves: each of its members by itself, from the same random number.
    mapping(uint256 id => mapping(uint8 round => uint256)) private _manners;

    function _openAudit(uint256 id, address who) internal {
        Entry memory entry = _entries[id];
        (bool drawn, bool known) = _drawOf(id);
        bool expected = entry.job.status == JobStatus.Submitted && !entry.job.audited && known && drawn;
        bytes memory call_ = abi.encodeCall(escrow.openAudit, (_id(id), entry.job, entry.terms));
        if (expected) _moveRegistry(id, address(escrow), call_, 0);
        vm.assertEq(_do(Deed.OpenAudit, id, who, address(escrow), call_), expected, "10: only the draw opens an audit");
    }

    /// @dev The drawn judge's answer: honest mostly; else it denies what is true, or passes on what the seller leaked.
    function _judge(uint256 id, uint256 random) internal {
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        if (SlotId.unwrap(case_.judge) == 0) return _volunteer(id, random);
        address who = bench.operatorOf(case_.judge);
        bool isInTime = _now() <= case_.deadline;
        bool passes = _isTrue(id, case_.segment) != (random % 3 == 0);
        bytes memory call_;
        if (!passes) {
            call_ = abi.encodeCall(court.deny, (_id(id), _denial(id, case_.segment, random), bytes32(random)));
            vm.assertEq(_do(Deed.Deny, id, who, address(court), call_), isInTime, "17: a judge may deny in time");
        } else if (_isExact(id)) {
            IBallots.Opening memory opening = _sellers(id, case_.segment);
            call_ = abi.encodeCall(court.confirm, (_id(id), _entries[id].job, opening, _proofOf(id, case_.segment)));
            vm.assertEq(_do(Deed.Confirm, id, who, address(court), call_), isInTime, "17: a judge may confirm in time");
        } else {
            call_ = abi.encodeCall(court.vouch, (_id(id), _entries[id].job, bytes32(random)));
            vm.assertEq(_do(Deed.Vouch, id, who, address(court), call_), isInTime, "17: a judge may vouch in time");
        }
    }

    function _denial(uint256 id, uint16 segment, uint256 random) private view returns (bytes32) {
        if (random % 7 == 0 || uint8(_entries[id].terms.comparison) == 2) return UNAVAILABLE;
        if (!_isExact(id)) return MISMATCH;
        return _leafOf(id, segment, _opening(id, segment, !_isTrue(id, segment) || random % 2 == 0, false));
    }

    function _isTrue(uint256 id, uint16 segment) private view returns (bool) {
        return segment == UNDELIVERED || (_entries[id].cheats & (1 << (segment % 8)) == 0 && !_entries[id].isCanary);
    }

    function _volunteer(uint256 id, uint256 random) private {
        Entry memory entry = _entries[id];
        SlotId slot = SlotId.wrap(uint32(1 + random % bench.slotCount()));
        bytes memory call_ = abi.encodeCall(court.volunteer, (_id(id), entry.job, entry.terms, slot));
        _do(Deed.Volunteer, id, bench.operatorOf(slot), address(court), call_);
    }

    function _replaceJudge(uint256 id, address who) internal {
        Entry memory entry = _entries[id];
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        bool expected = case_.status == IAuditCourt.CaseStatus.Judging && _now() > case_.deadline;
        bytes memory call_ = abi.encodeCall(court.replaceJudge, (_id(id), entry.job, entry.terms));
        bool success = _do(Deed.ReplaceJudge, id, who, address(court), call_);
        vm.assertEq(success, expected, "17: a judge is replaced when it is late, not before");
    }

    /* COMMITTEES */

    function _drawCommittee(uint256 id, address who) internal {
        Entry memory entry = _entries[id];
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), case_.round);
        (bytes32 seed,) = beacon.seedFor(ballot.epoch);
        bool isDue = seed != 0 || _now() > ballot.deadline + 7 days;
        bool expected = ballot.status == IBallots.BallotStatus.Drawing && isDue;
        bytes memory call_ = abi.encodeCall(ballots.drawCommittee, (_id(id), case_.round, entry.job, entry.terms));
        if (expected) _moveRegistry(id, address(ballots), call_, case_.round);
        bool success = _do(Deed.DrawCommittee, id, who, address(ballots), call_);
        vm.assertEq(success, expected, "17: a committee is drawn when its seed is known");
        bool isLast = success && case_.instance == 3;
        if (isLast && ballots.ballotOf(_id(id), case_.round).status == IBallots.BallotStatus.Sealing) {
            ++_counts[uint256(Deed.LastInstance)];
        }
    }

    /// @dev Draws in a world whose registry has just moved, and in this one: the same judges.
    function _moveRegistry(uint256 id, address where, bytes memory call_, uint8 round) private {
        if (_hash(id, round) % 4 != 0) return;
        uint256 here = cheats.snapshotState();
        _try(where, where, call_);
        bytes32 drawn = _drawnFor(id, round);
        cheats.revertToStateAndDelete(here);

        here = cheats.snapshotState();
        SlotId slot = SlotId.wrap(uint32(1 + uint256(drawn) % JUDGES));
        _try(bench.ownerOf(slot), address(bench), abi.encodeCall(bench.leaveSlot, (slot)));
        _try(judge(id), address(bench), abi.encodeCall(bench.takeSlot, (CLASS, judge(id))));
        _try(where, where, call_);
        bytes32 drawnThen = _drawnFor(id, round);
        cheats.revertToStateAndDelete(here);
        vm.assertEq(drawnThen, drawn, "20: draws do not move with the registry");
        ++_counts[uint256(Deed.RegistryMoved)];
    }

    function _drawnFor(uint256 id, uint8 round) private view returns (bytes32) {
        return keccak256(abi.encode(court.caseOf(_id(id)).judge, ballots.committeeOf(_id(id), round)));
    }

    /// @dev All members who seal at all, at once.
    function _seal(uint256 id, uint256 random) internal {
        uint8 round = court.caseOf(_id(id)).round;
        IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), round);
        if (ballot.status != IBallots.BallotStatus.Sealing || _now() > ballot.deadline) return;
        if (_manners[id][round] == 0) _manners[id][round] = random | 1;
        SlotId[] memory members = ballots.committeeOf(_id(id), round);
        for (uint8 seat; seat < members.length; ++seat) {
            if (ballot.sealedSeats & (1 << seat) != 0 || _isSilent(id, round, seat)) continue;
            address who = bench.operatorOf(members[seat]);
            bytes32 verdict = _verdict(id, ballot.segment, round, seat);
            bytes32 seal_ = Commitment.seal(_id(id), round, who, verdict, bytes32(uint256(1)), bytes32(uint256(seat)));
            bytes memory call_ = abi.encodeCall(ballots.seal, (_id(id), round, seat, seal_));
            vm.assertTrue(_do(Deed.Seal, id, who, address(ballots), call_), "17: members may seal in time");
        }
    }

    function _reveal(uint256 id) internal {
        uint8 round = court.caseOf(_id(id)).round;
        SlotId[] memory members = ballots.committeeOf(_id(id), round);
        for (uint8 seat; seat < members.length; ++seat) {
            IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), round);
            bool isSealed = ballot.sealedSeats & (1 << seat) != 0 && ballot.revealedSeats & (1 << seat) == 0;
            if (!isSealed || _hash(_manners[id][round], 100 + seat) % 16 == 0) continue;
            _revealSeat(id, round, seat, ballot, bench.operatorOf(members[seat]));
        }
    }

    function _revealSeat(uint256 id, uint8 round, uint8 seat, IBallots.Ballot memory ballot, address who) private {
        bool isSealing = ballot.status == IBallots.BallotStatus.Sealing;
        bool hasBegun = !isSealing || _now() > ballot.deadline;
        bool expected = hasBegun && _now() <= ballot.deadline + (isSealing ? 2 hours : 0);
        bool isWord = uint256(_verdict(id, ballot.segment, round, seat)) <= uint256(UNAVAILABLE);
        bytes memory call_ =
            isWord ? _word(id, round, seat, ballot.segment) : _revelation(id, round, seat, ballot.segment);
        bool success = _do(isWord ? Deed.RevealWord : Deed.Reveal, id, who, address(ballots), call_);
        vm.assertEq(success, expected, "17, 19: who sealed may reveal that, in its time");
    }

    function _word(uint256 id, uint8 round, uint8 seat, uint16 segment) private view returns (bytes memory) {
        bytes32 verdict = _verdict(id, segment, round, seat);
        return abi.encodeCall(ballots.revealWord, (_id(id), round, seat, verdict, _envelope(seat)));
    }

    function _envelope(uint8 seat) private pure returns (IBallots.Envelope memory) {
        return IBallots.Envelope(bytes32(uint256(1)), bytes32(uint256(seat)));
    }

    function _revelation(uint256 id, uint8 round, uint8 seat, uint16 segment) private view returns (bytes memory) {
        IBallots.Opening memory opening = _finding(id, segment, round, seat);
        bool isSellers = _leafOf(id, segment, opening) == _leafOf(id, segment, _sellers(id, segment));
        bool forgets = _hash(_manners[id][round], 200 + seat) % 8 == 0;
        bytes32[] memory proof = isSellers && !forgets ? _proofOf(id, segment) : new bytes32[](0);
        Job memory job = _entries[id].job;
        return abi.encodeCall(ballots.reveal, (_id(id), round, seat, job, opening, _envelope(seat), proof));
    }

    /* MANNERS */

    function _isSilent(uint256 id, uint8 round, uint8 seat) private view returns (bool) {
        uint256 manner = _manners[id][round];
        return _hash(manner, 300 + seat) % 16 < (manner % 16 < 3 ? 14 : 1);
    }

    /// @dev The honest answer, or the same lie, or one's own.
    function _lies(uint256 id, uint8 round, uint8 seat) private view returns (bool lies, uint256 random) {
        uint256 manner = _manners[id][round];
        random = _hash(manner, seat);
        lies = random % 8 < [uint256(0), 1, 4, 7][(manner >> 8) % 4];
    }

    function _finding(uint256 id, uint16 segment, uint8 round, uint8 seat)
        private
        view
        returns (IBallots.Opening memory opening)
    {
        (bool lies, uint256 random) = _lies(id, round, seat);
        bool isTrue = !lies;
        opening = _opening(id, segment, isTrue, false);
        if (lies && random % 3 == 0) opening.traceRoot = bytes32(random); // a class of its own
    }

    function _verdict(uint256 id, uint16 segment, uint8 round, uint8 seat) private view returns (bytes32) {
        (bool lies, uint256 random) = _lies(id, round, seat);
        if (segment == UNDELIVERED) return lies ? UNAVAILABLE : MATCH;
        if (uint8(_entries[id].terms.comparison) == 2) return lies ? UNAVAILABLE : MATCH;
        if (lies && random % 5 == 0) return UNAVAILABLE;
        if (_isExact(id)) return _leafOf(id, segment, _finding(id, segment, round, seat));
        return _isTrue(id, segment) != lies ? MATCH : MISMATCH;
    }
}
