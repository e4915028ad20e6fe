# SPDX-License-Identifier: Apache-2.0
"""Why nothing is earned: every open job that is not taken counts under exactly one reason."""

from dataclasses import replace

import pytest

from swarm.protocol.types import Address, JobId, JobStatus
from swarm.seller import offers, plan
from swarm.seller.plan import Mode, Policy, Reason, Step, Work
from tests.unit.seller.test_plan import NOW, SALLY, TERMS, job, view

OTHER = Address("0x" + "0e" * 20)


@pytest.mark.parametrize(
    ("reason", "changes", "seen"),
    [
        (Reason.OWN, {"buyer": SALLY}, {}),
        (Reason.PRICE, {}, {"policy": Policy(price_floor=101)}),
        (Reason.HARDWARE, {"terms": replace(TERMS, hardware_class=6)}, {"policy": Policy(classes=frozenset({"fp32"}))}),
        (Reason.TOO_LONG, {}, {"policy": Policy(max_run_seconds=599)}),
        (Reason.NAMED, {"terms": replace(TERMS, seller=OTHER)}, {}),
        (Reason.REPUTATION, {"terms": replace(TERMS, min_reputation=1)}, {}),
        (Reason.EXPIRED, {"deadline": NOW}, {}),
        (Reason.ONLY_JOB, {}, {"policy": Policy(only_job=JobId(9))}),
        (Reason.GIVEN_UP, {}, {"work": [Work(JobId(1), Step.FAILED)]}),
        (Reason.GIVEN_UP, {}, {"work": [Work(JobId(1), Step.HANDED_BACK)]}),
        (Reason.JUDGES, {}, {"refused": {JobId(1): Reason.JUDGES}}),
        (Reason.PAUSED, {}, {"mode": Mode.PAUSE}),
        (Reason.DRAINING, {}, {"mode": Mode.DRAIN}),
        (Reason.GAS, {}, {"blocked": Reason.GAS}),
        (Reason.SCHEDULE, {}, {"blocked": Reason.SCHEDULE}),
    ],
)
def test_counts_a_job_under_its_reason_and_does_not_take_it(reason, changes, seen):
    looked = view(job(**changes), **seen)
    assert offers.tally(looked) == {reason: 1}
    assert isinstance(plan.decide(looked), plan.Rest)


def test_counts_what_a_busy_worker_would_take_as_busy():
    running = job(2, JobStatus.RUNNING)
    assert offers.tally(view(job(1), running, running=JobId(2))) == {Reason.BUSY: 1}
    assert offers.tally(view(job(1, buyer=SALLY), running)) == {Reason.OWN: 1}


def test_counts_nothing_that_will_be_taken():
    assert not offers.tally(view(job(1)))
    assert offers.tally(view(job(1), job(2, buyer=SALLY))) == {Reason.OWN: 1}


def test_every_reason_that_a_person_can_change_has_a_remedy():
    nobody_can = {Reason.OWN, Reason.GIVEN_UP, Reason.EXPIRED, Reason.NAMED, Reason.SPEC, Reason.REFUSED}
    assert set(Reason) - set(offers.REMEDIES) == nobody_can
