# SPDX-License-Identifier: Apache-2.0
"""What an idle look at the chain costs: public endpoints count calls, and daemons look for ever."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from swarm import daemon
from swarm.chain.snapshot import _KEPT_SECONDS
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.protocol.types import Address
from swarm.runtime.fake import FakeRunner
from swarm.seller.gas import _PERIOD_SECONDS
from swarm.seller.plan import Policy, Rest
from swarm.seller.worker import Worker
from tests.unit.chain.node import FakeNode
from tests.unit.chain.test_jobs import BUYER, POSTED, TERMS
from verifier.service import Judge

ME = Address("0x" + "77" * 20)
CALLS_AN_HOUR = 600
NOT_MINE = dict(seller=Address("0x" + "99" * 20))


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture(params=["worker", "judge"])
def idle(request, node, tmp_path):
    """A daemon that has nothing to do but to look."""
    journal = Journal(tmp_path / "journal.sqlite")
    account, chain = SimpleNamespace(address=ME), node.chain()
    if request.param == "worker":
        sandbox = Sandbox(FakeRunner(lambda run, emit: None), owner="test")
        options = {"store": None, "sandbox": sandbox, "home": tmp_path, "policy": Policy(price_floor=10**30)}
        yield Worker(chain=chain, journal=journal, account=account, **options)
    else:
        yield Judge(chain=chain, replayer=None, journal=journal, account=account)
    journal.close()


def cost(node, daemon) -> int:
    """The calls of one look that finds nothing to do."""
    before = node.calls.total()
    assert type(daemon.tick()).__name__ == Rest.__name__
    return node.calls.total() - before


def post(node, number: int) -> None:
    node.post(POSTED | {"jobId": number, "buyer": BUYER}, TERMS)


def test_an_idle_look_costs_two_calls_and_an_idle_hour_less_than_the_goal(node, idle):
    """With a hundred jobs that are open for others; once an hour everything is read anew."""
    for number in range(1, 101):
        post(node, number)
    whole = cost(node, idle)
    node.mine()
    assert cost(node, idle) == 2
    looks = 3600 / daemon._PERIOD_SECONDS
    gauge = 3 * 3600 / _PERIOD_SECONDS
    assert 2 * looks + whole * 3600 / _KEPT_SECONDS + gauge <= CALLS_AN_HOUR


def test_a_look_at_the_same_block_costs_one_call(node, idle):
    cost(node, idle)
    assert cost(node, idle) == 1


def test_the_first_look_asks_for_all_jobs_with_one_request(node, idle):
    for number in range(1, 41):
        post(node, number)
    before = node.requests
    idle.tick()
    assert node.requests - before <= 9


def test_a_job_that_moved_is_read_and_the_others_are_not(node, idle):
    for number in range(1, 41):
        post(node, number)
    cost(node, idle)
    post(node, 41)
    # The block and its logs, the count, the job's hash and events.
    assert cost(node, idle) <= 6


def test_a_branch_without_an_event_that_was_seen_costs_a_whole_look(node, idle):
    post(node, 1)
    cost(node, idle)
    node.branch += 1
    node.blocks[-1] = []
    node.jobs.clear()
    idle.tick()
    chain = idle._chain
    assert chain.client.reorganisations == 1 and chain.escrow.job_count() == 0
