# SPDX-License-Identifier: Apache-2.0
"""What a worker does next, without a chain: paid work first, nothing twice, nothing too late."""

from dataclasses import replace

from swarm.protocol.types import ZERO_DIGEST, Address, Amount, Epoch, Job, JobId, JobStatus, Terms
from swarm.seller import plan
from swarm.seller.plan import Mode, Policy, Reason, Step, View, Work

SALLY, BOB = Address("0x" + "51" * 20), Address("0x" + "b0" * 20)
NOW = 1_000
TERMS = Terms(
    spec_cid=ZERO_DIGEST,
    max_price=Amount(100),
    segments=4,
    segment_seconds=60,
    run_seconds=600,
    open_seconds=600,
    hardware_class=1,
)


def job(number=1, status=JobStatus.OPEN, **changes) -> Job:
    base = Job(
        job_id=JobId(number),
        buyer=BOB,
        terms=TERMS,
        terms_hash=ZERO_DIGEST,
        segments=4,
        held=Amount(138),
        seller=SALLY if status > JobStatus.OPEN else Address("0x" + "0" * 40),
        status=status,
        deadline=NOW + 600,
        audit_bps=10_000,
        epoch=Epoch(9),
        price=Amount(100),
        collateral=Amount(25),
        open_until=NOW + 600,
        audited=False,
        result_cid=ZERO_DIGEST,
        segment_root=ZERO_DIGEST,
    )
    return replace(base, **changes)


def view(*jobs, work=(), **changes) -> View:
    base = View(
        now=NOW,
        seller=SALLY,
        jobs=jobs,
        work={entry.job_id: entry for entry in work},
        running=None,
        refused={},
        known_seeds=frozenset(),
        drawn=frozenset(),
        policy=Policy(),
    )
    return replace(base, **changes)


def test_does_not_take_its_own_job():
    assert isinstance(plan.decide(view(job(buyer=SALLY))), plan.Rest)


def test_does_not_take_a_job_below_its_floor_or_longer_than_it_wants():
    assert isinstance(plan.decide(view(job(), policy=Policy(price_floor=101))), plan.Rest)
    assert isinstance(plan.decide(view(job(), policy=Policy(max_run_seconds=599))), plan.Rest)


def test_does_not_look_at_a_refused_or_expired_job():
    assert isinstance(plan.decide(view(job(), refused={JobId(1): Reason.TYPE})), plan.Rest)
    assert isinstance(plan.decide(view(job(deadline=NOW))), plan.Rest)


def test_does_not_take_again_a_job_it_gave_up():
    """It reopens after the abort; every further try would cost 2 % of the price."""
    assert isinstance(plan.decide(view(job(), work=[Work(JobId(1), Step.FAILED, reason="diverged")])), plan.Rest)


def test_does_not_take_a_second_job_while_one_runs():
    running = job(1, JobStatus.RUNNING)
    assert isinstance(plan.decide(view(running, job(2), running=JobId(1))), plan.Rest)


def test_does_not_submit_after_the_deadline():
    late = job(1, JobStatus.RUNNING, deadline=NOW - 1)
    assert isinstance(plan.decide(view(late, work=[Work(JobId(1), Step.PUBLISHED)])), plan.Refund)


def test_does_not_settle_before_the_window_ends_or_without_a_seed():
    submitted = job(1, JobStatus.SUBMITTED, deadline=NOW)
    assert isinstance(plan.decide(view(submitted, known_seeds=frozenset({9}))), plan.Rest)
    over = replace(submitted, deadline=NOW - 1)
    assert isinstance(plan.decide(view(over)), plan.Rest)


def test_does_not_settle_a_drawn_job_before_its_audit():
    over = job(1, JobStatus.SUBMITTED, deadline=NOW - 1)
    seen = view(over, known_seeds=frozenset({9}), drawn=frozenset({JobId(1)}))
    assert isinstance(plan.decide(seen), plan.Rest)
    assert plan.decide(replace(seen, jobs=[replace(over, audited=True)])) == plan.Settle(replace(over, audited=True))


def test_gives_up_work_that_cannot_be_submitted_in_time():
    """2 % of the price instead of the 10 % of a missed deadline."""
    late = job(1, JobStatus.RUNNING, deadline=NOW + plan.SUBMIT_MARGIN_SECONDS)
    assert isinstance(plan.decide(view(late)), plan.Abort)
    assert isinstance(plan.decide(view(late, mode=Mode.PAUSE)), plan.Abort)
    assert isinstance(plan.decide(view(late, running=JobId(1))), plan.Rest)
    assert isinstance(plan.decide(view(replace(late, deadline=NOW - 1))), plan.Refund)


def test_takes_nothing_and_runs_nothing_while_it_is_paused():
    assert isinstance(plan.decide(view(job(), mode=Mode.PAUSE)), plan.Rest)
    held = view(job(1, JobStatus.RUNNING), mode=Mode.PAUSE, done={JobId(1): 3})
    assert "3 of 4 segments are done" in plan.decide(held).reason


def test_submits_and_settles_while_it_is_paused():
    running, work = job(1, JobStatus.RUNNING), Work(JobId(1), Step.PUBLISHED, "aa", "bb")
    assert plan.decide(view(running, work=[work], mode=Mode.PAUSE)) == plan.Submit(running, work)
    over = job(1, JobStatus.SUBMITTED, deadline=NOW - 1, audited=True)
    assert plan.decide(view(over, known_seeds=frozenset({9}), mode=Mode.PAUSE)) == plan.Settle(over)


def test_draining_it_finishes_what_it_took_and_takes_no_other():
    running = job(1, JobStatus.RUNNING)
    seen = view(running, job(2), mode=Mode.DRAIN)
    assert plan.decide(seen) == plan.Run(running) and not plan.is_drained(seen)
    submitted = view(job(1, JobStatus.SUBMITTED), job(2), mode=Mode.DRAIN)
    assert isinstance(plan.decide(submitted), plan.Rest) and plan.is_drained(submitted)
    assert not plan.is_drained(replace(submitted, mode=Mode.RUN))


def test_does_not_hand_back_while_the_run_has_not_ended_or_nothing_is_at_work():
    running = job(1, JobStatus.RUNNING)
    assert isinstance(plan.decide(view(running, running=JobId(1), hands_back=True)), plan.Rest)
    done = view(running, work=[Work(JobId(1), Step.FAILED, reason="diverged")], hands_back=True)
    assert isinstance(plan.decide(done), plan.Abort)
    assert isinstance(plan.decide(view(hands_back=True)), plan.Rest)
    assert plan.decide(view(running, hands_back=True)) == plan.HandBack(running)
    assert plan.hand_back_is_vain(view(hands_back=True)) and plan.hand_back_is_vain(done)
    assert not plan.hand_back_is_vain(view(running, hands_back=True))
    assert not plan.hand_back_is_vain(view(running, running=JobId(1), hands_back=True))


def test_takes_the_best_paid_open_job():
    cheap, dear = job(1), job(2, price=Amount(200))
    assert plan.decide(view(cheap, dear)) == plan.Consider(dear)


def test_takes_only_the_job_it_was_started_for():
    assert plan.decide(view(job(1), job(2), policy=Policy(only_job=JobId(1)))) == plan.Consider(job(1))


def test_submits_published_work_before_anything_else():
    """Killed between published and submitted: the journal brings it back."""
    running, work = job(1, JobStatus.RUNNING), Work(JobId(1), Step.PUBLISHED, "aa", "bb")
    assert plan.decide(view(job(2), running, work=[work])) == plan.Submit(running, work)


def test_runs_an_accepted_job_again_after_a_restart():
    running = job(1, JobStatus.RUNNING)
    assert plan.decide(view(running)) == plan.Run(running)
    assert plan.decide(view(running, work=[Work(JobId(1), Step.ACCEPTED)])) == plan.Run(running)


def test_gives_a_failed_job_up_in_time():
    running = job(1, JobStatus.RUNNING)
    failed = Work(JobId(1), Step.FAILED, reason="out of memory")
    assert plan.decide(view(running, work=[failed])) == plan.Abort(running, "out of memory")
    assert isinstance(plan.decide(view(replace(running, deadline=NOW - 1), work=[failed])), plan.Refund)


def test_ends_a_job_whose_deadline_it_missed_once_its_run_is_over():
    """Else the collateral stays locked wherever no buyer is left to end it."""
    late = job(1, JobStatus.RUNNING, deadline=NOW - 1)
    assert plan.decide(view(late)) == plan.Refund(late)
    assert isinstance(plan.decide(view(late, running=JobId(1))), plan.Rest)
    assert isinstance(plan.decide(view(replace(late, deadline=NOW), work=[Work(JobId(1), Step.FAILED)])), plan.Abort)


def test_notes_a_hand_back_that_arrived_before_its_note():
    note = Work(JobId(1), Step.HANDING_BACK, "aa", "bb")
    running = job(1, JobStatus.RUNNING)
    assert plan.decide(view(running, work=[note])) == plan.Run(running)
    part = replace(running, status=JobStatus.SUBMITTED)
    assert plan.decide(view(part, job(2), work=[note])) == plan.NoteHandBack(part)
    assert plan.decide(view(part, job(2), work=[replace(note, step=Step.PUBLISHED)])) == plan.Consider(job(2))


def test_says_why_it_rests():
    assert plan.decide(view()).reason == "no open job"
    assert "none for this worker" in plan.decide(view(job(buyer=SALLY))).reason
    assert "audit window" in plan.decide(view(job(1, JobStatus.SUBMITTED))).reason
