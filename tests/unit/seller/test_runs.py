# SPDX-License-Identifier: Apache-2.0
"""A run that ends early goes on from its last whole segment and commits to the same result as one never stopped."""

from types import SimpleNamespace

import pytest

from swarm.clock import wait_for
from swarm.errors import TransientError, UsageError
from swarm.execution.inputs import InputCache
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.protocol import commitment
from swarm.protocol.types import JobId, JobStatus
from swarm.runtime.fake import FakeRunner
from swarm.runtime.port import RunEnd
from swarm.seller import runs as runs_module
from swarm.seller.board import Board
from swarm.seller.runs import KIND, Runs
from swarm.storage.cid import DAG_PB, cid_from_digest
from swarm.storage.delivery import Receipt
from tests.unit.execution.conftest import SEGMENTS, market, program  # noqa: F401


@pytest.fixture
def seller(market, tmp_path):
    """Runs over a fake sandbox, and the job it has accepted; `world.stops_after` ends a run after that segment."""
    home = tmp_path / "sally"
    journal = Journal(home / "worker.sqlite")
    world = SimpleNamespace(stops_after=None, started_at=[], store=market.store, home=home, journal=journal)

    def play(run, emit):
        def tell(fact):
            emit(fact)
            if fact["segment"] == world.stops_after:
                world.runs.interrupt()
                raise _Stopped

        try:
            program(run, tell)
        except _Stopped:
            return RunEnd.STOPPED
        return None

    world.now, world.delivery = 0, _Delivery()
    chain = SimpleNamespace(client=SimpleNamespace(now=lambda: world.now))
    runner = FakeRunner(play)
    facts = {"chain": chain, "store": market.store, "sandbox": Sandbox(runner, owner="test"), "journal": journal}
    cache = InputCache(market.store, home / "cache")
    world.runs = Runs(**facts, cache=cache, home=home, board=Board(home), delivery=world.delivery)
    world.job = market.submitted(status=JobStatus.RUNNING, deadline=1_000)
    world.whole = market.submitted().segment_root
    world.runner = runner
    yield world
    journal.close()


class _Stopped(Exception):
    pass


class _Delivery:
    """`faults` are raised one after the other; `delivered` is what went through."""

    def __init__(self):
        self.faults, self.delivered, self.withdrawn = [], [], []

    def deliver(self, cid, *, seconds):
        if self.faults:
            raise self.faults.pop(0)
        self.delivered.append(cid)
        return Receipt(("node",), "http://far", 3)

    def withdraw(self, cid):
        self.withdrawn.append(cid)


def run(world, stops_after=None):
    world.stops_after = stops_after
    world.runs.start(world.job)
    wait_for(lambda: world.runs.running is None, timeout_seconds=30, what="the run", period_seconds=0.01)
    return world.journal.get(KIND, str(world.job.job_id))


def test_an_interrupted_run_is_no_failure_and_commits_nothing(seller):
    assert run(seller, stops_after=1) is None
    assert seller.runs.checkpoints(seller.job).count() == 2


def test_it_goes_on_from_the_last_whole_segment_to_the_same_result(seller):
    run(seller, stops_after=0)
    run(seller, stops_after=2)
    entry = run(seller)
    assert entry["step"] == "published"
    assert bytes.fromhex(entry["segment_root"]) == seller.whole
    states = [run_.inputs["state"].parent.parent.name for run_ in seller.runner.runs]
    assert len(states) == 3 and states[1:] == ["kept", "kept"]


def test_a_run_whose_segments_are_all_there_only_publishes(seller):
    run(seller, stops_after=SEGMENTS - 1)
    assert len(seller.runner.runs) == 1
    assert bytes.fromhex(run(seller)["segment_root"]) == seller.whole
    assert len(seller.runner.runs) == 1


def test_a_restart_after_a_crash_finds_what_the_killed_one_left(seller):
    run(seller, stops_after=1)
    # As after kill -9: nobody moved the segments out of the sandbox's folder.
    checkpoints = seller.runs.checkpoints(seller.job)
    kept = checkpoints.run_folder.parent / "kept"
    (checkpoints.run_folder).mkdir()
    kept.rename(checkpoints.run_folder / "outputs")
    assert bytes.fromhex(run(seller)["segment_root"]) == seller.whole
    assert seller.runner.runs[1].inputs["state"].name == "0001"


@pytest.mark.parametrize(("stops_after", "words"), [(None, "all segments"), ("none", "no segment")])
def test_does_not_hand_back_none_or_all_of_the_segments(seller, stops_after, words):
    if stops_after is None:
        run(seller, stops_after=SEGMENTS - 1)
    with pytest.raises(UsageError, match=words):
        seller.runs.publish_part(seller.job)


def test_a_part_opens_to_the_output_that_the_next_seller_starts_from(seller):
    run(seller, stops_after=2)
    published, done, (digest, output_cid, proof) = seller.runs.publish_part(seller.job)
    assert done == 3
    leaf = commitment.leaf(seller.job.job_id, 2, digest, output_cid)
    assert commitment.merkle_verify(published.segment_root, leaf, 2, 3, proof)


def test_a_buyers_own_program_has_no_say_in_what_a_segment_is(seller, monkeypatch):
    """It could announce a segment of its own making; a pause would then commit the seller to it."""
    monkeypatch.setattr("swarm.seller.runs.workload_of", lambda spec: SimpleNamespace(is_foreign=True))
    run(seller, stops_after=1)
    assert seller.runs.checkpoints(seller.job).count() == 0


def test_a_failing_program_is_given_up_unless_it_was_interrupted(seller):
    def fail(run_, emit):
        return RunEnd.FAILED

    seller.runner._program = fail
    entry = run(seller)
    assert entry["step"] == "failed" and "failed" in entry["reason"]


def test_stopping_the_worker_waits_for_the_end_of_the_run(seller):
    seller.stops_after = 0
    seller.runs.start(seller.job)
    seller.runs.stop()
    assert seller.runs.running is None


def test_a_result_that_nobody_can_fetch_yet_is_published_only_once_they_can(seller, monkeypatch):
    monkeypatch.setattr(runs_module, "_PUBLISH_RETRY_SECONDS", 0.01)
    seller.delivery.faults = [TransientError("cannot be fetched from outside")] * 3
    entry = run(seller)
    assert entry["step"] == "published" and len(seller.runner.runs) == 1
    assert seller.delivery.delivered == [cid_from_digest(bytes.fromhex(entry["result_cid"]), DAG_PB)]


def test_a_result_that_nobody_can_fetch_when_the_deadline_is_near_is_never_published(seller, monkeypatch, caplog):
    monkeypatch.setattr(runs_module, "_PUBLISH_RETRY_SECONDS", 0.01)
    seller.delivery.faults = [TransientError("cannot be fetched from outside")] * 1000
    seller.now = seller.job.deadline - 10
    with caplog.at_level("WARNING"):
        assert run(seller) is None
    assert not seller.delivery.delivered
    assert [record.message for record in caplog.records].count("waiting_to_publish") == 1, "said once"
    assert seller.journal.items("held"), "it is held meanwhile"


def test_a_part_is_handed_back_only_once_others_can_fetch_it_and_held_for_who_goes_on(seller):
    run(seller, stops_after=1)
    seller.delivery.faults = [TransientError("cannot be fetched from outside")]
    with pytest.raises(TransientError, match="from outside"):
        seller.runs.publish_part(seller.job)
    published, *_ = seller.runs.publish_part(seller.job)
    rest = JobId(seller.job.job_id + 1)
    seller.runs.handed_back(seller.job, rest, published)
    cid = cid_from_digest(published.result_cid, DAG_PB)
    seller.runs.retention.sweep({seller.job.job_id})
    assert not seller.delivery.withdrawn and cid in seller.store.pins
    seller.runs.retention.sweep({seller.job.job_id, rest})
    assert seller.delivery.withdrawn == [cid] and cid not in seller.store.pins
