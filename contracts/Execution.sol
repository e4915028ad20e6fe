// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {CaseFile} from "./CaseFile.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {Outcome, Ruling} from "./interfaces/IAuditable.sol";
import {Epoch} from "./interfaces/IBeacon.sol";
import {Job} from "./interfaces/Job.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {FALSE_WORD_FEES, WRONG_FEES} from "./libraries/Fees.sol";
import {MATCH, UNAVAILABLE, UNDELIVERED, Verdict} from "./libraries/Verdict.sol";

/// @title Rulings: tallied, appealed, carried out.
abstract contract Execution is CaseFile {
    /// @dev An outcome while it grows; `right`, `accusers` and `bonded` count how much of each list is filled.
    struct Draft {
        Outcome outcome;
        uint256 right;
        uint256 accusers;
        uint256 bonded;
        uint256 fee;
        bytes32 winner;
        address seller;
    }

    /// @inheritdoc IAuditCourt
    function tally(JobId jobId) external nonReentrant {
        Case storage case_ = _cases[jobId];
        (uint8 round, uint8 instance) = (case_.round, case_.instance);

        _requireStatus(case_, CaseStatus.Voting);
        (bytes32 verdict, bool anybodyCame, bool failed) = ballots.close(jobId, round);

        bool isUnheard = !anybodyCame && instance > 1;
        bool isDropped = !anybodyCame && instance == 1 && !case_.answersDraw;
        if (!isUnheard) {
            case_.ruledRound = round;
            case_.ruling = isDropped ? Ruling.Unjudged : _rulingFor(verdict);
        }
        case_.status = CaseStatus.Appealable;
        case_.deadline = failed || isUnheard || instance == LAST_INSTANCE ? _now() - 1 : _now() + _appealSeconds;

        emit Tallied(jobId, round, case_.ruling, case_.deadline);
    }

    /// @inheritdoc IAuditCourt
    function appeal(JobId jobId, Job calldata job) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireStatus(case_, CaseStatus.Appealable);
        require(case_.instance < LAST_INSTANCE, FinalInstance());
        _requireInTime(case_.deadline);
        _auditable.requireCurrent(jobId, job);

        uint256 bond = appealBond(case_.instance, _feeOf(job));
        _appeals[jobId][case_.round + 1] = Appeal(msg.sender, case_.ruling);
        Epoch epoch = _callBallot(jobId, case_);

        emit Appealed(jobId, msg.sender, case_.round, bond, epoch);

        _auditable.takeBond(msg.sender, bond);
    }

    /// @inheritdoc IAuditCourt
    function execute(JobId jobId, Job calldata job) external nonReentrant {
        Case storage case_ = _cases[jobId];

        _requireStatus(case_, CaseStatus.Appealable);
        _requireOver(case_.deadline);

        case_.status = CaseStatus.Closed;
        Draft memory draft = _draftFor(jobId, case_, job);
        if (case_.answersDraw) _judgeDenier(jobId, case_.judge, case_.denied, draft);
        else _judgeChallenge(jobId, case_.segment, draft);
        for (uint8 round = case_.firstRound; round <= case_.round; ++round) {
            _judgeCommittee(jobId, round, draft);
            if (round > case_.firstRound) _judgeAppeal(jobId, round, case_.firstRound, draft);
        }
        _finish(jobId, job, draft);
    }

    function _rulingFor(bytes32 verdict) private pure returns (Ruling) {
        if (verdict == 0) return Ruling.Void;
        return verdict == MATCH ? Ruling.Acquitted : Ruling.Slashed;
    }

    function _draftFor(JobId jobId, Case storage case_, Job calldata job) private view returns (Draft memory draft) {
        uint256 payers = LAST_INSTANCE + (case_.answersDraw ? 0 : _challengers[jobId].length);
        Outcome memory outcome = draft.outcome;
        (outcome.ruling, outcome.answersDraw) = (case_.ruling, case_.answersDraw);
        (draft.fee, draft.seller) = (_feeOf(job), job.seller);
        draft.winner = ballots.verdictOf(jobId, case_.ruledRound);
        outcome.right = new SlotId[](1 + 3 + 7 + 15);
        (outcome.accusers, outcome.bonded) = (new address[](payers), new address[](payers));
        outcome.bonds = new uint256[](payers);
    }

    /// @dev The judge who denied: overruled it loses five fees, or one where it only could not fetch; right it comes first.
    function _judgeDenier(JobId jobId, SlotId judge, bytes12 denied, Draft memory draft) private {
        Outcome memory outcome = draft.outcome;

        if (outcome.ruling == Ruling.Acquitted) {
            bool couldNotFetch = denied == Verdict.print(UNAVAILABLE);
            outcome.harmedSeller = !couldNotFetch;
            uint256 loss = (couldNotFetch ? 1 : WRONG_FEES) * draft.fee;
            outcome.penalties += bench.penalise(jobId, judge, draft.fee, loss, couldNotFetch);
            return;
        }
        bench.dismiss(_only(judge), draft.fee);
        outcome.firstIsRight = outcome.ruling == Ruling.Void || denied == Verdict.print(draft.winner);
        if (outcome.firstIsRight) outcome.right[draft.right++] = judge;
    }

    /// @dev Challengers who were wrong lose their bonds, or of them the fees of three judges where the result only came late; those who were right share in what is taken. A judge whose word for this
    /// very segment is proved false loses ten fees.
    function _judgeChallenge(JobId jobId, uint16 segment, Draft memory draft) private {
        Outcome memory outcome = draft.outcome;
        address[] memory challengers = _challengers[jobId];
        uint256 bond = challengeBond(draft.fee);
        delete _challengers[jobId];

        outcome.harmedSeller = segment != UNDELIVERED;
        uint256 lost = outcome.ruling != Ruling.Acquitted ? 0 : outcome.harmedSeller ? bond : seatsOf(1) * draft.fee;
        for (uint256 i; i < challengers.length; ++i) {
            outcome.forfeited += lost;
            if (lost < bond) _giveBack(challengers[i], bond - lost, draft);
            if (outcome.ruling == Ruling.Slashed) outcome.accusers[draft.accusers++] = challengers[i];
        }
        Word memory word = _words[jobId];
        // Files that vanished afterwards prove nothing about the word.
        bool isFalse = SlotId.unwrap(word.judge) != 0 && word.segment == segment && draft.winner != UNAVAILABLE;
        if (isFalse && outcome.ruling == Ruling.Slashed) {
            outcome.penalties += bench.suspend(jobId, word.judge, FALSE_WORD_FEES * draft.fee);
        }
    }

    function _judgeCommittee(JobId jobId, uint8 round, Draft memory draft) private {
        (SlotId[] memory right, uint256 penalties) = ballots.release(jobId, round, draft.fee, draft.winner);
        draft.outcome.penalties += penalties;
        for (uint256 i; i < right.length; ++i) draft.outcome.right[draft.right++] = right[i];
    }

    /// @dev An appeal against what became final loses its bond, unless nobody could hear it. One that led to a conviction accused
    /// rightly.
    function _judgeAppeal(JobId jobId, uint8 round, uint8 firstRound, Draft memory draft) private view {
        Appeal memory appeal_ = _appeals[jobId][round];
        uint256 bond = appealBond(round - firstRound, draft.fee);
        bool isHeard = ballots.ballotOf(jobId, round).revealedSeats != 0;

        if (isHeard && draft.outcome.ruling != Ruling.Void && appeal_.against == draft.outcome.ruling) {
            draft.outcome.forfeited += bond;
            return;
        }
        _giveBack(appeal_.appellant, bond, draft);
        bool accused = isHeard && draft.outcome.ruling == Ruling.Slashed && appeal_.appellant != draft.seller;
        if (accused) draft.outcome.accusers[draft.accusers++] = appeal_.appellant;
    }

    function _giveBack(address payer, uint256 bond, Draft memory draft) private pure {
        (draft.outcome.bonded[draft.bonded], draft.outcome.bonds[draft.bonded]) = (payer, bond);
        ++draft.bonded;
    }

    function _finish(JobId jobId, Job calldata job, Draft memory draft) private {
        Outcome memory outcome = draft.outcome;
        _cut(outcome, draft);

        emit Executed(jobId, outcome.ruling, outcome.penalties);

        _auditable.rule(jobId, job, outcome);
    }

    /// @dev Lists end where they are filled to.
    function _cut(Outcome memory outcome, Draft memory draft) private pure {
        SlotId[] memory right = outcome.right;
        (address[] memory accusers, address[] memory bonded) = (outcome.accusers, outcome.bonded);
        uint256[] memory bonds = outcome.bonds;
        (uint256 judges, uint256 sharers, uint256 payers) = (draft.right, draft.accusers, draft.bonded);
        assembly ("memory-safe") {
            mstore(right, judges)
            mstore(accusers, sharers)
            mstore(bonded, payers)
            mstore(bonds, payers)
        }
    }
}
