# SPDX-License-Identifier: Apache-2.0
"""replaceJudge: judges who are late, and cases nobody judges."""

from world import Terms

from swarm.protocol.types import CaseStatus, JobStatus, Ruling


def test_replace_judge_refuses_before_the_deadline(world):
    job_id = world.audited().job_id
    deadline = world.case(job_id).deadline
    world.travel_until(deadline)
    arguments = world.with_terms(job_id)
    values = world.refuses(world.court.replaceJudge, *arguments, sender=world.stranger, error="CaseDeadlineRunning")
    assert values == (deadline, deadline)


def test_replace_judge_refuses_once_the_judge_has_spoken(world):
    job_id = world.denied().job_id
    world.past_case_deadline(job_id)
    arguments = world.with_terms(job_id)
    values = world.refuses(world.court.replaceJudge, *arguments, sender=world.stranger, error="WrongCaseStatus")
    assert values == (CaseStatus.JUDGING, CaseStatus.VOTING)


def test_replace_judge_refuses_another_job_or_other_terms(world):
    """Another buyer's job would have another fee, other terms another bench."""
    job_id = world.accepted()
    as_accepted = world.with_terms(job_id)
    world.submit(job_id)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    world.past_case_deadline(job_id)
    world.refuses(world.court.replaceJudge, *as_accepted, sender=world.stranger, error="StaleJob")
    arguments = (*world.with_job(job_id), Terms(hardware_class=2).values())
    world.refuses(world.court.replaceJudge, *arguments, sender=world.stranger, error="TermsDiffer")


def test_a_late_judge_pays_one_fee_and_another_owner_is_drawn(world):
    """Threat 28."""
    commitment = world.audited()
    job_id = commitment.job_id
    late, name = world.case(job_id).judge, world.name(world.judge_of(job_id))
    before = world.books.wealth()

    done = world.replace_judge(job_id)

    case = world.case(job_id)
    assert world.books.gains(before) == {name: -world.fee(), "pool": world.fee()}
    assert case.judge not in (0, late) and case.replacements == 1
    assert case.deadline == world.rpc.now() + world.params.judge_min_seconds
    assert world.slot(late).strikes == 1
    bond = world.bond(late)
    assert (bond.left, bond.reserved, bond.cases) == (world.params.slot_bond - world.fee(), 0, 0)
    expected = {"jobId": job_id, "late": late, "judge": case.judge, "deadline": case.deadline}
    assert done.event("JudgeReplaced") == expected
    judges, first_round = world.court.judgesOf(job_id)
    assert (list(judges), first_round) == ([late, case.judge], 1)
    world.confirm(commitment)


def test_when_every_judge_is_late_and_nobody_volunteers_the_case_fails_open(world):
    """Principle 5: missing judges fail open with a longer window; the job settles like one that was not drawn."""
    before = world.books.wealth()
    job_id = world.audited().job_id
    seen = []
    for _ in range(6):
        seen.append(world.name(world.judge_of(job_id)))
        world.replace_judge(job_id)
    assert len(set(seen)) == 6, "somebody was drawn twice"
    case = world.case(job_id)
    assert (case.judge, case.replacements) == (0, 6)
    assert case.deadline == world.rpc.now() + 2 * world.params.judge_min_seconds

    done = world.replace_judge(job_id)

    fee, levy = world.fee(), world.levy(job_id)
    late = {name: -fee for name in seen}
    assert world.books.gains(before) == late | {"buyer": -Terms().max_price - levy, "pool": 6 * fee + levy}
    assert done.event("JobRuled")["ruling"] == Ruling.UNJUDGED
    job = world.job(job_id)
    assert job.audited and job.status is JobStatus.SUBMITTED
    assert job.deadline == world.rpc.now() + world.params.audit_window
    world.refuses(world.escrow.settle, *world.with_job(job_id), sender=world.seller, error="TooEarly")
    world.settle(job_id)
    assert world.status(job_id) is JobStatus.SETTLED


def test_a_case_nobody_can_judge_is_still_brought_to_its_end(world):
    """Invariant 8: every bond is reserved elsewhere, so that no judge is found; nobody pays, the case fails open."""
    for _ in range(4 * len(world.judges)):
        world.audited()
    before = world.books.wealth()
    commitment = world.audited()
    job_id = commitment.job_id
    assert world.case(job_id).judge == 0
    segment = world.case(job_id).segment
    arguments = (*world.with_job(job_id), commitment.opening(segment), commitment.proof(segment))
    world.refuses(world.court.confirm, *arguments, sender=world.stranger, error="NotTheJudge")
    for _ in range(7):
        world.replace_judge(job_id)
    gains = world.books.gains(before)
    assert gains == {"buyer": -Terms().max_price - world.levy(job_id), "pool": world.levy(job_id)}
    assert world.job(job_id).audited
