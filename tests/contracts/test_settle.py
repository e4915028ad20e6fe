# SPDX-License-Identifier: Apache-2.0
"""settle: unaudited, audited and confirmed, early, and everything that must wait; and what only the court may do."""

from world import Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()
PRICE = TERMS.max_price
FEE = PRICE // 100


def refuses(world, job_id: int, error: str, sender=None) -> tuple:
    return world.refuses(world.escrow.settle, *world.with_job(job_id), sender=sender or world.stranger, error=error)


def seeded(world, **options: object) -> int:
    """A submitted job whose seed is known."""
    commitment = world.submitted(**options)
    world.bring_seed(world.job(commitment.job_id).epoch)
    return commitment.job_id


def settled_gains(world, job_id: int) -> dict[str, int]:
    """What an unaudited settlement moves, from the moment before the job was posted."""
    levy = world.levy(job_id)
    return {"buyer": -PRICE - levy, "seller": PRICE - FEE, "pool": levy + FEE // 2, "burned": FEE // 2}


def test_settle_refuses_a_job_that_is_not_as_the_caller_says(world):
    job_id = world.accepted()
    as_accepted = world.with_job(job_id)
    world.submit(job_id, drawn=True)
    values = world.refuses(world.escrow.settle, *as_accepted, sender=world.buyer, error="StaleJob")
    assert values == (job_id,)


def test_settle_refuses_a_job_that_is_not_submitted(world):
    assert refuses(world, world.accepted(), "WrongStatus") == (JobStatus.SUBMITTED, JobStatus.RUNNING)


def test_settle_refuses_while_the_seed_is_unknown_even_for_the_buyer(world):
    """A job without a seed is never settled."""
    commitment = world.submitted(drawn=False)
    world.past_deadline(commitment.job_id)
    epoch = world.job(commitment.job_id).epoch
    for sender in (world.stranger, world.buyer):
        assert refuses(world, commitment.job_id, "AwaitingSeed", sender) == (epoch,)


def test_settle_refuses_a_drawn_job_until_its_audit_is_passed(world):
    job_id = seeded(world, drawn=True)
    world.past_deadline(job_id)
    for sender in (world.stranger, world.buyer):
        refuses(world, job_id, "AuditPending", sender)


def test_settle_refuses_while_a_judge_or_a_committee_is_at_work(world):
    commitment = world.audited()
    world.past_deadline(commitment.job_id)
    assert refuses(world, commitment.job_id, "WrongStatus", world.buyer)[1] == JobStatus.UNDER_AUDIT


def test_a_chain_that_stood_still_past_every_deadline_still_audits_before_it_pays(world):
    """Attack 63: a sequencer that is down, and comes back after the window, has spared nobody the draw."""
    commitment = world.submitted(drawn=True)
    job_id, epoch = commitment.job_id, world.job(commitment.job_id).epoch
    world.travel_until(world.job(job_id).deadline + 7 * 24 * 3600)
    assert refuses(world, job_id, "AwaitingSeed") == (epoch,)
    world.bring_seed(epoch)
    refuses(world, job_id, "AuditPending")
    world.open_audit(job_id)
    world.confirm(commitment)
    world.settle(job_id, sender=world.stranger)
    assert world.status(job_id) is JobStatus.SETTLED


def test_settle_refuses_everybody_but_the_buyer_before_the_window_is_over(world):
    job_id = seeded(world, drawn=False)
    deadline = world.job(job_id).deadline
    world.travel_until(deadline)
    for sender in (world.stranger, world.seller):
        assert refuses(world, job_id, "TooEarly", sender) == (deadline, deadline)


def test_an_unaudited_job_pays_the_seller_and_returns_what_the_audit_did_not_cost(world):
    before = world.books.wealth()
    job_id = seeded(world, drawn=False)

    done = world.settle(job_id)

    assert world.books.gains(before) == settled_gains(world, job_id)
    returned = money.max_levy(world.fee()) - world.levy(job_id)
    expected = {"jobId": job_id, "seller": world.seller, "paid": PRICE - FEE, "fee": FEE, "returned": returned}
    assert done.event("JobSettled") == expected
    assert world.status(job_id) is JobStatus.SETTLED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    refuses(world, job_id, "WrongStatus")


def test_the_buyer_may_accept_early(world):
    before = world.books.wealth()
    job_id = seeded(world, drawn=False)
    world.settle(job_id, sender=world.buyer)
    assert world.books.gains(before) == settled_gains(world, job_id)


def test_the_first_audit_on_the_chain_is_funded_by_the_job_itself(world):
    """The pool is empty: the judge is paid out of the levy, then the buyer's own reserve."""
    before = world.books.wealth()
    commitment = world.audited()
    judge, fee, levy = world.judge_of(commitment.job_id), world.fee(), world.levy(commitment.job_id)
    slot_id = world.case(commitment.job_id).judge
    assert levy < fee and world.escrow.pool() == 0

    done = world.confirm(commitment)

    assert world.books.gains(before) == {"buyer": -PRICE - fee, world.name(judge): fee}
    earned = {"jobId": commitment.job_id, "judges": (slot_id,), "first": fee, "each": 0}
    assert done.event("FeesEarned") == earned
    job = world.job(commitment.job_id)
    assert (job.status, job.audited, job.held) == (JobStatus.SUBMITTED, True, PRICE)


def test_a_pool_that_has_grown_pays_what_the_levy_does_not_cover(world):
    job_id = seeded(world, drawn=False, collateral=world.least_collateral())
    world.settle(job_id, sender=world.buyer)
    before = world.books.wealth()
    commitment = world.audited()
    fee, levy = world.fee(), world.levy(commitment.job_id)
    assert before["pool"] > fee - levy
    judge = world.name(world.judge_of(commitment.job_id))

    world.confirm(commitment)

    assert world.books.gains(before) == {"buyer": -PRICE - levy, judge: fee, "pool": levy - fee}


def test_a_levy_above_the_fee_pays_the_judge_and_feeds_the_pool(world):
    terms = Terms(segments=100)  # F = 1.2: the collateral may be a quarter of the price
    before = world.books.wealth()
    commitment = world.audited(terms)
    job_id, fee, levy = commitment.job_id, world.fee(terms), world.levy(commitment.job_id)
    assert levy > fee
    judge = world.name(world.judge_of(job_id))
    world.confirm(commitment)
    assert world.books.gains(before) == {"buyer": -PRICE - levy, judge: fee, "pool": levy - fee}


def test_an_audited_and_confirmed_job_is_settled_at_the_end_of_its_window(world):
    before = world.books.wealth()
    commitment = world.audited()
    job_id = commitment.job_id
    judge, fee = world.name(world.judge_of(job_id)), world.fee()
    deadline = world.job(job_id).deadline
    world.confirm(commitment)
    assert world.job(job_id).deadline == deadline
    refuses(world, job_id, "TooEarly", world.seller)
    world.past_deadline(job_id)

    done = world.settle(job_id, sender=world.seller)

    expected = {"buyer": -PRICE - fee, "seller": PRICE - FEE, judge: fee, "pool": FEE // 2, "burned": FEE // 2}
    assert world.books.gains(before) == expected
    assert done.event("JobSettled")["returned"] == 0


def test_an_audited_job_is_not_audited_again(world):
    commitment = world.audited()
    world.confirm(commitment)
    arguments = world.with_terms(commitment.job_id)
    world.refuses(world.escrow.openAudit, *arguments, sender=world.stranger, error="CaseAlreadyOpen")


def test_prices_that_do_not_divide_lose_no_unit(world):
    terms = Terms(max_price=10**18 + 12_345_677, segments=7)
    before = world.books.wealth()
    job_id = seeded(world, terms=terms, drawn=False)
    world.settle(job_id, sender=world.buyer)
    price, fee, levy = terms.max_price, money.bps_up(terms.max_price, 100), world.levy(job_id)
    burned = fee // 2
    paid = {"buyer": -price - levy, "seller": price - fee, "pool": levy + fee - burned, "burned": burned}
    assert world.books.gains(before) == paid


def test_only_the_court_rules_marks_takes_bonds_and_books_penalties(world):
    commitment = world.audited()
    state = world.with_job(commitment.job_id)
    escrow, court = world.escrow, world.court.address.lower()
    for sender in (world.buyer, world.seller, world.bench):
        outcome = (3, True, True, True, [1], [], 0, 0, [], [])
        for call, arguments in (
            (escrow.rule, (*state, outcome)),
            (escrow.challenged, (*state, sender, 1)),
            (escrow.takeBond, (world.buyer, 1)),
            (escrow.bookPenalty, (1,)),
        ):
            assert world.refuses(call, *arguments, sender=sender, error="OnlyCourt") == (court,)


def test_even_the_court_rules_only_on_jobs_that_are_judged(world):
    """A bug in the court must not end a job twice."""
    job_id = seeded(world, drawn=False)
    outcome = (3, True, False, False, [], [], 0, 0, [], [])
    arguments = (*world.with_job(job_id), outcome)
    values = world.refuses(world.escrow.rule, *arguments, sender=world.court, error="WrongStatus")
    assert values == (JobStatus.UNDER_AUDIT, JobStatus.SUBMITTED)
    as_submitted = world.with_job(job_id)
    world.settle(job_id, sender=world.buyer)
    world.refuses(world.escrow.rule, *as_submitted, outcome, sender=world.court, error="StaleJob")
    world.refuses(world.escrow.rule, *world.with_job(job_id), outcome, sender=world.court, error="WrongStatus")
    canary = (6, True, False, False, [], [], 0, 0, [], [])
    world.refuses(world.escrow.rule, *world.with_job(job_id), canary, sender=world.court, error="WrongStatus")
