# SPDX-License-Identifier: Apache-2.0
"""postMany: a sweep in one call and one transfer."""

import pytest
from world import Terms

from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import JobStatus

SPECS = [bytes([number]) * 32 for number in range(1, 6)]


def post_many(world, terms: Terms, specs=SPECS):
    return world.does(world.escrow.postMany, terms.values(), specs, sender=world.buyer)


def test_every_spec_becomes_a_job_and_ids_run_on(world):
    first = world.post() + 1
    done = post_many(world, Terms())
    posted = [event for name, event in done.events if name == "JobPosted"]
    assert [event["jobId"] for event in posted] == list(range(first, first + 5))
    assert world.escrow.jobCount() == first + 4
    for number, spec in enumerate(SPECS):
        job = world.job(first + number)
        assert (job.terms.spec_cid, job.status, job.segments) == (spec, JobStatus.OPEN, 5)
        assert job.buyer.lower() == world.buyer.address.lower()


def test_the_money_moves_in_one_transfer(world):
    before = world.books.wealth()
    done = post_many(world, Terms())
    held = world.escrow.escrowFor(Terms().max_price, 5, 1)
    transfers = [event for name, event in done.events if name == "Transfer"]
    assert [event["value"] for event in transfers] == [5 * held]
    assert world.books.gains(before) == {"buyer": -5 * held}
    assert all(world.job(job_id).held == held for job_id in range(1, 6))


def test_a_job_of_a_sweep_is_the_same_as_one_posted_alone(world):
    """Byte for byte: what a seller proves does not depend on how the job was posted."""
    at = world.rpc.now() + 5
    with world.kept():
        world.rpc.next_at(at)
        world.post(Terms(spec_cid=SPECS[0]))
        alone = bytes(world.escrow.stateOf(1))
    world.rpc.next_at(at)
    post_many(world, Terms(), SPECS[:1])
    assert bytes(world.escrow.stateOf(1)) == alone


def test_jobs_of_a_sweep_live_and_end_on_their_own(world):
    post_many(world, Terms(max_price=10 * TOKEN))
    held = world.job(2).held
    before = world.books.wealth()
    world.does(world.escrow.cancel, *world.with_job(2), sender=world.buyer)
    assert world.books.gains(before) == {"buyer": held}
    world.accept(3)
    commitment = world.submit(3, drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(3)
    statuses = [world.status(job_id) for job_id in range(1, 6)]
    assert statuses == [
        JobStatus.OPEN, JobStatus.REFUNDED, JobStatus.SETTLED, JobStatus.OPEN, JobStatus.OPEN
    ]  # fmt: skip


def test_the_spec_of_the_terms_is_not_posted(world):
    done = post_many(world, Terms(spec_cid=b"\x77" * 32), SPECS[:2])
    assert [bytes(event["terms"][0]) for name, event in done.events if name == "JobPosted"] == SPECS[:2]


def test_an_empty_sweep_is_refused(world):
    world.refuses(world.escrow.postMany, Terms().values(), [], sender=world.buyer, error="NothingPosted")


def test_a_sweep_with_an_empty_spec_is_refused_whole(world):
    arguments = (Terms().values(), [*SPECS[:2], bytes(32)])
    world.refuses(world.escrow.postMany, *arguments, sender=world.buyer, error="EmptyCid")
    assert world.escrow.jobCount() == 0


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (Terms(max_price=TOKEN // 10 - 1), "PriceTooLow"),
        (Terms(start_price=2 * TOKEN, max_price=2 * TOKEN - 1), "PriceFalls"),
        (Terms(segments=0), "SegmentsOutOfRange"),
        (Terms(segments=1_025), "SegmentsOutOfRange"),
        (Terms(parts=0), "PartsOutOfRange"),
        (Terms(parts=17), "PartsOutOfRange"),
        (Terms(segment_seconds=0), "SecondsOutOfRange"),
        (Terms(segment_seconds=7_201), "SecondsOutOfRange"),
        (Terms(run_seconds=0), "SecondsOutOfRange"),
        (Terms(run_seconds=72 * 3_600 + 1), "SecondsOutOfRange"),
        (Terms(open_seconds=0), "SecondsOutOfRange"),
    ],
)
def test_terms_are_checked_as_for_a_single_job(world, terms, error):
    single = world.refuses(world.escrow.post, terms.values(), sender=world.buyer, error=error)
    assert world.refuses(world.escrow.postMany, terms.values(), SPECS, sender=world.buyer, error=error) == single


def test_a_buyer_must_pay_for_the_whole_sweep(world):
    held = world.escrow.escrowFor(Terms().max_price, 5, 1)
    poor = world.newcomer("poor")
    world.enrich(poor, 5 * held - 1)
    arguments = (Terms().values(), SPECS)
    values = world.refuses(world.escrow.postMany, *arguments, sender=poor, error="ERC20InsufficientBalance")
    assert values[1:] == (5 * held - 1, 5 * held)
