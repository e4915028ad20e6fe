// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Ruling} from "../../contracts/interfaces/IAuditable.sol";
import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {Epoch} from "../../contracts/interfaces/IBeacon.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IJudgeBench} from "../../contracts/interfaces/IJudgeBench.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {Job, JobStatus, Terms} from "../../contracts/interfaces/Job.sol";
import {SlotId} from "../../contracts/interfaces/Types.sol";
import {MarketVm} from "./MarketVm.sol";
import {MarketWorld} from "./MarketWorld.sol";
import {vm} from "./Vm.sol";

/// @title What the events say: every job as the fold of its events, and who paid whom how much for which job.
abstract contract MarketLedger is MarketWorld {
    struct Entry {
        Job job;
        Terms terms;
        uint8 cheats; // one bit per segment the seller did not compute
        bool isCanary;
        bool isKnown; // the draw is known …
        bool isDrawn; // … and says this, for ever
        bytes32 finalState;
        int256 balance; // came in for the job, less went out for it
        uint256 bonds; // of its challengers and appellants
    }

    struct Loss {
        SlotId slot;
        uint256 amount;
    }

    mapping(uint256 id => Entry) internal _entries;
    uint256[] internal _live;
    mapping(uint256 id => address[]) internal _bonded;
    mapping(uint256 id => mapping(address payer => uint256)) internal _bondOf;
    mapping(uint256 id => mapping(uint8 round => mapping(SlotId slot => bytes32))) internal _said;
    uint256 public heldSum;
    uint256 public creditSum;
    uint256 public bondSum;
    uint256 public earnedSum;
    uint256 public vaultSum;

    // of the present call
    uint256 internal _calls;
    uint256 internal _context; // the job it is about; 0 for none
    address internal _caller;
    Ruling internal _ruling;
    Loss[] internal _losses;
    uint256 internal _seized; // of sellers' collateral
    uint256 internal _burned;
    mapping(uint256 call_ => mapping(address account => uint256)) internal _received;

    constructor() {
        vaultSum = token.balanceOf(address(vault));
    }

    function entryOf(uint256 id) public view returns (Entry memory) {
        return _entries[id];
    }

    function live() public view returns (uint256[] memory) {
        return _live;
    }

    function _fold(MarketVm.Log[] memory logs) internal {
        for (uint256 i; i < logs.length; ++i) {
            MarketVm.Log memory log = logs[i];
            if (log.emitter == address(token)) _foldTransfer(log);
            else if (log.emitter == address(vault)) _foldVault(log);
            else if (log.emitter == address(escrow)) _foldEscrow(log);
            else _foldCourt(log);
        }
    }

    /* MONEY */

    function _foldTransfer(MarketVm.Log memory log) private {
        (address from, address to) = (_account(log.topics[1]), _account(log.topics[2]));
        uint256 amount = abi.decode(log.data, (uint256));
        Entry storage entry = _entries[_context];
        if (to == address(escrow)) entry.balance += int256(amount);
        if (from == address(escrow)) {
            entry.balance -= int256(amount);
            _gave(to, amount);
        }
        bool isContract = from == address(escrow) || from == address(vault);
        vm.assertTrue(isContract || from == _caller, "5: nobody is debited but who calls");
    }

    /// @dev Only the payer of a job is refunded by it: another buyer gets nothing from it.
    function _gave(address to, uint256 amount) private {
        _received[_calls][to] += amount;
        bool isOther = _context != 0 && _isBuyer(to) && to != _entries[_context].job.buyer;
        vm.assertTrue(!isOther, "5: only the payer of a job is refunded by it");
    }

    function _foldVault(MarketVm.Log memory log) private {
        bytes32 kind = log.topics[0];
        if (kind == IStakeVault.Deposited.selector) vaultSum += abi.decode(log.data, (uint256));
        if (kind == IStakeVault.Slashed.selector) {
            (uint256 amount, address to) = abi.decode(log.data, (uint256, address));
            vaultSum -= amount;
            if (_account(log.topics[2]) == address(escrow)) _seized += amount;
            vm.assertEq(to, address(escrow), "15: what is taken goes through the escrow");
        }
        if (kind == IStakeVault.Withdrawn.selector) {
            (uint256 amount,) = abi.decode(log.data, (uint256, address));
            vaultSum -= amount;
        }
    }

    /* JOBS */

    function _foldEscrow(MarketVm.Log memory log) private {
        bytes32 kind = log.topics[0];
        if (kind == IJobEscrow.Burned.selector) return;
        if (kind == IJobEscrow.Credited.selector) return _foldCredit(log);
        if (kind == IJobEscrow.Claimed.selector) {
            (uint256 amount,) = abi.decode(log.data, (uint256, address));
            creditSum -= amount;
            _entries[0].balance += int256(amount);
            return;
        }
        uint256 id = uint256(log.topics[1]);
        if (kind == IJobEscrow.JobPosted.selector) return _foldPosted(id, log);
        if (kind == IJobEscrow.JobVoided.selector) return;
        Job storage job = _entries[id].job;
        vm.assertTrue(!_isFinal(job.status) || kind == IJobEscrow.JobSlashed.selector, "6: a final state never moves");
        if (kind == IJobEscrow.JobAccepted.selector) {
            job.seller = _account(log.topics[2]);
            (job.price, job.collateral, job.auditBps, job.deadline) =
                abi.decode(log.data, (uint96, uint96, uint16, uint40));
            job.status = JobStatus.Running;
        } else if (kind == IJobEscrow.JobSubmitted.selector) {
            (job.resultCid, job.segmentRoot, job.epoch, job.deadline) =
                abi.decode(log.data, (bytes32, bytes32, Epoch, uint40));
            job.status = JobStatus.Submitted;
        } else if (kind == IJobEscrow.JobHandedBack.selector) {
            uint96 held;
            (job.segments, job.price, held) = abi.decode(log.data, (uint16, uint96, uint96));
            _hold(job, held);
        } else if (kind == IJobEscrow.AuditOpened.selector) {
            job.status = JobStatus.UnderAudit;
        } else if (kind == IJobEscrow.JobChallenged.selector) {
            job.status = JobStatus.Challenged;
        } else {
            _foldEnd(job, kind, log.data);
        }
        if (_isFinal(job.status)) _bury(id);
    }

    function _foldEnd(Job storage job, bytes32 kind, bytes memory data) private {
        if (kind == IJobEscrow.JobRuled.selector) {
            uint96 held;
            uint40 deadline;
            (_ruling, job.status, job.audited, held, deadline) =
                abi.decode(data, (Ruling, JobStatus, bool, uint96, uint40));
            vm.assertLe(job.deadline, deadline, "18: windows never shorten");
            job.deadline = deadline;
            return _hold(job, held);
        }
        if (kind == IJobEscrow.JobSlashed.selector) {
            (,, _burned) = abi.decode(data, (uint256, uint256, uint256));
            return;
        }
        if (kind == IJobEscrow.JobAborted.selector) {
            (, bool reopened) = abi.decode(data, (uint256, bool));
            if (reopened) {
                (job.status, job.deadline) = (JobStatus.Open, job.openUntil);
                (job.seller, job.price, job.collateral, job.auditBps) = (address(0), 0, 0, 0);
                return;
            }
        }
        job.status = kind == IJobEscrow.JobSettled.selector ? JobStatus.Settled : JobStatus.Refunded;
        _hold(job, 0);
    }

    function _foldPosted(uint256 id, MarketVm.Log memory log) private {
        Entry storage entry = _entries[id];
        Job storage job = entry.job;
        vm.assertTrue(job.status == JobStatus.None, "6: a job is posted once");
        (entry.terms, job.held, job.openUntil) = abi.decode(log.data, (Terms, uint96, uint40));
        (job.termsHash, job.buyer) = (keccak256(abi.encode(entry.terms)), _account(log.topics[2]));
        (job.status, job.segments, job.deadline) = (JobStatus.Open, entry.terms.segments, job.openUntil);
        heldSum += job.held;
        entry.balance = int256(uint256(job.held));
        _entries[_context].balance -= int256(uint256(job.held));
        _live.push(id);
        vm.assertEq(uint256(job.deadline), _now() + entry.terms.openSeconds, "17: an open job sets its deadline");
    }

    function _foldCredit(MarketVm.Log memory log) private {
        (address to, uint256 amount) = (_account(log.topics[1]), abi.decode(log.data, (uint256)));
        creditSum += amount;
        _entries[_context].balance -= int256(amount);
        _gave(to, amount);
    }

    function _hold(Job storage job, uint96 held) private {
        heldSum = heldSum + held - job.held;
        job.held = held;
    }

    function _bury(uint256 id) private {
        Entry storage entry = _entries[id];
        vm.assertEq(uint256(entry.job.held), 0, "6: at its end a job holds nothing");
        entry.finalState = keccak256(abi.encode(entry.job));
        for (uint256 i; i < _live.length; ++i) {
            if (_live[i] != id) continue;
            _live[i] = _live[_live.length - 1];
            _live.pop();
            return;
        }
    }

    /* COURT */

    function _foldCourt(MarketVm.Log memory log) private {
        bytes32 kind = log.topics[0];
        if (log.emitter == address(bench)) return _foldBench(kind, log);
        if (kind == IBallots.Revealed.selector) {
            (uint8 round, bytes32 verdict,) = abi.decode(log.data, (uint8, bytes32, bytes32));
            _said[uint256(log.topics[1])][round][_slot(log.topics[2])] = verdict;
        } else if (kind == IAuditCourt.Challenged.selector) {
            (, uint256 bond) = abi.decode(log.data, (uint16, uint256));
            _foldBond(uint256(log.topics[1]), _account(log.topics[2]), bond);
        } else if (kind == IAuditCourt.Appealed.selector) {
            (, uint256 bond,) = abi.decode(log.data, (uint8, uint256, Epoch));
            _foldBond(uint256(log.topics[1]), _account(log.topics[2]), bond);
        } else if (kind == IAuditCourt.Executed.selector) {
            Entry storage entry = _entries[uint256(log.topics[1])];
            bondSum -= entry.bonds;
            entry.bonds = 0;
        }
    }

    /// @dev For its job a fee is gone when it is earned; the escrow keeps it until the judge collects.
    function _foldBench(bytes32 kind, MarketVm.Log memory log) private {
        if (kind == IJudgeBench.JudgePenalised.selector) {
            _losses.push(Loss(_slot(log.topics[2]), abi.decode(log.data, (uint256))));
        } else if (kind == IJudgeBench.FeesEarned.selector) {
            (SlotId[] memory judges, uint256 first, uint256 each) = abi.decode(log.data, (SlotId[], uint256, uint256));
            uint256 sum = judges.length == 0 ? 0 : first + each * (judges.length - 1);
            _entries[uint256(log.topics[1])].balance -= int256(sum);
            earnedSum += sum;
        } else if (kind == IJudgeBench.FeesCollected.selector) {
            uint256 amount = abi.decode(log.data, (uint256));
            earnedSum -= amount;
            _entries[_context].balance += int256(amount);
        }
    }

    function _foldBond(uint256 id, address payer, uint256 bond) private {
        _entries[id].bonds += bond;
        bondSum += bond;
        if (_bondOf[id][payer] == 0) _bonded[id].push(payer);
        _bondOf[id][payer] += bond;
    }

    function _account(bytes32 topic) internal pure returns (address) {
        return address(uint160(uint256(topic)));
    }

    function _slot(bytes32 topic) private pure returns (SlotId) {
        return SlotId.wrap(uint32(uint256(topic)));
    }

    function _isFinal(JobStatus status) internal pure returns (bool) {
        return status >= JobStatus.Settled;
    }
}
