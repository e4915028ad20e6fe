# SPDX-License-Identifier: Apache-2.0
"""submit."""

from world import RESULT

from swarm.protocol.types import JobStatus

ROOT = b"\x0b" * 32


def test_submit_refuses_a_job_that_does_not_run(world):
    job_id = world.post()
    world.refuses(world.escrow.submit, job_id, RESULT, ROOT, sender=world.seller, error="WrongStatus")


def test_submit_refuses_anybody_but_the_seller(world):
    job_id = world.accepted()
    world.refuses(world.escrow.submit, job_id, RESULT, ROOT, sender=world.stranger, error="OnlySeller")


def test_submit_refuses_a_late_result(world):
    job_id = world.accepted()
    deadline = world.job(job_id)["deadline"]
    world.past_deadline(job_id)
    values = world.refuses(world.escrow.submit, job_id, RESULT, ROOT, sender=world.seller, error="TooLate")
    assert values == (deadline, deadline + 1)


def test_submit_refuses_an_empty_cid_and_an_empty_root(world):
    job_id = world.accepted()
    world.refuses(world.escrow.submit, job_id, bytes(32), ROOT, sender=world.seller, error="EmptyCid")
    world.refuses(world.escrow.submit, job_id, RESULT, bytes(32), sender=world.seller, error="EmptyRoot")


def test_submit_fixes_an_epoch_whose_seed_nobody_knows(world):
    """Threats 13, 18: the deciding round lies at least the seed delay after the commitment."""
    job_id = world.accepted()
    done = world.does(world.escrow.submit, job_id, RESULT, ROOT, sender=world.seller)
    job, now = world.job(job_id), world.rpc.now()
    assert job["status"] == JobStatus.SUBMITTED
    assert world.beacon.timeOf(job["epoch"]) >= now + world.params.seed_delay
    assert int.from_bytes(world.beacon.seedOf(job["epoch"])) == 0
    assert job["deadline"] == now + world.params.audit_window
    assert (bytes(job["resultCid"]), bytes(job["segmentRoot"])) == (RESULT, ROOT)
    assert done.event("JobSubmitted")["epoch"] == job["epoch"]


def test_a_result_is_submitted_once(world):
    commitment = world.submitted()
    world.refuses(world.escrow.submit, commitment.job_id, RESULT, ROOT, sender=world.seller, error="WrongStatus")
