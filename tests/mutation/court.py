# SPDX-License-Identifier: Apache-2.0
"""Faults of the court: the drawn judge, challenges, appeals, rulings."""

from tests.mutation.fault import Fault, faults_of

COURT = faults_of(
    "court",
    "contracts/AuditCourt.sol",
    (
        "anybody opens a case",
        "authority",
        "require(msg.sender == address(_auditable), OnlyAuditable());",
        "",
        "audit",
    ),
    (
        "always the first segment",
        "chance",
        "uint16(Draw.segment(seed, jobId, job.segmentRoot, job.segments));",
        "0;",
        "draws",
    ),
    (
        "confirm without the opening",
        "binding",
        "_requireCommitted(jobId, case_.segment, job, opening, proof);\n\n        _confirm",
        "_confirm",
        "audit",
    ),
    (
        "a word where proof is due",
        "guard",
        "require(case_.comparison != Comparison.Exact, NotForComparison(case_.comparison));",
        "",
        "vouch",
    ),
    (
        "any denial",
        "guard",
        "require(Verdict.canDeny(verdict, case_.comparison), UnfitVerdict(verdict));",
        "",
        "audit vouch",
    ),
    (
        "replace a judge in time",
        "clock",
        "_requireOver(case_.deadline);\n        _requireTerms(jobId, job, terms);",
        "_requireTerms(jobId, job, terms);",
        "replace_judge",
    ),
    (
        "a late judge pays nothing",
        "amount",
        "uint256 penalty = _penaliseLate(jobId, late, _feeOf(job));",
        "uint256 penalty = 0;",
        "replace_judge",
    ),
    (
        "a late judge is drawn again",
        "chance",
        "_late[jobId][replacements] = late;",
        "",
        "replace_judge volunteer",
    ),
    (
        "a late penalty is not booked",
        "amount",
        "_auditable.bookPenalty(penalty);",
        "",
        "replace_judge",
    ),
    (
        "a judge speaks after its time",
        "clock",
        "require(msg.sender == bench.operatorOf(case_.judge), NotTheJudge(case_.judge));\n"
        "        _requireInTime(case_.deadline);",
        "require(msg.sender == bench.operatorOf(case_.judge), NotTheJudge(case_.judge));",
        "audit",
    ),
    (
        "anybody judges",
        "authority",
        "require(msg.sender == bench.operatorOf(case_.judge), NotTheJudge(case_.judge));",
        "",
        "audit",
    ),
    (
        "a volunteer beside a judge",
        "guard",
        "require(SlotId.unwrap(case_.judge) == 0, NoVolunteerWanted());",
        "",
        "volunteer",
    ),
    (
        "anybody volunteers another's seat",
        "authority",
        "require(msg.sender == bench.operatorOf(slotId), NotTheJudge(slotId));",
        "",
        "volunteer",
    ),
    (
        "a seller challenges itself",
        "guard",
        "require(isSegment || segment == UNDELIVERED, NoSuchSegment(segment));\n"
        "        require(msg.sender != job.seller, SellerChallenges());",
        "require(isSegment || segment == UNDELIVERED, NoSuchSegment(segment));",
        "challenge",
    ),
    (
        "a challenge of no segment",
        "guard",
        "require(isSegment || segment == UNDELIVERED, NoSuchSegment(segment));",
        "",
        "challenge",
    ),
    (
        "join when the committee is known",
        "chance",
        "_requireBeforeSeed(jobId, case_);\n        require(_challengers",
        "require(_challengers",
        "challenge",
    ),
    (
        "joining is free",
        "amount",
        "_auditable.takeBond(msg.sender, bond);",
        "",
        "challenge",
    ),
    (
        "anybody opens a canary",
        "authority",
        "require(msg.sender == job.buyer && opening.outputHash == CANARY, NotACanary());",
        "require(opening.outputHash == CANARY, NotACanary());",
        "canary",
    ),
    (
        "any segment is a canary",
        "binding",
        "require(msg.sender == job.buyer && opening.outputHash == CANARY, NotACanary());",
        "require(msg.sender == job.buyer, NotACanary());",
        "canary",
    ),
    (
        "a canary shown when the committee works",
        "clock",
        "_requireBeforeSeed(jobId, case_);\n            ballots.cancel",
        "ballots.cancel",
        "canary",
    ),
)

EXECUTION = faults_of(
    "execution",
    "contracts/Execution.sol",
    (
        "judges who disagree slash",
        "guard",
        "if (verdict == 0) return Ruling.Void;",
        "",
        "void tally",
    ),
    (
        "execute before the time to appeal ends",
        "clock",
        "_requireStatus(case_, CaseStatus.Appealable);\n        _requireOver(case_.deadline);",
        "_requireStatus(case_, CaseStatus.Appealable);",
        "appeal",
    ),
    (
        "a case stays open",
        "state",
        "case_.status = CaseStatus.Closed;\n        Draft",
        "Draft",
        "appeal tally",
    ),
    (
        "appeal after its time",
        "clock",
        "_requireInTime(case_.deadline);\n        _auditable.requireCurrent(jobId, job);",
        "_auditable.requireCurrent(jobId, job);",
        "appeal",
    ),
    (
        "an appeal is free",
        "amount",
        "_auditable.takeBond(msg.sender, bond);",
        "",
        "appeal appeal_outcomes",
    ),
    (
        "appeals without end",
        "guard",
        "require(case_.instance < LAST_INSTANCE, FinalInstance());",
        "",
        "appeal",
    ),
    (
        "an overruled denier loses nothing",
        "amount",
        "outcome.penalties += bench.penalise(jobId, judge, draft.fee, loss, couldNotFetch);",
        "bench.dismiss(judge, draft.fee);",
        "tally",
    ),
    (
        "a wrong challenger gets its bond back",
        "amount",
        "outcome.ruling != Ruling.Acquitted ? 0 : outcome.harmedSeller ? bond : seatsOf(1) * draft.fee;",
        "0 * seatsOf(1) * draft.fee;",
        "challenge_outcomes",
    ),
    (
        "a wrong appeal gets its bond back",
        "amount",
        "draft.outcome.forfeited += bond;\n            return;",
        "",
        "appeal_outcomes",
    ),
    (
        "a false word costs nothing",
        "guard",
        "if (isFalse && outcome.ruling == Ruling.Slashed) {",
        "if (isFalse && outcome.ruling == Ruling.Unjudged) {",
        "vouch challenge_outcomes",
    ),
    (
        "a seller who appealed is its own accuser",
        "payee",
        " && appeal_.appellant != draft.seller;",
        ";",
        "appeal_outcomes",
    ),
)

VERDICT = faults_of(
    "verdict",
    "contracts/libraries/Verdict.sol",
    (
        "a member's word for a match",
        "binding",
        "return segment == UNDELIVERED || comparison != Comparison.Exact;",
        "return true || segment == UNDELIVERED || comparison != Comparison.Exact;",
        "reveal vouch",
    ),
    (
        "a mismatch where nothing was compared",
        "guard",
        "return comparison == Comparison.Tolerance && verdict == MISMATCH;",
        "return verdict == MISMATCH;",
        "vouch audit",
    ),
)

COURT_FAULTS: tuple[Fault, ...] = (*COURT, *EXECUTION, *VERDICT)
