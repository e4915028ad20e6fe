# SPDX-License-Identifier: Apache-2.0
"""Faults of what rulings pay, of the till, of rates and of reputation."""

from tests.mutation.fault import Fault, faults_of

RULINGS = faults_of(
    "rulings",
    "contracts/Rulings.sol",
    (
        "a confirmed job is drawn again",
        "state",
        "(job.status, job.audited) = (JobStatus.Submitted, true);",
        "job.status = JobStatus.Submitted;",
        "audit reputation",
    ),
    (
        "a judge's fee comes from nowhere",
        "amount",
        "uint256 returned = _closeLevy(job, fee);",
        "uint256 returned = _closeLevy(job, 0);",
        "audit",
    ),
    (
        "an acquitted job is drawn again",
        "state",
        "if (outcome.answersDraw) job.audited = true;",
        "",
        "tally",
    ),
    (
        "each right judge takes all shares",
        "amount",
        "rest.bpsDown(RIGHT_BPS) / sharers;",
        "rest.bpsDown(RIGHT_BPS);",
        "tally",
    ),
    (
        "the buyer profits without bound",
        "amount",
        "Math.min(rest.bpsDown(HARMED_BPS), job.price);",
        "rest.bpsDown(HARMED_BPS);",
        "tally",
    ),
    (
        "what should burn feeds the pool",
        "payee",
        "_addToBurn(burned);",
        "_addToPool(burned);",
        "tally",
    ),
    (
        "the buyer is not paid back",
        "amount",
        "job.price + toBuyer + _sharePot(pot - pay.fromPot)",
        "toBuyer + _sharePot(pot - pay.fromPot)",
        "tally",
    ),
    (
        "only the price is seized",
        "amount",
        "vault.slash(job.seller, job.collateral, address(this));",
        "vault.slash(job.seller, Math.min(job.price, job.collateral), address(this));",
        "tally",
    ),
    (
        "judges take more than three fees",
        "amount",
        "Math.min(COLLATERAL_FEES * fee, collateral)",
        "collateral",
        "tally appeal_outcomes",
    ),
    (
        "a void job keeps the collateral",
        "state",
        "vault.unlock(job.seller, job.collateral);\n        _payJudges(jobId, outcome.right, pay.each);",
        "_payJudges(jobId, outcome.right, pay.each);",
        "void",
    ),
    (
        "a void job pays the seller in full",
        "amount",
        "uint256 toSeller = job.price / 2;",
        "uint256 toSeller = job.price;",
        "void",
    ),
    (
        "failing open leaves no window",
        "clock",
        "(job.audited, job.deadline) = (true, uint40(block.timestamp) + _auditWindow);",
        "job.audited = true;",
        "replace_judge volunteer",
    ),
    (
        "bonds do not return",
        "amount",
        "for (uint256 i; i < outcome.bonded.length; ++i) _pay(outcome.bonded[i], outcome.bonds[i]);",
        "",
        "challenge_outcomes appeal_outcomes",
    ),
    (
        "challengers who were right get nothing",
        "payee",
        "_payAccusers(outcome.accusers, share);",
        "",
        "challenge_outcomes",
    ),
    (
        "the levy is closed twice",
        "state",
        "job.held = job.price;",
        "",
        "audit settle",
    ),
    (
        "the levy is lost",
        "amount",
        "_addToPool(levy);",
        "",
        "settle",
    ),
    (
        "an ended job keeps its money",
        "state",
        "if (job.status != JobStatus.Submitted) job.held = 0;",
        "",
        "tally",
    ),
    (
        "a fault is forgotten",
        "state",
        "reputation.recordFault(job.seller, job.buyer, job.price);",
        "",
        "reputation",
    ),
    (
        "a challenge passes the audit",
        "guard",
        "if (outcome.answersDraw) reputation.recordPass(job.seller, job.buyer, job.price);",
        "reputation.recordPass(job.seller, job.buyer, job.price);",
        "reputation challenge_outcomes",
    ),
    (
        "a canary's judge is paid twice",
        "amount",
        "uint256 returned = job.held - fee +",
        "uint256 returned = job.held +",
        "canary",
    ),
    (
        "a judge is paid at its bonded key",
        "payee",
        "_pay(vault.payoutOf(judge), amount);",
        "_pay(judge, amount);",
        "keys",
    ),
)

TREASURY = faults_of(
    "treasury",
    "contracts/Treasury.sol",
    (
        "claim twice",
        "state",
        "creditOf[msg.sender] = 0;",
        "",
        "odd_tokens",
    ),
    (
        "one recipient holds up all",
        "guard",
        "if (amount == 0 || token.trySafeTransfer(to, amount)) return;",
        "if (amount == 0) return;\n        token.safeTransfer(to, amount);\n        if (to != address(0)) return;",
        "odd_tokens",
    ),
    (
        "burn twice",
        "state",
        "_reserves.burnable = 0;",
        "",
        "settle",
    ),
    (
        "the pool pays what it has not",
        "amount",
        "taken = Math.min(wanted, _reserves.pool);\n        _reserves.pool -= uint128(taken);",
        "taken = wanted;\n        _reserves.pool -= uint128(Math.min(wanted, _reserves.pool));",
        "audit tally",
    ),
    (
        "a payment that did not arrive",
        "guard",
        "require(received == amount, PartialTransfer(amount, received));",
        "received;",
        "odd_tokens",
    ),
)

FEES = faults_of(
    "fees",
    "contracts/libraries/Fees.sol",
    (
        "audits below the floor",
        "amount",
        "return _max(AUDIT_FLOOR_BPS, rate < BPS ? rate : BPS);",
        "return rate < BPS ? rate : BPS;",
        "accept",
    ),
    (
        "the levy ignores the rate",
        "amount",
        "return (fee_ * rateBps * MARGIN_BPS).ceilDiv(BPS * BPS);",
        "return (fee_ * (rateBps / rateBps) * MARGIN_BPS).ceilDiv(BPS);",
        "settle",
    ),
    (
        "a judge works at cost",
        "amount",
        "JUDGE_BPS = 12_000;",
        "JUDGE_BPS = 10_000;",
        "post",
    ),
    (
        "collateral ignores the judges",
        "amount",
        "return _max(price.bpsUp(COLLATERAL_BPS), COLLATERAL_FEES * fee_);",
        "return price.bpsUp(COLLATERAL_BPS) + 0 * fee_;",
        "accept",
    ),
    (
        "rates have no margin",
        "amount",
        "uint256 rate = (price * MARGIN_BPS).ceilDiv(price + collateral);",
        "uint256 rate = (price * BPS).ceilDiv(price + collateral);",
        "accept",
    ),
)

REPUTATION = faults_of(
    "reputation",
    "contracts/Reputation.sol",
    (
        "passes by one payer count without end",
        "amount",
        "uint256 added = Math.min(price, unit - counted);",
        "uint256 added = price + 0 * counted;",
        "reputation",
    ),
    (
        "anybody records",
        "authority",
        "require(msg.sender == escrow, OnlyEscrow(escrow));",
        "",
        "reputation deployment",
    ),
    (
        "a fault weighs as a pass",
        "amount",
        "FAULT_WEIGHT * record.faults",
        "record.faults",
        "reputation",
    ),
)

MONEY_FAULTS: tuple[Fault, ...] = (*RULINGS, *TREASURY, *FEES, *REPUTATION)
