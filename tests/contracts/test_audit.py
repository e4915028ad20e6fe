# SPDX-License-Identifier: Apache-2.0
"""isDrawn, openAudit, confirm, deny, replaceJudge: one drawn judge."""

import pytest
from commitments import Commitment
from world import EVIDENCE, Terms

from swarm.protocol import draw
from swarm.protocol.types import CaseStatus, JobStatus


def test_nothing_is_drawn_before_a_commitment_or_a_seed(world):
    job_id = world.accepted()
    values = world.refuses(world.escrow.isDrawn, job_id, sender=world.stranger, error="WrongStatus")
    assert values == (JobStatus.SUBMITTED, JobStatus.RUNNING)
    commitment = world.submitted()
    world.refuses(world.escrow.isDrawn, commitment.job_id, sender=world.stranger, error="AwaitingSeed")
    world.refuses(world.escrow.openAudit, commitment.job_id, sender=world.stranger, error="AwaitingSeed")


@pytest.mark.parametrize("drawn", [True, False])
def test_what_is_drawn_is_what_the_twin_draws(world, drawn):
    """Invariant 10: it never changes once known."""
    commitment = world.submitted(drawn=drawn)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    assert world.escrow.isDrawn(commitment.job_id) is drawn
    world.travel(1_000_000)
    assert world.escrow.isDrawn(commitment.job_id) is drawn


def test_open_audit_refuses_a_job_that_is_not_submitted(world):
    job_id = world.accepted()
    world.refuses(world.escrow.openAudit, job_id, sender=world.stranger, error="WrongStatus")


def test_open_audit_refuses_a_job_that_is_not_drawn(world):
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.refuses(world.escrow.openAudit, commitment.job_id, sender=world.stranger, error="NotDrawn")


def test_only_the_escrow_opens_cases(world):
    world.refuses(world.court.open, 1, 0, 0, 1, sender=world.stranger, error="OnlyAuditable")


def test_the_segment_is_drawn_from_the_seed_and_the_judge_is_independent(world):
    commitment = world.audited()
    job, case = world.job(commitment.job_id), world.case(commitment.job_id)
    seed = bytes(world.beacon.seedOf(job["epoch"]))
    assert case["segment"] == draw.drawn_segment(seed, commitment.job_id, commitment.root, commitment.segments)
    assert case["status"] == CaseStatus.JUDGING and job["status"] == JobStatus.UNDER_AUDIT
    assert world.judge_of(commitment.job_id) in world.judges
    assert case["deadline"] == world.rpc.now() + world.params.judge_min_seconds
    assert world.court.slotOf(case["judge"])["cases"] == 1
    assert world.bond(case["judge"]) == (world.params.slot_bond, 5 * world.fee())


def test_the_judge_has_three_times_as_long_as_a_long_segment(world):
    commitment = world.audited(Terms(segment_seconds=7_200, run_seconds=36_000))
    assert world.case(commitment.job_id)["deadline"] == world.rpc.now() + 3 * 7_200


def test_confirm_and_deny_refuse_where_no_case_is_open(world):
    opening, leaf = Commitment(1, 5).opening(0), b"\x01" * 32
    world.refuses(world.court.confirm, 1, opening, [], sender=world.judges[0], error="WrongCaseStatus")
    world.refuses(world.court.deny, 1, leaf, EVIDENCE, sender=world.judges[0], error="WrongCaseStatus")


def test_confirm_and_deny_refuse_anybody_but_the_drawn_judge(world):
    commitment = world.audited()
    case = world.case(commitment.job_id)
    others = [judge for judge in world.judges if judge != world.judge_of(commitment.job_id)]
    opening, proof = commitment.opening(case["segment"]), commitment.proof(case["segment"])
    for sender in (others[0], world.seller, world.buyer):
        values = world.refuses(
            world.court.confirm, commitment.job_id, opening, proof, sender=sender, error="NotTheJudge"
        )
        assert values == (case["judge"],)
        world.refuses(world.court.deny, commitment.job_id, opening[0], EVIDENCE, sender=sender, error="NotTheJudge")


def test_confirm_and_deny_refuse_a_late_judge(world):
    commitment = world.audited()
    judge, case = world.judge_of(commitment.job_id), world.case(commitment.job_id)
    opening, proof = commitment.opening(case["segment"]), commitment.proof(case["segment"])
    world.past_case_deadline(commitment.job_id)
    values = world.refuses(
        world.court.confirm, commitment.job_id, opening, proof, sender=judge, error="DeadlinePassed"
    )
    assert values == (case["deadline"], case["deadline"] + 1)
    world.refuses(world.court.deny, commitment.job_id, opening[0], EVIDENCE, sender=judge, error="DeadlinePassed")


def test_nobody_confirms_without_the_preimage(world):
    """Invariant 19, threat 22: a rubber stamp has nothing to open the commitment with."""
    commitment = world.audited()
    segment, judge = world.case(commitment.job_id)["segment"], world.judge_of(commitment.job_id)
    trace, output, cid = commitment.opening(segment)
    for guess in ((bytes(32), output, cid), (trace, bytes(32), cid), (trace, output, bytes(32)), (output, trace, cid)):
        world.refuses(
            world.court.confirm,
            commitment.job_id,
            guess,
            commitment.proof(segment),
            sender=judge,
            error="WrongOpening",
        )


def test_a_confirmed_case_is_ruled_and_its_judge_is_free(world):
    commitment = world.audited()
    slot_id = world.case(commitment.job_id)["judge"]
    done = world.confirm(commitment)
    assert done.event("Confirmed")["judge"] == slot_id
    assert world.case(commitment.job_id)["status"] == CaseStatus.RULED
    assert world.court.slotOf(slot_id)["cases"] == 0
    assert world.bond(slot_id) == (world.params.slot_bond, 0)


def test_deny_refuses_an_empty_leaf(world):
    commitment = world.audited()
    judge = world.judge_of(commitment.job_id)
    world.refuses(world.court.deny, commitment.job_id, bytes(32), EVIDENCE, sender=judge, error="EmptyLeaf")


def test_a_denial_slashes_nobody_and_asks_for_a_fresh_seed(world):
    before = world.books.wealth()
    commitment = world.denied()
    case, now = world.case(commitment.job_id), world.rpc.now()
    assert (case["status"], case["round"], case["since"]) == (CaseStatus.DENIED, 1, now)
    assert world.beacon.timeOf(case["epoch"]) >= now + world.params.seed_delay
    assert case["deadline"] == world.beacon.timeOf(case["epoch"]) + world.params.draw_window
    assert world.status(commitment.job_id) is JobStatus.CHALLENGED
    assert set(world.books.gains(before)) == {"buyer"}


def test_replace_judge_refuses_before_the_deadline(world):
    commitment = world.audited()
    deadline = world.case(commitment.job_id)["deadline"]
    world.travel_until(deadline)
    values = world.refuses(
        world.court.replaceJudge, commitment.job_id, sender=world.stranger, error="DeadlineRunning"
    )
    assert values == (deadline, deadline)


def test_replace_judge_refuses_once_the_judge_has_spoken(world):
    commitment = world.denied()
    world.past_case_deadline(commitment.job_id)
    world.refuses(world.court.replaceJudge, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")


def test_a_late_judge_pays_one_fee_and_another_owner_is_drawn(world):
    """Threat 28."""
    commitment = world.audited()
    late, name = world.case(commitment.job_id)["judge"], world.name(world.judge_of(commitment.job_id))
    before = world.books.wealth()
    world.past_case_deadline(commitment.job_id)

    done = world.does(world.court.replaceJudge, commitment.job_id, sender=world.stranger)

    case = world.case(commitment.job_id)
    assert world.books.gains(before) == {name: -world.fee(), "pool": world.fee()}
    assert case["judge"] not in (0, late) and case["replacements"] == 1
    assert case["deadline"] == world.rpc.now() + world.params.judge_min_seconds
    assert world.court.slotOf(late)["strikes"] == 1
    assert world.bond(late) == (world.params.slot_bond - world.fee(), 0)
    assert done.event("JudgeReplaced")["late"] == late
    world.confirm(commitment)


def test_when_every_judge_is_late_the_case_fails_open(world):
    """Principle 5: missing judges fail open with a longer window; the job settles like one that was not drawn."""
    before = world.books.wealth()
    commitment = world.audited()
    job_id, seen = commitment.job_id, []
    for _ in range(6):
        seen.append(world.name(world.judge_of(job_id)))
        world.past_case_deadline(job_id)
        done = world.does(world.court.replaceJudge, job_id, sender=world.stranger)

    assert len(set(seen)) == 6, "somebody was drawn twice"
    fee, levy = world.fee(), world.levy(job_id)
    late = {name: -fee for name in seen}
    assert world.books.gains(before) == late | {"buyer": -Terms().price - levy, "pool": 6 * fee + levy}
    assert done.event("JobRuled")["ruling"] == 5
    job = world.job(job_id)
    assert job["audited"] and job["status"] == JobStatus.SUBMITTED
    assert job["deadline"] == world.rpc.now() + world.params.audit_window
    world.refuses(world.escrow.settle, job_id, sender=world.seller, error="TooEarly")
    world.past_deadline(job_id)
    world.does(world.escrow.settle, job_id, sender=world.seller)
    assert world.status(job_id) is JobStatus.SETTLED


def test_a_case_nobody_can_judge_is_still_brought_to_its_end(world):
    """Invariant 8: every bond is reserved elsewhere, so that no judge is found; nobody pays, the case fails open."""
    for _ in range(4 * len(world.judges)):
        world.audited()
    before = world.books.wealth()
    commitment = world.audited()
    job_id = commitment.job_id
    assert world.case(job_id)["judge"] == 0
    opening = commitment.opening(0)
    world.refuses(world.court.confirm, job_id, opening, [], sender=world.stranger, error="NotTheJudge")
    for _ in range(6):
        world.past_case_deadline(job_id)
        world.does(world.court.replaceJudge, job_id, sender=world.stranger)
    gains = world.books.gains(before)
    assert gains == {"buyer": -Terms().price - world.levy(job_id), "pool": world.levy(job_id)}
    assert world.job(job_id)["audited"]
