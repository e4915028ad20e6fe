# SPDX-License-Identifier: Apache-2.0
"""A result counts as delivered once somebody holds it and it came back from outside; never before."""

import os

import pytest

from swarm.errors import IntegrityError, TransientError, UsageError
from swarm.storage import delivery as delivery_module
from swarm.storage.cid import parse
from swarm.storage.delivery import Delivery
from swarm.storage.fake import FakePinner, FakeStore
from swarm.storage.gateway_client import Gateway

NEAR, FAR, FAR_TOO = "http://near:1", "http://far:2", "http://too:3"


@pytest.fixture
def seller():
    return FakeStore()


@pytest.fixture
def cid(seller, tmp_path):
    for number in range(40):
        (tmp_path / f"file{number}").write_bytes(os.urandom(100))
    return seller.add(tmp_path)


@pytest.fixture
def gateways(monkeypatch):
    """URL → what stands behind it: a FakeStore or an error. `asked` lists who was asked for what."""
    behind, asked = {}, []

    def fetch(self, cid):
        asked.append((self.url, str(cid)))
        found = behind[self.url]
        if isinstance(found, Exception):
            raise found
        return found.get(cid)

    def check(self):
        if isinstance(behind[self.url], Exception):
            raise behind[self.url]

    monkeypatch.setattr(Gateway, "fetch", fetch)
    monkeypatch.setattr(Gateway, "check", check)
    behind["asked"] = asked
    return behind


def test_without_a_gateway_nothing_can_be_proved(seller):
    with pytest.raises(UsageError, match="no gateway"):
        Delivery(seller, [], [])


def test_nobody_who_takes_it_means_not_delivered_in_one_line(seller, cid, gateways):
    full, away = FakePinner(seller, "full"), FakePinner(seller, "away")
    full.fault, away.fault = UsageError("full takes no more"), TransientError("cannot reach away")
    with pytest.raises(TransientError, match="nobody holds") as raised:
        Delivery(seller, [full, away], [FAR]).deliver(cid)
    assert "full takes no more; cannot reach away" in str(raised.value) and "\n" not in str(raised.value)
    assert not gateways["asked"]


def test_one_holder_is_enough_and_the_others_failure_is_no_matter(seller, cid, gateways):
    away, node = FakePinner(seller, "away"), FakePinner(seller, "node")
    away.fault, gateways[FAR] = IntegrityError("speaks of something else"), node.held
    receipt = Delivery(seller, [away, node], [FAR]).deliver(cid)
    assert receipt.holders == ("node",) and receipt.through == FAR
    assert receipt.refused == ("speaks of something else",)


def test_what_was_pinned_but_does_not_come_back_is_not_delivered(seller, cid, gateways):
    node, gateways[FAR] = FakePinner(seller), TransientError("far answered 504")
    with pytest.raises(TransientError, match=r"cannot be fetched from outside.*504"):
        Delivery(seller, [node], [FAR]).deliver(cid)


def test_a_holder_that_keeps_the_root_only_is_found_out(seller, cid, gateways):
    node, gateways[FAR] = FakePinner(seller), FakeStore()
    gateways[FAR].blocks[parse(cid)] = seller.get(parse(cid))
    with pytest.raises(TransientError, match="nobody has"):
        Delivery(seller, [node], [FAR]).deliver(cid)


def test_a_gateway_that_takes_for_ever_proves_nothing(seller, cid, gateways, monkeypatch):
    monkeypatch.setattr(delivery_module, "PROOF_SECONDS", -1.0)
    node = FakePinner(seller)
    gateways[FAR] = node.held
    with pytest.raises(TransientError, match="takes longer than"):
        Delivery(seller, [node], [FAR]).deliver(cid)


def test_wrong_bytes_from_one_gateway_are_not_proof_and_the_next_is_asked(seller, cid, gateways):
    node = FakePinner(seller)
    gateways[FAR], gateways[FAR_TOO] = IntegrityError("far sent wrong bytes"), node.held
    assert Delivery(seller, [node], [FAR, FAR_TOO]).deliver(cid).through == FAR_TOO


def test_the_gateway_of_the_holder_itself_is_asked_only_where_there_is_no_other(seller, cid, gateways):
    node = FakePinner(seller, hosts=frozenset({"near:1"}))
    gateways[NEAR], gateways[FAR] = node.held, TransientError("far is away")
    with pytest.raises(TransientError, match="far is away"):
        Delivery(seller, [node], [NEAR, FAR]).deliver(cid)
    assert {url for url, _ in gateways["asked"]} == {FAR}
    alone = Delivery(seller, [node], [NEAR])
    receipt = alone.deliver(cid)
    assert receipt.through == NEAR and not alone.is_outside(receipt)


def test_looks_at_the_root_and_a_bounded_random_sample(seller, cid, gateways):
    node = FakePinner(seller)
    gateways[FAR] = node.held
    delivery, samples = Delivery(seller, [node], [FAR]), set()
    for _ in range(3):
        gateways["asked"].clear()
        assert delivery.deliver(cid).blocks == delivery_module.SAMPLE_BLOCKS
        asked = [name for _, name in gateways["asked"]]
        assert asked[0] == cid and len(set(asked)) == delivery_module.SAMPLE_BLOCKS
        samples.add(frozenset(asked))
    assert len(samples) > 1


def test_withdrawing_tries_everybody_before_it_complains(seller, cid):
    away, node = FakePinner(seller, "away"), FakePinner(seller, "node")
    node.pin(cid)
    away.fault = TransientError("away")
    with pytest.raises(TransientError, match="away"):
        Delivery(seller, [away, node], [FAR]).withdraw(cid)
    assert cid not in node.held.pins


def test_a_check_wants_one_holder_and_one_proving_gateway(seller, gateways):
    away, node = FakePinner(seller, "away"), FakePinner(seller, "node", hosts=frozenset({"near:1"}))
    away.fault = TransientError("away")
    gateways[NEAR], gateways[FAR] = node.held, TransientError("far")
    Delivery(seller, [away, node], [NEAR]).check()
    with pytest.raises(TransientError, match="far"):
        Delivery(seller, [away, node], [NEAR, FAR]).check()
    with pytest.raises(TransientError, match="away"):
        Delivery(seller, [away], [NEAR]).check()
