# SPDX-License-Identifier: Apache-2.0
"""isDrawn, openAudit, confirm, deny: one drawn judge."""

import pytest
from commitments import Commitment
from world import EVIDENCE, Terms

from swarm.protocol import draw
from swarm.protocol.lifecycle.verdicts import print_of
from swarm.protocol.types import (
    MATCH,
    MISMATCH,
    UNAVAILABLE,
    BallotStatus,
    CaseStatus,
    Comparison,
    JobStatus,
    Ruling,
)

LEAF = b"\x99" * 32


def drawn(world) -> int:
    """A submitted and drawn job whose seed is known."""
    commitment = world.submitted()
    world.bring_seed(world.job(commitment.job_id).epoch)
    return commitment.job_id


def confirmation(world, commitment) -> tuple:
    """What the judge of the case confirms with."""
    segment = world.case(commitment.job_id).segment
    return *world.with_job(commitment.job_id), commitment.opening(segment), commitment.proof(segment)


# isDrawn, openAudit


def test_nothing_is_drawn_before_a_commitment_or_a_seed(world):
    job_id = world.accepted()
    values = world.refuses(world.escrow.isDrawn, *world.with_job(job_id), sender=world.stranger, error="WrongStatus")
    assert values == (JobStatus.SUBMITTED, JobStatus.RUNNING)
    job_id = world.submitted().job_id
    epoch = world.job(job_id).epoch
    arguments = world.with_job(job_id)
    assert world.refuses(world.escrow.isDrawn, *arguments, sender=world.stranger, error="AwaitingSeed") == (epoch,)
    world.refuses(world.escrow.openAudit, *world.with_terms(job_id), sender=world.stranger, error="AwaitingSeed")


@pytest.mark.parametrize("is_drawn", [True, False])
def test_what_is_drawn_is_what_the_twin_draws(world, is_drawn):
    """Invariant 10: it never changes once known."""
    job_id = world.submitted(drawn=is_drawn).job_id
    world.bring_seed(world.job(job_id).epoch)
    assert world.escrow.isDrawn(*world.with_job(job_id)) is is_drawn
    world.travel(1_000_000)
    assert world.escrow.isDrawn(*world.with_job(job_id)) is is_drawn


def test_is_drawn_and_open_audit_refuse_a_job_that_is_not_as_the_caller_says(world):
    job_id = world.accepted()
    before = world.with_terms(job_id)
    world.submit(job_id)
    world.bring_seed(world.job(job_id).epoch)
    world.refuses(world.escrow.isDrawn, *before[:2], sender=world.stranger, error="StaleJob")
    world.refuses(world.escrow.openAudit, *before, sender=world.stranger, error="StaleJob")


def test_open_audit_refuses_other_terms(world):
    """Another class would be judged by others, shorter segments would leave them less time."""
    job_id = drawn(world)
    arguments = (*world.with_job(job_id), Terms(segment_seconds=59).values())
    world.refuses(world.escrow.openAudit, *arguments, sender=world.stranger, error="StaleTerms")


def test_open_audit_refuses_a_job_that_is_not_submitted(world):
    job_id = world.accepted()
    arguments = world.with_terms(job_id)
    values = world.refuses(world.escrow.openAudit, *arguments, sender=world.stranger, error="WrongStatus")
    assert values == (JobStatus.SUBMITTED, JobStatus.RUNNING)


def test_open_audit_refuses_a_job_that_is_not_drawn(world):
    job_id = world.submitted(drawn=False).job_id
    world.bring_seed(world.job(job_id).epoch)
    world.refuses(world.escrow.openAudit, *world.with_terms(job_id), sender=world.stranger, error="NotDrawn")


def test_open_audit_refuses_a_case_that_is_open(world):
    job_id = world.audited().job_id
    arguments = world.with_terms(job_id)
    values = world.refuses(world.escrow.openAudit, *arguments, sender=world.stranger, error="WrongStatus")
    assert values == (JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT)


def test_only_the_escrow_opens_cases(world):
    arguments = (*world.with_terms(drawn(world)), b"\x01" * 32)
    world.refuses(world.court.open, *arguments, sender=world.stranger, error="OnlyAuditable")


def test_even_the_escrow_opens_one_case_at_a_time(world):
    """A bug in the escrow must not draw a second judge."""
    job_id = world.audited().job_id
    arguments = (*world.with_terms(job_id), b"\x01" * 32)
    assert world.refuses(world.court.open, *arguments, sender=world.escrow, error="CaseAlreadyOpen") == (job_id,)


def test_the_segment_is_drawn_from_the_seed_and_the_judge_is_independent(world):
    commitment = world.audited()
    job, case = world.job(commitment.job_id), world.case(commitment.job_id)
    seed = bytes(world.beacon.seedOf(job.epoch))
    assert case.segment == draw.drawn_segment(seed, commitment.job_id, commitment.root, job.segments)
    assert (case.status, job.status) == (CaseStatus.JUDGING, JobStatus.UNDER_AUDIT)
    assert case.answers_draw and case.instance == 0
    assert world.judge_of(commitment.job_id) in world.judges
    assert case.deadline == world.rpc.now() + world.params.judge_min_seconds
    bond = world.bond(case.judge)
    assert (bond.left, bond.reserved, bond.cases) == (world.params.slot_bond, 5 * world.fee(), 1)


def test_the_judge_has_three_times_as_long_as_a_long_segment(world):
    commitment = world.audited(Terms(segment_seconds=7_200, run_seconds=36_000))
    assert world.case(commitment.job_id).deadline == world.rpc.now() + 3 * 7_200


# confirm, deny


def test_confirm_and_deny_refuse_where_no_case_is_open(world):
    job_id = drawn(world)
    opening, judge = Commitment(1, 5).opening(0), world.judges[0]
    values = world.refuses(
        world.court.confirm, *world.with_job(job_id), opening, [], sender=judge, error="WrongCaseStatus"
    )
    assert values == (CaseStatus.JUDGING, CaseStatus.NONE)
    world.refuses(world.court.deny, job_id, LEAF, EVIDENCE, sender=judge, error="WrongCaseStatus")


def test_confirm_and_deny_refuse_anybody_but_the_drawn_judge(world):
    commitment = world.audited()
    job_id, case = commitment.job_id, world.case(commitment.job_id)
    others = [judge for judge in world.judges if judge != world.judge_of(job_id)]
    for sender in (others[0], world.seller, world.buyer):
        arguments = confirmation(world, commitment)
        assert world.refuses(world.court.confirm, *arguments, sender=sender, error="NotTheJudge") == (case.judge,)
        world.refuses(world.court.deny, job_id, LEAF, EVIDENCE, sender=sender, error="NotTheJudge")


def test_confirm_and_deny_refuse_a_late_judge(world):
    commitment = world.audited()
    job_id, judge = commitment.job_id, world.judge_of(commitment.job_id)
    deadline = world.case(job_id).deadline
    world.past_case_deadline(job_id)
    arguments = confirmation(world, commitment)
    values = world.refuses(world.court.confirm, *arguments, sender=judge, error="CaseDeadlinePassed")
    assert values == (deadline, deadline + 1)
    world.refuses(world.court.deny, job_id, LEAF, EVIDENCE, sender=judge, error="CaseDeadlinePassed")


def test_a_judge_confirms_in_its_last_second(world):
    commitment = world.audited()
    world.rpc.next_at(world.case(commitment.job_id).deadline)
    world.confirm(commitment)
    assert world.job(commitment.job_id).audited


def test_confirm_refuses_a_job_that_is_not_as_the_judge_says(world):
    """The root is part of the proved state: a judge cannot bring a commitment of its own."""
    commitment = world.audited()
    job_id, segment = commitment.job_id, world.case(commitment.job_id).segment
    own = Commitment(job_id, len(commitment.leaves), nonce=777)
    state = list(world.job(job_id).state())
    assert state[-1] == commitment.root
    state[-1] = own.root
    arguments = (job_id, tuple(state), own.opening(segment), own.proof(segment))
    judge = world.judge_of(job_id)
    assert world.refuses(world.court.confirm, *arguments, sender=judge, error="StaleJob") == (job_id,)


@pytest.mark.parametrize("comparison", [Comparison.TOLERANCE, Comparison.DELIVERY])
def test_confirm_refuses_the_classes_that_are_vouched_for(world, comparison):
    commitment = world.audited(Terms(comparison=comparison))
    judge = world.judge_of(commitment.job_id)
    arguments = confirmation(world, commitment)
    values = world.refuses(world.court.confirm, *arguments, sender=judge, error="NotForComparison")
    assert values == (comparison,)


def test_nobody_confirms_without_the_preimage(world):
    """Invariant 19, threat 22: a rubber stamp has nothing to open the commitment with."""
    commitment = world.audited()
    segment, judge = world.case(commitment.job_id).segment, world.judge_of(commitment.job_id)
    trace, output, cid = commitment.opening(segment)
    for guess in ((bytes(32), output, cid), (trace, bytes(32), cid), (trace, output, bytes(32)), (output, trace, cid)):
        arguments = (*world.with_job(commitment.job_id), guess, commitment.proof(segment))
        world.refuses(world.court.confirm, *arguments, sender=judge, error="OpeningNotCommitted")


def test_a_confirmed_case_is_closed_and_its_judge_is_free(world):
    commitment = world.audited()
    slot_id = world.case(commitment.job_id).judge
    done = world.confirm(commitment)
    assert done.event("Confirmed") == {"jobId": commitment.job_id, "judge": slot_id, "evidenceCid": bytes(32)}
    case = world.case(commitment.job_id)
    assert (case.status, case.ruling) == (CaseStatus.CLOSED, Ruling.CONFIRMED)
    bond = world.bond(slot_id)
    assert (bond.left, bond.reserved, bond.cases) == (world.params.slot_bond, 0, 0)


@pytest.mark.parametrize(
    ("comparison", "verdict"),
    [
        (Comparison.EXACT, bytes(32)),
        (Comparison.EXACT, MATCH),
        (Comparison.EXACT, MISMATCH),
        (Comparison.TOLERANCE, bytes(32)),
        (Comparison.TOLERANCE, MATCH),
        (Comparison.TOLERANCE, LEAF),
        (Comparison.DELIVERY, MATCH),
        (Comparison.DELIVERY, MISMATCH),
        (Comparison.DELIVERY, LEAF),
    ],
)
def test_deny_refuses_a_verdict_that_does_not_fit_the_class(world, comparison, verdict):
    job_id = world.audited(Terms(comparison=comparison)).job_id
    arguments = (job_id, verdict, EVIDENCE)
    values = world.refuses(world.court.deny, *arguments, sender=world.judge_of(job_id), error="UnfitVerdict")
    assert values == (verdict,)


@pytest.mark.parametrize(
    ("comparison", "verdict"),
    [
        (Comparison.EXACT, LEAF),
        (Comparison.EXACT, UNAVAILABLE),
        (Comparison.TOLERANCE, MISMATCH),
        (Comparison.TOLERANCE, UNAVAILABLE),
        (Comparison.DELIVERY, UNAVAILABLE),
    ],
)
def test_a_denial_slashes_nobody_and_calls_three_judges_by_a_fresh_seed(world, comparison, verdict):
    before = world.books.wealth()
    commitment = world.denied(Terms(comparison=comparison), verdict=verdict)
    job_id, now = commitment.job_id, world.rpc.now()
    case, ballot = world.case(job_id), world.ballot(job_id)
    assert (case.status, case.round, case.instance) == (CaseStatus.VOTING, 1, 1)
    assert case.denied == print_of(verdict)
    assert (ballot.status, ballot.comparison, ballot.since) == (BallotStatus.DRAWING, comparison, now)
    assert (ballot.segment, ballot.seats, ballot.size) == (case.segment, 3, 0)
    assert world.beacon.timeOf(ballot.epoch) >= now + world.params.seed_delay
    assert ballot.deadline == world.beacon.timeOf(ballot.epoch) + world.params.draw_window
    assert world.status(job_id) is JobStatus.UNDER_AUDIT
    assert set(world.books.gains(before)) == {"buyer"}


def test_a_judge_speaks_once(world):
    commitment = world.denied()
    judge = world.judge_of(commitment.job_id)
    arguments = confirmation(world, commitment)
    world.refuses(world.court.confirm, *arguments, sender=judge, error="WrongCaseStatus")
    world.refuses(world.court.deny, commitment.job_id, LEAF, EVIDENCE, sender=judge, error="WrongCaseStatus")
