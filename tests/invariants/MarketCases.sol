// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {Epoch} from "../../contracts/interfaces/IBeacon.sol";
import {Job, JobStatus} from "../../contracts/interfaces/Job.sol";
import {SlotId} from "../../contracts/interfaces/Types.sol";
import {UNDELIVERED} from "../../contracts/libraries/Verdict.sol";
import {MarketJudges} from "./MarketJudges.sol";
import {vm} from "./Vm.sol";

/// @title Challenges, rulings, appeals, canaries; and the next step of a job, whatever it is.
abstract contract MarketCases is MarketJudges {
    function _challenge(uint256 id, uint256 random) internal {
        Entry memory entry = _entries[id];
        address who = random % 4 == 0 ? entry.job.buyer : challenger(random);
        bool isReach = random % 3 == 0 || uint8(entry.terms.comparison) == 2;
        uint256 range = entry.job.segments + (random % 13 == 0 ? 1 : 0); // one too many, at times
        uint16 segment = isReach ? UNDELIVERED : uint16((random >> 8) % range);
        bool expected = entry.job.status == JobStatus.Submitted && _now() <= entry.job.deadline
            && !token.isRefused(who) && (isReach || segment < entry.job.segments);
        bytes memory call_ = abi.encodeCall(court.challenge, (_id(id), entry.job, entry.terms, segment));
        bool success = _do(Deed.Challenge, id, who, address(court), call_);
        vm.assertEq(success, expected, "17: who bonds may challenge within the window");
    }

    function _join(uint256 id, uint256 random) internal {
        bytes memory call_ = abi.encodeCall(court.joinChallenge, (_id(id), _entries[id].job));
        _do(Deed.Join, id, challenger(random), address(court), call_);
    }

    function _tally(uint256 id, address who) internal {
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        bool expected = case_.status == IAuditCourt.CaseStatus.Voting && _isCountable(id, case_.round);
        bool success = _do(Deed.Tally, id, who, address(court), abi.encodeCall(court.tally, (_id(id))));
        vm.assertEq(success, expected, "17: a vote is counted when all or time has come");
    }

    function _isCountable(uint256 id, uint8 round) private view returns (bool) {
        IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), round);
        if (ballot.status == IBallots.BallotStatus.Failed) return true;
        bool isSealing = ballot.status == IBallots.BallotStatus.Sealing;
        if (!isSealing && ballot.status != IBallots.BallotStatus.Revealing) return false;
        if (isSealing && _now() <= ballot.deadline) return false;
        bool isComplete = ballot.sealedSeats == ballot.revealedSeats;
        return isComplete || _now() > ballot.deadline + (isSealing ? 2 hours : 0);
    }

    function _appeal(uint256 id, uint256 random) internal {
        Job memory job = _entries[id].job;
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        address who = [job.seller, job.buyer, challenger(random)][random % 3];
        bool isOpen = case_.status == IAuditCourt.CaseStatus.Appealable && _now() <= case_.deadline;
        bool expected = isOpen && case_.instance < 3 && !token.isRefused(who);
        bytes memory call_ = abi.encodeCall(court.appeal, (_id(id), job));
        vm.assertEq(_do(Deed.Appeal, id, who, address(court), call_), expected, "17: who bonds may appeal in time");
    }

    function _execute(uint256 id, address who) internal {
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        bool expected = case_.status == IAuditCourt.CaseStatus.Appealable && _now() > case_.deadline;
        bytes memory call_ = abi.encodeCall(court.execute, (_id(id), _entries[id].job));
        vm.assertEq(_do(Deed.Execute, id, who, address(court), call_), expected, "17: no execution before its time");
    }

    function _expose(uint256 id) internal {
        Job memory job = _entries[id].job;
        if (job.segmentRoot == 0) return;
        uint16 segment = court.caseOf(_id(id)).segment;
        if (segment >= job.segments) return;
        bytes memory call_ =
            abi.encodeCall(court.exposeCanary, (_id(id), job, _sellers(id, segment), _proofOf(id, segment)));
        bool success = _do(Deed.Expose, id, job.buyer, address(court), call_);
        vm.assertTrue(!success || _entries[id].isCanary, "19: only a canary is exposed");
    }

    /* THE NEXT STEP */

    /// @dev Brings the seed of an epoch if it is time. Before its time nobody can.
    function _bringSeed(Epoch epoch) internal returns (bool success) {
        (bytes32 known,) = beacon.seedFor(epoch);
        if (known != 0) return false;
        bool expected = _now() >= beacon.timeOf(epoch);
        bytes memory call_ = abi.encodeCall(beacon.submit, (epoch, _signature(epoch)));
        success = _do(Deed.Seed, 0, STRANGER, address(beacon), call_);
        vm.assertEq(success, expected, "9: no seed before its round");
        if (success) _noteDraws();
    }

    /// @dev What somebody who is concerned would do now. Judges are concerned; a stranger is not.
    function _step(uint256 id, uint256 random, bool isStranger) internal {
        Job memory job = _entries[id].job;
        address who = isStranger ? STRANGER : random % 2 == 0 ? job.buyer : STRANGER;
        bool isOver = _now() > job.deadline;
        if (job.status == JobStatus.Open) {
            if (isOver) _refund(id, who);
            else if (!isStranger) _accept(id, random);
        } else if (job.status == JobStatus.Running) {
            if (isOver) _refund(id, who);
            else if (!isStranger && random % 8 == 0) _handBack(id, random >> 8);
            else if (!isStranger) _submit(id, random >> 8);
        } else if (job.status == JobStatus.Submitted) {
            _stepSubmitted(id, job, who);
        } else if (!_isFinal(job.status)) {
            _stepCase(id, random, isStranger);
        }
    }

    function _stepSubmitted(uint256 id, Job memory job, address who) private {
        (bool drawn, bool known) = _drawOf(id);
        if (!known && !job.audited) {
            if (_now() >= beacon.timeOf(job.epoch)) _bringSeed(job.epoch);
        } else if (drawn && !job.audited) {
            _openAudit(id, who);
        } else if (_now() > job.deadline || who == job.buyer) {
            _settle(id, who);
        }
    }

    function _stepCase(uint256 id, uint256 random, bool isStranger) private {
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        bool isOver = _now() > case_.deadline;
        if (case_.status == IAuditCourt.CaseStatus.Judging) {
            if (isOver) _replaceJudge(id, STRANGER);
            else if (!isStranger && _isAnswered(id, case_)) _judge(id, random);
        } else if (case_.status == IAuditCourt.CaseStatus.Appealable) {
            if (isOver) _execute(id, STRANGER);
            else if (!isStranger && random % 3 == 0) _appeal(id, random >> 8);
        } else {
            _stepBallot(id, case_.round, random, isStranger);
        }
    }

    /// @dev Of some jobs all drawn judges stay silent, until volunteers are wanted.
    function _isAnswered(uint256 id, IAuditCourt.Case memory case_) private pure returns (bool) {
        return id % 8 != 3 || SlotId.unwrap(case_.judge) == 0 || case_.replacements > 5;
    }

    function _stepBallot(uint256 id, uint8 round, uint256 random, bool isStranger) private {
        IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), round);
        if (ballot.status == IBallots.BallotStatus.Drawing) {
            (bytes32 seed,) = beacon.seedFor(ballot.epoch);
            if (seed == 0 && _now() >= beacon.timeOf(ballot.epoch)) _bringSeed(ballot.epoch);
            (seed,) = beacon.seedFor(ballot.epoch);
            // Where judges lack, one more walk finds none either.
            if (seed != 0 && (isStranger || random % 3 == 0)) _drawCommittee(id, STRANGER);
            return;
        }
        if (!isStranger && ballot.status == IBallots.BallotStatus.Sealing && _now() <= ballot.deadline) {
            return _seal(id, random);
        }
        bool isRevealing = ballot.status == IBallots.BallotStatus.Revealing;
        bool isSealed = _now() > ballot.deadline && _now() <= ballot.deadline + 2 hours;
        bool isTime = isRevealing ? _now() <= ballot.deadline : isSealed;
        if (!isStranger && isTime) _reveal(id);
        if (ballot.status == IBallots.BallotStatus.Failed || _now() > _endOf(id)) _tally(id, STRANGER);
        else if (!isStranger && random % 2 == 0) _tally(id, STRANGER);
    }

    /* TIME */

    /// @return When something can next be done about the job by anyone at all, or its people miss their chance.
    function _endOf(uint256 id) internal view returns (uint256) {
        Job memory job = _entries[id].job;
        if (job.status == JobStatus.Submitted) {
            (, bool known) = _drawOf(id);
            return known || job.audited ? job.deadline : beacon.timeOf(job.epoch) - 1;
        }
        if (job.status != JobStatus.UnderAudit && job.status != JobStatus.Challenged) return job.deadline;
        IAuditCourt.Case memory case_ = court.caseOf(_id(id));
        if (case_.status != IAuditCourt.CaseStatus.Voting) return case_.deadline;
        IBallots.Ballot memory ballot = ballots.ballotOf(_id(id), case_.round);
        if (ballot.status == IBallots.BallotStatus.Drawing) {
            (bytes32 seed,) = beacon.seedFor(ballot.epoch);
            return seed == 0 ? beacon.timeOf(ballot.epoch) - 1 : ballot.deadline;
        }
        bool isBefore = ballot.status == IBallots.BallotStatus.Sealing && _now() > ballot.deadline;
        return ballot.deadline + (isBefore ? 2 hours : 0);
    }
}
