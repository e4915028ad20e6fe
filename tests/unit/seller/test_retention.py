# SPDX-License-Identifier: Apache-2.0
"""A published result stays until the chain says final of every job that needs it; then it goes."""

import pytest

from swarm.errors import TransientError
from swarm.journal import Journal
from swarm.protocol.types import JobId
from swarm.seller.retention import COLLECT_SECONDS, RENEW_SECONDS, Retention
from swarm.storage.fake import FakePinner, FakeStore

SEVEN, EIGHT = JobId(7), JobId(8)


class World:
    def __init__(self, home) -> None:
        self.store, self.now = FakeStore(), 0.0
        self.pinner = FakePinner(self.store)
        self.withdraw, self.deliver = self.pinner.unpin, self.pinner.pin
        self.journal = Journal(home / "worker.sqlite")
        self.retention = self.restarted()
        self.cid = self.store.add_bytes(b"result")
        self.pinner.pin(self.cid)

    def restarted(self) -> Retention:
        return Retention(self.journal, self.store, self, clock=lambda: self.now)

    def later(self, *final: JobId) -> None:
        self.now += COLLECT_SECONDS
        self.retention.sweep(set(final))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.journal.close()


def test_a_result_survives_collections_until_its_job_is_final_and_goes_then(world):
    world.retention.hold(SEVEN, world.cid)
    world.later()
    world.retention = world.restarted()
    world.later(EIGHT)
    assert world.store.has(world.cid) and world.cid in world.pinner.held.pins
    world.later(SEVEN)
    assert not world.store.has(world.cid) and world.cid not in world.pinner.held.pins
    assert world.journal.items("held") == []


def test_what_a_rest_starts_from_is_held_until_the_rest_is_final_too(world):
    world.retention.hold(SEVEN, world.cid)
    world.retention.hold(SEVEN, world.cid, also=[EIGHT])
    world.later(SEVEN)
    assert world.store.has(world.cid)
    world.later(SEVEN, EIGHT)
    assert not world.store.has(world.cid)


def test_a_holder_that_is_away_is_told_later(world):
    world.retention.hold(SEVEN, world.cid)
    world.pinner.fault = TransientError("away")
    world.later(SEVEN)
    assert world.journal.items("held") and world.store.has(world.cid)
    world.pinner.fault = None
    world.retention.sweep({SEVEN})
    assert world.journal.items("held"), "not at every look"
    world.later(SEVEN)
    assert world.journal.items("held") == [] and not world.store.has(world.cid)


def test_collects_once_an_hour_not_at_every_look(world):
    world.store.unpin(world.cid)
    world.retention.sweep(set())
    assert world.store.has(world.cid)
    world.later()
    assert not world.store.has(world.cid)


def test_what_a_holder_lost_goes_out_again_before_a_judge_asks(world, caplog):
    world.retention.hold(SEVEN, world.cid)
    world.later()
    world.pinner.held.blocks.clear()
    world.later()
    assert not world.pinner.held.has(world.cid), "not at every look"
    world.now, world.pinner.fault = world.now + RENEW_SECONDS, TransientError("away")
    world.later()
    assert [record.message for record in caplog.records] == ["result_not_retrievable"]
    world.pinner.fault = None
    world.later()
    assert world.pinner.held.has(world.cid)
