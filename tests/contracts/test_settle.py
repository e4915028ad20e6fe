# SPDX-License-Identifier: Apache-2.0
"""settle: unaudited, audited and confirmed, early, and everything that must wait."""

from world import Terms

from swarm.protocol import money
from swarm.protocol.types import JobStatus

TERMS = Terms()
PRICE = TERMS.price
FEE = PRICE // 100


def settled_gains(world, job_id: int) -> dict[str, int]:
    """What an unaudited settlement moves, from the moment before the job was posted."""
    levy = world.levy(job_id)
    return {"buyer": -PRICE - levy, "seller": PRICE - FEE, "pool": levy + FEE // 2, "burned": FEE // 2}


def test_settle_refuses_a_job_that_is_not_submitted(world):
    job_id = world.accepted()
    values = world.refuses(world.escrow.settle, job_id, sender=world.stranger, error="WrongStatus")
    assert values == (JobStatus.SUBMITTED, JobStatus.RUNNING)


def test_settle_refuses_while_the_seed_is_unknown_even_for_the_buyer(world):
    """A job without a seed is never settled."""
    commitment = world.submitted(drawn=False)
    world.past_deadline(commitment.job_id)
    epoch = world.job(commitment.job_id)["epoch"]
    for sender in (world.stranger, world.buyer):
        values = world.refuses(world.escrow.settle, commitment.job_id, sender=sender, error="AwaitingSeed")
        assert values == (epoch,)


def test_settle_refuses_a_drawn_job_until_its_audit_is_passed(world):
    commitment = world.submitted(drawn=True)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.past_deadline(commitment.job_id)
    for sender in (world.stranger, world.buyer):
        world.refuses(world.escrow.settle, commitment.job_id, sender=sender, error="AuditPending")


def test_settle_refuses_while_a_judge_or_a_committee_is_at_work(world):
    commitment = world.audited()
    world.past_deadline(commitment.job_id)
    world.refuses(world.escrow.settle, commitment.job_id, sender=world.buyer, error="WrongStatus")


def test_settle_refuses_a_stranger_before_the_window_is_over(world):
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    deadline = world.job(commitment.job_id)["deadline"]
    world.travel_until(deadline)
    for sender in (world.stranger, world.seller):
        values = world.refuses(world.escrow.settle, commitment.job_id, sender=sender, error="TooEarly")
        assert values == (deadline, deadline)


def test_an_unaudited_job_pays_the_seller_and_returns_what_the_audit_did_not_cost(world):
    before = world.books.wealth()
    commitment = world.submitted(drawn=False)
    job_id = commitment.job_id
    world.bring_seed(world.job(job_id)["epoch"])
    world.past_deadline(job_id)

    done = world.does(world.escrow.settle, job_id, sender=world.stranger)

    assert world.books.gains(before) == settled_gains(world, job_id)
    returned = money.max_levy(world.fee()) - world.levy(job_id)
    event = done.event("JobSettled")
    assert (event["paid"], event["fee"], event["returned"]) == (PRICE - FEE, FEE, returned)
    assert world.status(job_id) is JobStatus.SETTLED
    assert world.vault.lockedBy(world.seller, world.escrow) == 0
    world.refuses(world.escrow.settle, job_id, sender=world.stranger, error="WrongStatus")


def test_the_buyer_may_accept_early(world):
    before = world.books.wealth()
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.does(world.escrow.settle, commitment.job_id, sender=world.buyer)
    assert world.books.gains(before) == settled_gains(world, commitment.job_id)


def test_the_first_audit_on_the_chain_is_funded_by_the_job_itself(world):
    """The pool is empty: the judge is paid out of the levy, then the buyer's own reserve."""
    before = world.books.wealth()
    commitment = world.audited()
    judge, fee, levy = world.name(world.judge_of(commitment.job_id)), world.fee(), world.levy(commitment.job_id)
    assert levy < fee and world.escrow.pool() == 0

    done = world.confirm(commitment)

    assert world.books.gains(before) == {"buyer": -PRICE - fee, judge: fee}
    assert done.event("JudgePaid")["amount"] == fee
    assert done.event("Ruled")["right"] == (world.judge_of(commitment.job_id),)
    assert world.job(commitment.job_id)["audited"]
    assert world.status(commitment.job_id) is JobStatus.SUBMITTED


def test_a_pool_that_has_grown_pays_what_the_levy_does_not_cover(world):
    first = world.submitted(drawn=False, collateral=world.escrow.minCollateralFor(PRICE, TERMS.segments))
    world.bring_seed(world.job(first.job_id)["epoch"])
    world.does(world.escrow.settle, first.job_id, sender=world.buyer)
    before = world.books.wealth()
    commitment = world.audited()
    fee, levy = world.fee(), world.levy(commitment.job_id)
    assert before["pool"] > fee - levy
    judge = world.name(world.judge_of(commitment.job_id))

    world.confirm(commitment)

    assert world.books.gains(before) == {"buyer": -PRICE - levy, judge: fee, "pool": levy - fee}


def test_a_levy_above_the_fee_pays_the_judge_and_feeds_the_pool(world):
    terms = Terms(price=100 * 10**18, segments=100)  # F = 1.2: the collateral may be a quarter of the price
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
    deadline = world.job(job_id)["deadline"]
    world.confirm(commitment)
    assert world.job(job_id)["deadline"] == deadline
    world.refuses(world.escrow.settle, job_id, sender=world.seller, error="TooEarly")
    world.past_deadline(job_id)

    done = world.does(world.escrow.settle, job_id, sender=world.seller)

    expected = {"buyer": -PRICE - fee, "seller": PRICE - FEE, judge: fee, "pool": FEE // 2, "burned": FEE // 2}
    assert world.books.gains(before) == expected
    assert done.event("JobSettled")["returned"] == 0


def test_an_audited_job_is_not_audited_again(world):
    commitment = world.audited()
    world.confirm(commitment)
    world.refuses(world.escrow.openAudit, commitment.job_id, sender=world.stranger, error="CaseAlreadyOpen")


def test_prices_that_do_not_divide_lose_no_unit(world):
    terms = Terms(price=10**18 + 12_345_677, segments=7)
    before = world.books.wealth()
    commitment = world.submitted(terms, drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.does(world.escrow.settle, commitment.job_id, sender=world.buyer)
    fee, levy = money.bps_up(terms.price, 100), world.levy(commitment.job_id)
    burned = fee // 2
    paid = {"buyer": -terms.price - levy, "seller": terms.price - fee, "pool": levy + fee - burned, "burned": burned}
    assert world.books.gains(before) == paid


def test_only_the_court_rules_and_books_penalties(world):
    commitment = world.audited()
    for sender in (world.buyer, world.seller):
        world.refuses(
            world.escrow.rule, commitment.job_id, 1, [sender], True, 0, sender=sender, error="OnlyCourt"
        )
        world.refuses(world.escrow.bookPenalty, 1, sender=sender, error="OnlyCourt")
