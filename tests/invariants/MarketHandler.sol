// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IAuditable, Outcome, Ruling} from "../../contracts/interfaces/IAuditable.sol";
import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {IJudgeBench} from "../../contracts/interfaces/IJudgeBench.sol";
import {Job, JobStatus} from "../../contracts/interfaces/Job.sol";
import {UnbondId} from "../../contracts/interfaces/IStakeVault.sol";
import {SlotId} from "../../contracts/interfaces/Types.sol";
import {MarketCases} from "./MarketCases.sol";
import {cheats} from "./MarketVm.sol";
import {vm} from "./Vm.sol";

/// @title Everybody in the market at random: what they may do, what they may not, and when.
contract MarketHandler is MarketCases {
    bytes32 private constant CID = "anything";
    uint256 private constant LONGEST_END = 300; // steps a stranger needs for one job, at the very most

    /* WHAT PEOPLE DO */

    function post(uint256 random) external {
        _post(random);
    }

    /// @notice The next step of a few jobs.
    function step(uint256 random) external {
        for (uint256 i; i < 3 && _live.length > 0; ++i) {
            uint256 luck = _hash(random, i);
            _step(_live[luck % _live.length], luck >> 16, false);
        }
    }

    /// @notice The next step of all jobs: most of them are cheap, none may wait for the dice.
    function stepAll(uint256 random) external {
        uint256[] memory ids = _live;
        for (uint256 i; i < ids.length; ++i) {
            if (!_isFinal(_entries[ids[i]].job.status)) _step(ids[i], _hash(random, i), false);
        }
    }

    /// @notice A call of somebody concerned, whether or not it is its time.
    function deviate(uint256 random) external {
        uint256 luck = random >> 16;
        uint256 kind = _hash(random, 7) % 16;
        uint256 fit = kind == 0 ? _find(luck, JobStatus.Open) : kind < 4 ? _find(luck, JobStatus.Running) : 0;
        uint256 id = fit == 0 || random % 4 == 0 ? _pick(random) : fit;
        if (id == 0) return;
        if (kind == 0) _cancel(id);
        else if (kind == 1) _abort(id);
        else if (kind < 4) _handBack(id, luck);
        else if (kind == 4) _refund(id, STRANGER);
        else if (kind == 5) _settle(id, luck % 2 == 0 ? _entries[id].job.buyer : STRANGER);
        else if (kind == 6) _openAudit(id, STRANGER);
        else if (kind == 7) _replaceJudge(id, STRANGER);
        else if (kind == 8) _drawCommittee(id, STRANGER);
        else if (kind == 9) _tally(id, STRANGER);
        else if (kind == 10) _execute(id, STRANGER);
        else if (kind == 11) _appeal(id, luck);
        else if (kind == 12) _submit(id, luck);
        else _accept(id, luck);
    }

    function challenge(uint256 random) external {
        uint256 id = _find(random, random % 5 == 0 ? JobStatus.Challenged : JobStatus.Submitted);
        if (id == 0) return;
        if (_entries[id].job.status == JobStatus.Challenged) _join(id, random >> 8);
        else _challenge(id, random >> 8);
        if (random % 3 == 0 && _entries[id].job.status == JobStatus.Challenged) _join(id, random >> 16);
    }

    function expose(uint256 random) external {
        for (uint256 i; i < _live.length; ++i) {
            uint256 id = _live[(random % _live.length + i) % _live.length];
            if (_entries[id].isCanary && _entries[id].job.segmentRoot != 0) return _expose(id);
        }
    }

    function cashIn(uint256 random) external {
        address[] memory all = everybody();
        bool success;
        for (uint256 i; i < all.length && !success; ++i) {
            address who = all[(random % all.length + i) % all.length];
            if (escrow.creditOf(who) == 0) continue;
            success = _do(Deed.Claim, 0, who, address(escrow), abi.encodeCall(escrow.claim, (STRANGER)));
            vm.assertTrue(success, "22: what could not be paid waits for its claim");
        }
        bool expected = escrow.burnable() > 0;
        success = _do(Deed.Burn, 0, STRANGER, address(escrow), abi.encodeCall(escrow.burn, ()));
        vm.assertEq(success, expected, "anyone burns what is to be burned");
        SlotId slot = SlotId.wrap(uint32(1 + (random >> 8) % bench.slotCount()));
        expected = bench.bondOf(slot).earned > 0;
        success = _do(Deed.Collect, 0, STRANGER, address(bench), abi.encodeCall(bench.collect, (slot)));
        vm.assertEq(success, expected, "anyone has a judge paid what it has earned, once");
        _counts[uint256(Deed.Reentered)] = token.reentries();
    }

    function stake(uint256 random) external {
        address who = random % 2 == 0 ? seller(random >> 8) : judge(random >> 8);
        uint256 free = vault.freeStakeOf(who);
        uint256 amount = 1 + (random >> 16) % (free + 1);
        bytes memory call_ = abi.encodeCall(vault.unbond, (amount / 4 + 1));
        if (random % 3 == 0) {
            bool success = _do(Deed.Unbond, 0, who, address(vault), call_);
            vm.assertEq(success, amount / 4 + 1 <= free, "3: what is locked stays");
        } else if (random % 3 == 1) {
            uint64 count = vault.unbondingsOf(who);
            UnbondId id = UnbondId.wrap(count == 0 ? 0 : uint64(random >> 32) % count);
            call_ = abi.encodeCall(vault.withdraw, (id, STRANGER));
            _do(Deed.Withdraw, 0, who, address(vault), call_);
        } else {
            call_ = abi.encodeCall(vault.deposit, (who, 1_000 * TOKEN));
            vm.assertEq(_do(Deed.Deposit, 0, who, address(vault), call_), !token.isRefused(who), "anyone may deposit");
        }
    }

    function sit(uint256 random) external {
        SlotId slot = SlotId.wrap(uint32(1 + (random >> 8) % bench.slotCount()));
        IJudgeBench.Slot memory seat = bench.slotOf(slot);
        if (random % 3 == 0) {
            address who = judge(random >> 16);
            bytes memory call_ = abi.encodeCall(bench.takeSlot, (CLASS, who));
            bool expected = vault.freeStakeOf(who) >= bench.slotBond();
            vm.assertEq(_do(Deed.TakeSlot, 0, who, address(bench), call_), expected, "4: a slot has its bond");
        } else if (random % 12 == 1 && bench.ownersOf(CLASS) > 12) {
            bool isActive = seat.owner != address(0) && seat.activeUntil == 0;
            bytes memory call_ = abi.encodeCall(bench.leaveSlot, (slot));
            vm.assertEq(_do(Deed.LeaveSlot, 0, seat.owner, address(bench), call_), isActive, "a slot is left once");
        } else {
            _releaseAny(random);
        }
    }

    /// @dev A slot that has left, by choice or by penalty, if there is one.
    function _releaseAny(uint256 random) private {
        uint32 count = bench.slotCount();
        for (uint256 i; i < count; ++i) {
            SlotId slot = SlotId.wrap(uint32(1 + (random % count + i) % count));
            IJudgeBench.Slot memory seat = bench.slotOf(slot);
            if (seat.owner == address(0) || seat.activeUntil == 0) continue;
            bool expected = bench.bondOf(slot).cases == 0 && _now() >= seat.activeUntil + 7 days;
            bytes memory call_ = abi.encodeCall(bench.releaseSlot, (slot));
            bool success = _do(Deed.ReleaseSlot, 0, seat.owner, address(bench), call_);
            vm.assertEq(success, expected, "4: a slot is released when all of its cases are over");
            return;
        }
    }

    /* TIME AND TOKEN */

    /// @notice Mostly just past the next moment at which something changes for some job.
    function travel(uint256 random) external {
        uint256 next = _now() + 1 + (random >> 8) % (random % 8 == 0 ? 30 hours : 90);
        if (random % 8 > 2) {
            uint256 soonest = type(uint256).max;
            for (uint256 i; i < _live.length; ++i) {
                uint256 end = _endOf(_live[i]);
                if (end >= _now() && end < soonest) soonest = end;
            }
            if (soonest != type(uint256).max) next = soonest + 1;
        } else if (random % 64 == 8) {
            next = _now() + 7 days;
        }
        vm.warp(next);
    }

    /// @notice An issuer refuses a person, or no longer does; a recipient burns gas and calls back.
    function setMood(uint256 random) external {
        address[4] memory whom = [buyer(random >> 8), seller(random >> 8), challenger(random >> 8), judge(random >> 8)];
        address who = whom[(random >> 4) % 4];
        if (random % 3 > 0) return token.setRefused(who, random % 3 == 1 && uint160(who) % 4 == 0);
        uint256 id = _pick(random >> 16);
        bytes memory call_ = random % 2 == 0
            ? abi.encodeCall(escrow.claim, (who))
            : abi.encodeCall(escrow.settle, (_id(id), _entries[id].job));
        token.setHook(who, address(escrow), call_);
    }

    /* WHAT NOBODY MAY DO */

    function misuse(uint256 random) external {
        uint256 id = _pick(random);
        if (id == 0) return;
        Job memory job = _entries[id].job;
        (address where, bytes memory call_) = _misdeed(id, job, _hash(random, 1) % 12);
        vm.assertTrue(!_do(Deed.Refused, id, STRANGER, where, call_), "19: a stranger has no part in it");
    }

    function _misdeed(uint256 id, Job memory job, uint256 kind) private view returns (address, bytes memory) {
        bytes32[] memory none;
        Outcome memory outcome;
        outcome.ruling = Ruling.Void;
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        IBallots.Opening memory opening = _sellers(id, 0);
        if (kind == 0) return (address(escrow), abi.encodeCall(escrow.cancel, (_id(id), job)));
        if (kind == 1) return (address(escrow), abi.encodeCall(escrow.abort, (_id(id), job)));
        if (kind == 2) return (address(escrow), abi.encodeCall(escrow.submit, (_id(id), job, CID, CID)));
        if (kind == 3) return (address(court), abi.encodeCall(court.confirm, (_id(id), job, opening, none)));
        if (kind == 4) return (address(court), abi.encodeCall(court.deny, (_id(id), bytes32(uint256(3)), 0)));
        if (kind == 5) return (address(escrow), abi.encodeCall(IAuditable.rule, (_id(id), job, outcome)));
        if (kind == 6) return (address(escrow), abi.encodeCall(IAuditable.takeBond, (buyer(0), 1)));
        if (kind == 7) return (address(escrow), abi.encodeCall(IAuditable.bookPenalty, (1)));
        if (kind == 8) return (address(vault), abi.encodeCall(vault.slash, (seller(0), 1, STRANGER)));
        if (kind == 9) return (address(bench), abi.encodeCall(bench.dismiss, (new SlotId[](1), 0)));
        if (kind == 10) return (address(ballots), abi.encodeCall(ballots.seal, (_id(id), case_.round, 0, CID)));
        (job.held, job.deadline) = (job.held + 1, 0); // another job than the stored one
        return (address(escrow), abi.encodeCall(escrow.settle, (_id(id), job)));
    }

    /// @notice The drawn judge without the preimage: a forged one, another segment's, a proof too short.
    function forge(uint256 random) external {
        uint256 id = _find(random, JobStatus.UnderAudit);
        if (id == 0 || !_isExact(id)) return;
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        Job memory job = _entries[id].job;
        uint256 segment = case_.segment;
        IBallots.Opening memory opening = _sellers(id, segment);
        bytes32[] memory proof = _proofOf(id, segment);
        if (random % 3 == 0) opening.traceRoot = bytes32(random);
        else if (random % 3 == 1 && job.segments > 1) (opening, proof) = _other(id, (segment + 1) % job.segments);
        else (opening.traceRoot, opening.outputHash) = (opening.outputHash, opening.traceRoot);
        address who = bench.operatorOf(case_.judge);
        bytes memory call_ = abi.encodeCall(court.confirm, (_id(id), job, opening, proof));
        vm.assertTrue(!_do(Deed.Refused, id, who, address(court), call_), "19, 21: no preimage, no confirmation");
    }

    function _other(uint256 id, uint256 segment) private view returns (IBallots.Opening memory, bytes32[] memory) {
        return (_sellers(id, segment), _proofOf(id, segment));
    }

    /* LIVENESS */

    /// @notice A stranger with nothing but time and calls that anyone may make brings the job to its end.
    function bringToEnd(uint256 id) public {
        for (uint256 i; !_isFinal(_entries[id].job.status); ++i) {
            vm.assertTrue(i < LONGEST_END, "8: a stranger brings every job to its end");
            uint256 end = _endOf(id);
            if (end >= _now()) vm.warp(end + 1);
            _step(id, 0, true);
        }
    }

    /* PICKING */

    function _pick(uint256 random) private view returns (uint256) {
        return random % 16 == 0 || _live.length == 0
            ? escrow.jobCount() == 0 ? 0 : 1 + (random >> 4) % escrow.jobCount()
            : _live[(random >> 4) % _live.length];
    }

    function _find(uint256 random, JobStatus status) private view returns (uint256) {
        for (uint256 i; i < _live.length; ++i) {
            uint256 id = _live[(random % _live.length + i) % _live.length];
            if (_entries[id].job.status == status) return id;
        }
        return 0;
    }
}
