// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Treasury} from "./Treasury.sol";
import {Outcome, Ruling} from "./interfaces/IAuditable.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Job, JobStatus} from "./interfaces/Job.sol";
import {JobId} from "./interfaces/Types.sol";
import {Bps} from "./libraries/Bps.sol";
import {Fees} from "./libraries/Fees.sol";

/// @title What each ruling does with the money of a job.
/// @dev A job holds price + M until its drawn audit is answered or it ends, M = ceil(1.25 · F). The levy ceil(1.25 · p · F) is
/// derived, never moved on its own: each job reserves its whole audit out of its own M, so the first audit on the chain is
/// funded like any other, and what the levy of undrawn jobs brings only lowers what drawn jobs cost their buyers.
abstract contract Rulings is Treasury {
    using Bps for uint256;

    uint256 private constant HARMED_BPS = 2_000; // of what is taken, to the side that was harmed
    uint256 private constant RIGHT_BPS = 3_000; // of what is taken, to all who were right
    uint256 private constant COLLATERAL_FEES = 3; // of judges, that the collateral pays at most

    /// @dev Where judges' fees come from, and what each gets.
    struct Pay {
        uint256 each;
        uint256 fromPot;
        uint256 fromCollateral;
    }

    IStakeVault public immutable vault;
    IJudgeBench public immutable bench;
    IReputation public immutable reputation;
    uint96 internal immutable _feeMin;
    uint40 public immutable auditWindow;

    constructor(
        IStakeVault vault_,
        IJudgeBench bench_,
        IReputation reputation_,
        uint96 feeMin,
        uint40 auditWindow_
    ) {
        (vault, bench, reputation) = (vault_, bench_, reputation_);
        (_feeMin, auditWindow) = (feeMin, auditWindow_);
    }

    function _carryOut(JobId jobId, Job memory job, Outcome calldata outcome) internal {
        Ruling ruling = outcome.ruling;

        if (ruling == Ruling.Confirmed) _confirm(jobId, job, outcome);
        else if (ruling == Ruling.Acquitted) _acquit(jobId, job, outcome);
        else if (ruling == Ruling.Slashed) _slash(jobId, job, outcome);
        else if (ruling == Ruling.Void) _void(jobId, job, outcome);
        else if (ruling == Ruling.Unjudged) _resume(jobId, job, outcome);
        else _return(jobId, job, outcome);

        for (uint256 i; i < outcome.bonded.length; ++i) _pay(outcome.bonded[i], outcome.bonds[i]);
    }

    /// @dev The judge's fee comes out of the levy and the pool; the buyer's own M stands in for what they lack.
    function _confirm(JobId jobId, Job memory job, Outcome calldata outcome) private {
        uint256 fee = _feeOf(job);

        uint256 returned = _closeLevy(job, fee);
        (job.status, job.audited) = (JobStatus.Submitted, true);
        _conclude(jobId, job, outcome.ruling);

        bench.reward(jobId, outcome.right, fee, 0);
        reputation.recordPass(job.seller, job.buyer, job.price);
        _pay(job.buyer, returned);
    }

    /// @dev The committee is paid by those it overruled, and by the pool where their money does not reach. A seller whose files came
    /// only after the question earns nothing by it: else it would pay to be late.
    function _acquit(JobId jobId, Job memory job, Outcome calldata outcome) private {
        uint256 pot = outcome.penalties + outcome.forfeited;
        Pay memory pay = _payFor(_feeOf(job), outcome.right.length, pot, 0);

        uint256 toSeller = outcome.harmedSeller ? (pot - pay.fromPot).bpsDown(HARMED_BPS) : 0;
        _addToPool(pot - pay.fromPot - toSeller);
        uint256 returned = outcome.answersDraw ? _closeLevy(job, 0) : 0;
        job.status = JobStatus.Submitted;
        if (outcome.answersDraw) job.audited = true;
        _conclude(jobId, job, outcome.ruling);

        bench.reward(jobId, outcome.right, pay.each, pay.each);
        if (outcome.answersDraw) reputation.recordPass(job.seller, job.buyer, job.price);
        _pay(vault.payoutOf(job.seller), toSeller);
        _pay(job.buyer, returned);
    }

    /// @dev Of the collateral: up to three fees of the judges; then of the rest 20 % to the buyer (at most the price), 30 % in equal
    /// shares to all who were right, and everything else burned. A judge who denied rightly is paid from the levy, as if it
    /// had confirmed.
    function _slash(JobId jobId, Job memory job, Outcome calldata outcome) private {
        (uint256 fee, uint256 pot) = (_feeOf(job), outcome.penalties + outcome.forfeited);
        uint256 paidByLevy = outcome.firstIsRight ? 1 : 0;
        Pay memory pay = _payFor(fee, outcome.right.length - paidByLevy, pot, job.collateral);
        uint256 rest = job.collateral - pay.fromCollateral;
        uint256 sharers = outcome.right.length + outcome.accusers.length;
        uint256 share = rest.bpsDown(RIGHT_BPS) / sharers;
        uint256 toBuyer = Math.min(rest.bpsDown(HARMED_BPS), job.price);
        uint256 burned = rest - toBuyer - share * sharers;

        _addToBurn(burned);
        uint256 refunded = job.price + toBuyer + _sharePot(pot - pay.fromPot);
        refunded += _closeLevy(job, fee * paidByLevy);
        job.status = JobStatus.Slashed;
        _conclude(jobId, job, outcome.ruling);

        bench.reward(jobId, outcome.right, share + (paidByLevy == 1 ? fee : pay.each), share + pay.each);
        _seize(jobId, job, refunded, burned);
        _payAccusers(outcome.accusers, share);
        _pay(job.buyer, refunded);
    }

    function _seize(JobId jobId, Job memory job, uint256 refunded, uint256 burned) private {
        emit JobSlashed(jobId, job.seller, job.collateral, refunded, burned);

        vault.slash(job.seller, job.collateral, address(this));
        reputation.recordFault(job.seller, job.buyer, job.price);
    }

    /// @dev Nobody who spoke loses anything: the payment is split, the odd unit to the buyer, and the pool pays the judges.
    function _void(JobId jobId, Job memory job, Outcome calldata outcome) private {
        uint256 toSeller = job.price / 2;
        uint256 toBuyer = job.price - toSeller + _closeLevy(job, 0);

        _addToPool(outcome.penalties + outcome.forfeited);
        Pay memory pay = _payFor(_feeOf(job), outcome.right.length, 0, 0);
        job.status = JobStatus.Void;
        _conclude(jobId, job, outcome.ruling);

        emit JobVoided(jobId, toBuyer, toSeller);

        bench.reward(jobId, outcome.right, pay.each, pay.each);
        vault.unlock(job.seller, job.collateral);
        _pay(vault.payoutOf(job.seller), toSeller);
        _pay(job.buyer, toBuyer);
    }

    /// @dev Nobody answered. An audit fails open, after one more window in which somebody may still look; a challenge is as if it had not
    /// been made.
    function _resume(JobId jobId, Job memory job, Outcome calldata outcome) private {
        _addToPool(outcome.penalties + outcome.forfeited);
        uint256 returned = outcome.answersDraw ? _closeLevy(job, 0) : 0;
        job.status = JobStatus.Submitted;
        if (outcome.answersDraw) (job.audited, job.deadline) = (true, uint40(block.timestamp) + auditWindow);
        _conclude(jobId, job, outcome.ruling);

        _pay(job.buyer, returned);
    }

    /// @dev A canary: everything returns, but the fee of a judge who saw it.
    function _return(JobId jobId, Job memory job, Outcome calldata outcome) private {
        uint256 fee = outcome.right.length == 0 ? 0 : _feeOf(job);
        uint256 returned = job.held - fee + _sharePot(outcome.penalties + outcome.forfeited);

        job.status = JobStatus.Refunded;
        _conclude(jobId, job, outcome.ruling);

        bench.reward(jobId, outcome.right, fee, 0);
        vault.unlock(job.seller, job.collateral);
        _pay(job.buyer, returned);
    }

    /// @dev Closes M: the levy goes to the pool, and `due` (at most one fee) leaves the pool, or M where the pool is too small.
    /// Happens once per job, when its draw is answered or at its end.
    /// @return returned What is left of M, and of a price that did not rise to its end, for the buyer.
    function _closeLevy(Job memory job, uint256 due) internal returns (uint256 returned) {
        if (job.held == job.price) return 0;
        uint256 levy = Fees.levy(_feeOf(job), job.auditBps);

        _addToPool(levy);
        uint256 fromPool = _takeFromPool(due);
        returned = job.held - job.price - levy - (due - fromPool);
        job.held = job.price;
    }

    /// @dev Judges are paid one fee each, or equally what there is: out of the pot, then the collateral, then the pool.
    function _payFor(uint256 fee, uint256 judges, uint256 pot, uint256 collateral) private returns (Pay memory pay) {
        if (judges == 0) return pay;
        uint256 due = fee * judges;
        pay.fromPot = Math.min(due, pot);
        pay.fromCollateral = Math.min(due - pay.fromPot, Math.min(COLLATERAL_FEES * fee, collateral));
        uint256 paid = pay.fromPot + pay.fromCollateral;
        paid += _takeFromPool(due - paid);
        pay.each = paid / judges;
        _addToPool(paid - pay.each * judges);
    }

    /// @dev What those who were wrong lost beyond the judges' fees: 20 % to the harmed side, the rest to the pool.
    function _sharePot(uint256 rest) private returns (uint256 toHarmed) {
        toHarmed = rest.bpsDown(HARMED_BPS);
        _addToPool(rest - toHarmed);
    }

    function _payAccusers(address[] calldata accusers, uint256 amount) private {
        for (uint256 i; i < accusers.length; ++i) _pay(vault.payoutOf(accusers[i]), amount);
    }

    /// @dev Stores the state a ruling leaves the job in.
    function _conclude(JobId jobId, Job memory job, Ruling ruling) private {
        if (job.status != JobStatus.Submitted) job.held = 0;
        _store(jobId, job);

        emit JobRuled(jobId, ruling, job.status, job.audited, job.held, job.deadline);
    }

    function _feeOf(Job memory job) internal view returns (uint256) {
        return Fees.fee(job.price, job.segments, _feeMin);
    }

    function _store(JobId jobId, Job memory job) internal virtual;
}
