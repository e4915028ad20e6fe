// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Ruling} from "../../contracts/interfaces/IAuditable.sol";
import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {Comparison, Job, JobStatus, Terms} from "../../contracts/interfaces/Job.sol";
import {JobId, SlotId} from "../../contracts/interfaces/Types.sol";
import {MATCH, UNAVAILABLE, UNDELIVERED} from "../../contracts/libraries/Verdict.sol";
import {MarketLedger} from "./MarketLedger.sol";
import {MarketVm, cheats} from "./MarketVm.sol";
import {vm} from "./Vm.sol";

/// @title What must be true after every single call, whoever made it.
abstract contract MarketChecks is MarketLedger {
    uint256 private constant GAS_BOUND = 6_000_000; // the execution of a case of three committees is the dearest call

    /// @dev Makes one call about job `id` (0: about none), and looks at everything it did.
    function _act(uint256 id, address who, address where, bytes memory data) internal returns (bool success) {
        (_context, _caller, _ruling) = (id, who, Ruling.None);
        ++_calls;
        delete _losses;
        (_seized, _burned) = (0, 0);
        Job memory before = _entries[id].job;
        int256 kept = _kept();

        cheats.recordLogs();
        uint256 gas = gasleft();
        (success,) = _try(who, where, data);
        gas -= gasleft();
        MarketVm.Log[] memory logs = cheats.getRecordedLogs();
        if (!success) return false;

        vm.assertLe(gas, GAS_BOUND, "23: no call grows with history");
        _fold(logs);
        _entries[id].balance -= _kept() - kept;
        _checkMoney(id);
        if (id == 0) return true;
        _checkJob(id, before);
        if (_ruling != Ruling.None) _checkRuling(id, before);
        if (_entries[id].bonds == 0) _forgetBonds(id);
    }

    /// @dev What the seed of a job says is written down as soon as there is one.
    function _noteDraws() internal {
        for (uint256 i; i < _live.length; ++i) {
            Entry storage entry = _entries[_live[i]];
            if (entry.isKnown || entry.job.segmentRoot == 0) continue;
            (entry.isDrawn, entry.isKnown) = _drawOf(_live[i]);
        }
    }

    function acts() external view returns (uint256) {
        return _calls;
    }

    function _kept() private view returns (int256) {
        return int256(escrow.pool() + escrow.burnable());
    }

    function _checkMoney(uint256 id) private view {
        uint256 owed = heldSum + creditSum + bondSum + earnedSum + uint256(_kept());
        vm.assertEq(token.balanceOf(address(escrow)), owed, "2: every call conserves the escrow's money");
        vm.assertEq(token.balanceOf(address(vault)), vaultSum, "2: every call conserves the vault's money");
        int256 left = int256(uint256(_entries[id].job.held) + _entries[id].bonds);
        vm.assertTrue(_entries[id].balance == left, "7: what came in for a job is what went out and what is left");
        vm.assertTrue(_entries[0].balance == 0, "7: no money is nobody's");
    }

    function _checkJob(uint256 id, Job memory before) private view {
        Job memory job = _entries[id].job;
        bytes32 state = keccak256(abi.encode(job));
        vm.assertEq(escrow.stateOf(JobId.wrap(uint64(id))), state, "the state is the fold of the events");
        vm.assertEq(job.buyer, before.buyer, "5: a job keeps its payer");
        if (job.status == before.status) return;

        if (job.status == JobStatus.Running) _checkAccepted(id, job, before);
        if (job.status == JobStatus.Submitted && before.status == JobStatus.Running) _checkSubmitted(job);
        if (job.status == JobStatus.Settled) _checkSettled(id, job, before);
        if (job.status == JobStatus.Refunded && before.status != JobStatus.UnderAudit) _checkRefunded(job, before);
    }

    function _checkAccepted(uint256 id, Job memory job, Job memory before) private view {
        Terms memory terms = _entries[id].terms;
        uint256 elapsed = _now() - (job.openUntil - terms.openSeconds);
        uint256 price = elapsed >= terms.riseSeconds
            ? terms.maxPrice
            : terms.startPrice + (uint256(terms.maxPrice - terms.startPrice) * elapsed) / terms.riseSeconds;
        uint256 rate = _roundUp(12_500 * price, price + job.collateral);
        if (rate > 10_000) rate = 10_000;
        if (rate < 500) rate = 500;
        vm.assertEq(uint256(job.price), price, "12: the price is the clock's");
        // Whatever the seller's reputation is: it is no part of this.
        vm.assertEq(uint256(job.auditBps), rate, "12, 24: the audit rate obeys its formula");
        uint256 least = _roundUp(price, 4);
        if (4 * _feeOf(job) > least) least = 4 * _feeOf(job);
        vm.assertLe(least, job.collateral, "12: the collateral is enough");
        vm.assertEq(uint256(job.held), before.held, "7: accepting moves no payment");
        vm.assertEq(uint256(job.deadline), _now() + terms.runSeconds, "17: a running job sets its deadline");
    }

    function _checkSubmitted(Job memory job) private view {
        vm.assertEq(uint256(job.deadline), _now() + AUDIT_WINDOW, "17: a submitted job sets its deadline");
        vm.assertLe(_now() + SEED_DELAY, beacon.timeOf(job.epoch), "9: the round lies after the commitment");
        vm.assertEq(beacon.seedOf(job.epoch), 0, "9: nobody knows the seed at the commitment");
    }

    function _checkSettled(uint256 id, Job memory job, Job memory before) private view {
        vm.assertTrue(before.status == JobStatus.Submitted, "11: nothing is settled while it is questioned");
        bool isOver = _now() > before.deadline;
        vm.assertTrue(isOver || _caller == job.buyer, "11: nothing is settled early, but by its buyer");
        (bool drawn,) = _drawOf(id);
        vm.assertTrue(before.audited || !drawn, "11: what is drawn is settled only when it is audited");
        uint256 fee = _roundUp(job.price, 100);
        address payout = vault.payoutOf(job.seller);
        vm.assertEq(_received[_calls][payout], job.price - fee, "15: the seller is paid all but one per cent");
    }

    function _checkRefunded(Job memory job, Job memory before) private view {
        if (before.status == JobStatus.Submitted) return; // a canary
        bool isLate = before.status == JobStatus.Running && _now() > before.deadline;
        bool isAborted = before.status == JobStatus.Running && !isLate;
        uint256 penalty = isLate ? _roundUp(job.price, 10) : isAborted ? _roundUp(job.price, 50) : 0;
        uint256 due = before.held + penalty / 2;
        vm.assertEq(_received[_calls][job.buyer], due, "15: the buyer gets its payment and half of the penalty");
        bool isMine = _caller == job.buyer || isAborted;
        vm.assertTrue(isMine || _now() > before.deadline, "17: no timeout before its deadline");
    }

    /* RULINGS */

    function _checkRuling(uint256 id, Job memory before) private view {
        IAuditCourt.Case memory case_ = court.caseOf(JobId.wrap(uint64(id)));
        vm.assertTrue(case_.ruling == _ruling, "the court and the escrow rule alike");
        if (_ruling == Ruling.Slashed) {
            _checkMajority(id, case_, before);
            _checkSplit(id, before);
        } else {
            vm.assertEq(_seized, 0, "14: only a conviction takes collateral");
        }
        bool isNobodysFault = _ruling == Ruling.Void || _ruling == Ruling.Unjudged;
        if (isNobodysFault) _checkSpared(id, case_, before);
        if (_ruling == Ruling.Void) _checkBonds(id);
    }

    /// @dev At least two judges of one class, of different owners, more than half of the committee.
    function _checkMajority(uint256 id, IAuditCourt.Case memory case_, Job memory before) private view {
        SlotId[] memory members = ballots.committeeOf(JobId.wrap(uint64(id)), case_.ruledRound);
        bytes32 winner;
        uint256 votes;
        for (uint256 i; i < members.length && 2 * votes <= members.length; ++i) {
            winner = _said[id][case_.ruledRound][members[i]];
            votes = 0;
            for (uint256 j; j < members.length; ++j) {
                if (_said[id][case_.ruledRound][members[j]] == winner && winner != 0) ++votes;
                bool isTwice = i != j && bench.ownerOf(members[i]) == bench.ownerOf(members[j]);
                vm.assertTrue(!isTwice, "13: judges of one committee have different owners");
            }
            vm.assertTrue(!_isParty(bench.ownerOf(members[i]), before), "13: no party judges itself");
            vm.assertTrue(!_isParty(bench.operatorOf(members[i]), before), "13: no party judges itself by another key");
        }
        vm.assertTrue(votes >= 2 && 2 * votes > members.length, "13: a slash has a strict majority of two or more");
        vm.assertTrue(winner != MATCH, "13: the majority is against the seller");
        bool isReach = case_.comparison == Comparison.Delivery || case_.segment == UNDELIVERED;
        vm.assertTrue(!isReach || winner == UNAVAILABLE, "13: out of reach is all that such a question can find");
        IBallots.Ballot memory ballot = ballots.ballotOf(JobId.wrap(uint64(id)), case_.ruledRound);
        for (uint256 i; i < members.length; ++i) {
            bool isProved = ballot.provedSeats & (1 << i) != 0;
            bool isWinner = _said[id][case_.ruledRound][members[i]] == winner;
            vm.assertTrue(!(isProved && isWinner), "13: a leaf proved the seller's convicts nobody");
        }
    }

    function _isParty(address who, Job memory job) private pure returns (bool) {
        return who == job.buyer || who == job.seller;
    }

    /// @dev The buyer made whole, with at most a fifth of the collateral and of the losers' money; half of the rest
    /// burned; nobody who asked gets more than half.
    function _checkSplit(uint256 id, Job memory before) private view {
        uint256 rest = before.collateral;
        uint256 judges = 3 * _feeOf(before) < rest ? 3 * _feeOf(before) : rest;
        uint256 lost;
        for (uint256 i; i < _losses.length; ++i) lost += _losses[i].amount;
        uint256 back = _received[_calls][before.buyer];
        uint256 bond = _bondOf[id][before.buyer];
        uint256 most = before.held + rest / 5 + (lost + _bondsOf(id)) / 5;
        if (bond > 0) most += bond + (3 * rest) / 10; // it accused as well
        vm.assertLe(before.price, back, "15: the buyer gets its whole payment back");
        vm.assertLe(back, most, "15: the buyer gets a fifth, not more");
        vm.assertEq(_seized, rest, "15: the whole collateral is taken, and no more");
        vm.assertLe((rest - judges) / 2, _burned, "15: half of the collateral beyond the fees is burned");
        for (uint256 i; i < _bonded[id].length; ++i) {
            address payer = _bonded[id][i];
            if (payer == before.buyer || payer == before.seller) continue;
            uint256 gain = _received[_calls][payer];
            bond = _bondOf[id][payer];
            vm.assertLe(gain, bond + rest / 2, "15: no accuser receives more than half");
        }
    }

    function _bondsOf(uint256 id) private view returns (uint256 sum) {
        for (uint256 i; i < _bonded[id].length; ++i) sum += _bondOf[id][_bonded[id][i]];
    }

    /// @dev Nobody loses but who was absent, and that is one fee.
    function _checkSpared(uint256 id, IAuditCourt.Case memory case_, Job memory before) private view {
        for (uint256 i; i < _losses.length; ++i) {
            vm.assertEq(_losses[i].amount, _feeOf(before), "14: the absent lose one fee");
            for (uint8 round = case_.firstRound; round <= case_.round; ++round) {
                bytes32 said = _said[id][round][_losses[i].slot];
                vm.assertEq(said, bytes32(0), "14: nobody who spoke is slashed by a case without a finding");
            }
        }
    }

    function _checkBonds(uint256 id) private view {
        for (uint256 i; i < _bonded[id].length; ++i) {
            address payer = _bonded[id][i];
            vm.assertLe(_bondOf[id][payer], _received[_calls][payer], "16: no bond is lost on Void");
        }
    }

    function _forgetBonds(uint256 id) private {
        for (uint256 i; i < _bonded[id].length; ++i) delete _bondOf[id][_bonded[id][i]];
        delete _bonded[id];
    }

    /* HELPERS */

    /// @return drawn Whether the job's seed draws it.
    /// @return known Whether there is a seed. Recomputed here, not asked of the escrow.
    function _drawOf(uint256 id) internal view returns (bool drawn, bool known) {
        Job storage job = _entries[id].job;
        (bytes32 seed, bool isFallback) = beacon.seedFor(job.epoch);
        known = seed != 0 && job.segmentRoot != 0;
        uint256 rate = isFallback ? 2 * uint256(job.auditBps) : job.auditBps;
        bytes32 ticket = sha256(abi.encodePacked(bytes1(0x10), seed, id, job.segmentRoot));
        drawn = known && uint256(ticket) % 10_000 < rate;
    }

    function _feeOf(Job memory job) internal pure returns (uint256 fee) {
        fee = _roundUp(12 * uint256(job.price), 10 * uint256(job.segments));
        if (fee < FEE_MIN) fee = FEE_MIN;
    }

    function _roundUp(uint256 amount, uint256 parts) internal pure returns (uint256) {
        return (amount + parts - 1) / parts;
    }
}
