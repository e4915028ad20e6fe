# SPDX-License-Identifier: Apache-2.0
"""A chain that goes back under a running worker: what it did is gone, and it does it again without working twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from eth_account import Account

from swarm.buyer.offer import offer, post
from swarm.buyer.prepare import prepare
from swarm.chain.devnet import Devnet, fund
from swarm.chain.network import Chain
from swarm.clock import wait_for
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.protocol.types import JobStatus
from swarm.runtime.fake import FakeRunner
from swarm.seller.plan import Policy
from swarm.seller.worker import KIND, Worker
from swarm.storage.fake import FakeStore
from swarm.units import parse_amount
from swarm.workloads.spec import parse_spec
from tests.integration.test_chain_faults import mine_at_once
from verifier.observer import Observer

pytestmark = pytest.mark.timeout(120)
SPEC = {
    "version": 1,
    "type": "container",
    "name": "trivial",
    "image": "sha256:" + "0" * 64,
    "entrypoint": ["true"],
    "determinism": "exact",
    "budget": {"max_total": 2},
}


class Stage:
    """A chain with judges' seats, a buyer, and Sally's worker, whose program writes one file."""

    def __init__(self, chain: Chain, home, *, store=None, delivery=None) -> None:
        self.chain, self.home, self.store = chain, home, store or FakeStore()
        self.bob, self.sally = Account.create(), Account.create()
        for account in (self.bob, self.sally):
            fund(chain, account.address, parse_amount("1000"))
        chain.deposit(self.sally, parse_amount("50"), chain.network.escrow)
        self.runner = FakeRunner(lambda run, emit: (run.outputs / "x").write_text("done") and None)
        self.journal = Journal(home / "worker.sqlite")
        self.worker = Worker(
            chain=Chain(chain.network),
            store=self.store,
            sandbox=Sandbox(self.runner, owner="test"),
            journal=self.journal,
            account=self.sally,
            home=home,
            policy=Policy(),
            delivery=delivery,
        )

    def post(self) -> int:
        prepared = prepare(parse_spec(SPEC), self.store, base=self.home, cache=self.home / "cache")
        fee_min = int(self.chain.network.parameters["fee_min"])
        return post(self.chain, self.bob, offer(prepared.spec, prepared.spec_cid, fee_min=fee_min))[0]

    def job(self, job_id):
        return self.chain.escrow.job(job_id)

    def tick_until(self, probe, what) -> None:
        def ticked():
            self.worker.tick()
            return probe()

        wait_for(ticked, timeout_seconds=30, what=what, period_seconds=0.05)

    def go_back_to(self, block: int) -> None:
        """The chain forgets everything after `block`, and is as long as before."""
        client = self.chain.client
        depth = client.block_number() - block
        client.rpc("anvil_reorg", depth, [])


@pytest.fixture(scope="module")
def seated(tmp_path_factory):
    devnet = Devnet(tmp_path_factory.mktemp("chain"))
    try:
        chain = Chain(devnet.start()).check()
        mine_at_once(chain.client)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: seat(chain), range(4)))
        yield chain
    finally:
        devnet.stop()


def seat(chain) -> None:
    judge = Account.create()
    fund(chain, judge.address, parse_amount("1000"))
    chain.take_slot(judge, 1, judge.address)


@pytest.fixture
def stage(seated, tmp_path):
    stage = Stage(seated, tmp_path)
    yield stage
    stage.worker.stop()
    stage.journal.close()


def test_a_submission_that_is_taken_back_is_sent_again(stage):
    job_id = stage.post()
    stage.tick_until(lambda: stage.journal.get(KIND, str(job_id)), "the acceptance")
    stage.chain.client.rpc("evm_mine")
    before = stage.chain.client.block_number()
    stage.tick_until(lambda: stage.job(job_id).status is JobStatus.SUBMITTED, "the submission")
    stage.go_back_to(before)
    assert stage.job(job_id).status is JobStatus.RUNNING
    stage.tick_until(lambda: stage.job(job_id).status is JobStatus.SUBMITTED, "the second submission")
    assert len(stage.runner.runs) == 1, "the work was done twice"


def test_an_acceptance_that_is_taken_back_is_made_again_and_its_work_is_kept(stage):
    job_id = stage.post()
    before = stage.chain.client.block_number()
    stage.tick_until(lambda: stage.job(job_id).status is JobStatus.SUBMITTED, "the submission")
    stage.go_back_to(before)
    assert stage.job(job_id).status is JobStatus.OPEN
    stage.tick_until(lambda: stage.job(job_id).status is JobStatus.SUBMITTED, "the submission")
    assert len(stage.runner.runs) == 1, "the work was done twice"
    assert stage.worker._chain.client.reorganisations == 1


def test_a_posting_that_is_taken_back_is_forgotten(stage):
    before, count = stage.chain.client.block_number(), stage.chain.escrow.job_count()
    job_id = stage.post()
    with stage.worker._chain.client.snapshot():
        assert stage.worker._chain.escrow.job(job_id).status is JobStatus.OPEN
    stage.go_back_to(before)
    assert [job.job_id for job in stage.worker.observe().jobs] == list(range(1, count + 1))


def test_what_was_final_and_is_taken_back_is_looked_at_again(stage):
    judge = Observer(Chain(stage.chain.network), stage.sally.address, 1)
    job_id = stage.post()
    before = stage.chain.client.block_number()
    stage.chain.escrow.cancel(stage.bob, stage.job(job_id))
    stage.worker.observe()
    with judge._chain.client.snapshot() as now:
        judge.my_slots()
        judge.observed(now)
    assert job_id in stage.worker._final and job_id in judge._final
    stage.go_back_to(before)
    assert any(job.job_id == job_id and job.status is JobStatus.OPEN for job in stage.worker.observe().jobs)
    with judge._chain.client.snapshot() as now:
        judge.observed(now)
    assert job_id not in judge._final


def test_a_chain_that_goes_back_further_than_what_is_folded_anew_is_read_from_its_beginning(stage):
    job_id = stage.post()
    before = stage.chain.client.block_number()
    stage.chain.escrow.cancel(stage.bob, stage.job(job_id))
    stage.chain.client.rpc("anvil_mine", hex(150))
    follower = Chain(stage.chain.network).escrow
    assert follower.job(job_id).status is JobStatus.REFUNDED
    stage.go_back_to(before)
    assert follower.job(job_id).status is JobStatus.OPEN
