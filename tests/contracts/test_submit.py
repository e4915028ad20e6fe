# SPDX-License-Identifier: Apache-2.0
"""submit."""

from world import RESULT

from swarm.protocol.types import JobStatus

ROOT = b"\x0b" * 32


def refuses(world, job_id: int, error: str, sender=None, result: bytes = RESULT, root: bytes = ROOT) -> tuple:
    arguments = (*world.with_job(job_id), result, root)
    return world.refuses(world.escrow.submit, *arguments, sender=sender or world.seller, error=error)


def test_submit_refuses_a_job_that_is_not_as_the_caller_says(world):
    job_id = world.post()
    as_posted = world.with_job(job_id)
    world.accept(job_id)
    world.refuses(world.escrow.submit, *as_posted, RESULT, ROOT, sender=world.seller, error="StaleJob")


def test_submit_refuses_a_job_that_does_not_run(world):
    assert refuses(world, world.post(), "WrongStatus") == (JobStatus.RUNNING, JobStatus.OPEN)


def test_submit_refuses_anybody_but_the_seller(world):
    job_id = world.accepted()
    for sender in (world.stranger, world.buyer):
        assert refuses(world, job_id, "OnlySeller", sender=sender) == (world.seller.address.lower(),)


def test_who_computes_for_a_seller_has_no_part_in_the_job(world):
    """Attack 10: work may be passed on, its duties not. The collateral that is lost is the seller's."""
    helper = world.stranger
    world.stake(helper, 10**21, world.escrow)
    before = world.books.wealth()
    accepted = world.accepted()
    assert refuses(world, accepted, "OnlySeller", sender=helper) == (world.seller.address.lower(),)
    commitment = world.committee()
    false = commitment.other_opening(world.case(commitment.job_id).segment)
    world.ruled(commitment, [false] * 3)
    assert world.status(commitment.job_id) is JobStatus.SLASHED
    gains = world.books.gains(before)
    assert gains["seller"] == -world.job(commitment.job_id).collateral and "stranger" not in gains


def test_submit_refuses_a_late_result(world):
    job_id = world.accepted()
    deadline = world.job(job_id).deadline
    world.past_deadline(job_id)
    assert refuses(world, job_id, "TooLate") == (deadline, deadline + 1)


def test_submit_refuses_an_empty_cid_and_an_empty_root(world):
    job_id = world.accepted()
    refuses(world, job_id, "EmptyCid", result=bytes(32))
    refuses(world, job_id, "EmptyRoot", root=bytes(32))


def test_a_result_is_submitted_in_the_last_second(world):
    job_id = world.accepted()
    world.rpc.next_at(world.job(job_id).deadline)
    world.does(world.escrow.submit, *world.with_job(job_id), RESULT, ROOT, sender=world.seller)
    assert world.status(job_id) is JobStatus.SUBMITTED


def test_submit_fixes_an_epoch_whose_seed_nobody_knows(world):
    """Threats 13, 18: the deciding round lies at least the seed delay after the commitment."""
    job_id = world.accepted()
    done = world.does(world.escrow.submit, *world.with_job(job_id), RESULT, ROOT, sender=world.seller)
    job, now = world.job(job_id), world.rpc.now()
    assert job.status is JobStatus.SUBMITTED
    assert world.beacon.timeOf(job.epoch) >= now + world.params.seed_delay
    assert int.from_bytes(world.beacon.seedOf(job.epoch)) == 0
    expected = {"jobId": job_id, "seller": world.seller, "resultCid": RESULT, "segmentRoot": ROOT}
    expected |= {"epoch": job.epoch, "deadline": now + world.params.audit_window}
    assert done.event("JobSubmitted") == expected


def test_a_result_is_submitted_once(world):
    commitment = world.submitted()
    assert refuses(world, commitment.job_id, "WrongStatus") == (JobStatus.RUNNING, JobStatus.SUBMITTED)
