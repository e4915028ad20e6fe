# SPDX-License-Identifier: Apache-2.0
"""The book of jobs believes no event that the stored hash does not prove."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from swarm.chain.jobs import JobBook, state_hash, terms_hash
from swarm.errors import NotFound, TransientError
from swarm.protocol import history
from swarm.protocol.types import Address, Amount, Digest, JobId, JobStatus, Terms
from tests.unit.chain import node as nodes

BUYER, SELLER = Address("0x" + "b0" * 20), Address("0x" + "51" * 20)
TERMS = Terms(
    spec_cid=Digest(b"\x5c" * 32),
    max_price=Amount(100),
    start_price=Amount(50),
    rise_seconds=10,
    segments=4,
    segment_seconds=60,
    run_seconds=600,
    open_seconds=100,
    hardware_class=1,
)
POSTED = {"jobId": 1, "buyer": BUYER, "terms": TERMS.values(), "held": 138, "openUntil": 1_100}
ACCEPTED = {"jobId": 1, "seller": SELLER, "price": 70, "collateral": 25, "auditBps": 9_000, "deadline": 1_700}
REOPENED = {"jobId": 1, "seller": SELLER, "penalty": 1, "reopened": True}


class Endpoint:
    """Answers stateOf, the block number and events as a node would; counts the queries for events."""

    endpoints = SimpleNamespace(name="http://127.0.0.1:1")
    is_looking = False

    def __init__(self) -> None:
        self.blocks: list[list[tuple[str, dict]]] = []
        self.states: dict[int, bytes] = {}
        self.queries = 0
        self.begins: list[int] = []

    def call(self, function) -> bytes:
        return self.states.get(function, bytes(32))

    def prefetch(self, functions) -> None:
        """Outside a snapshot nothing is fetched ahead."""

    def block_number(self) -> int:
        return len(self.blocks) - 1

    def all_logs(self, contract, first, last):
        self.queries += 1
        self.begins.append(first)
        for number, block in enumerate(self.blocks[first : last + 1], first):
            for name, arguments in block:
                yield {"event": name, "args": arguments, "blockNumber": number}


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def book(endpoint) -> JobBook:
    contract = SimpleNamespace(functions=SimpleNamespace(stateOf=lambda job_id: job_id))
    return JobBook(endpoint, contract, 0)


def happens(endpoint, *events: tuple[str, dict], prove: bool = True) -> None:
    """A block with these events; the stored hash is that of what they make."""
    endpoint.blocks.append(list(events))
    job = None
    for name, arguments in [event for block in endpoint.blocks for event in block]:
        job = (
            history.posted(terms_hash(TERMS), arguments) if name == "JobPosted" else history.apply(job, name, arguments)
        )
    if prove:
        endpoint.states[1] = state_hash(job)


def test_refuses_a_job_that_was_never_posted(book):
    with pytest.raises(NotFound):
        book.job(JobId(1))


def test_a_job_that_is_counted_and_not_there_is_waited_for(endpoint, book):
    endpoint.is_looking = True
    with pytest.raises(TransientError, match="does not have it yet"):
        book.job(JobId(1))


def test_refuses_events_that_do_not_make_the_stored_state(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    endpoint.blocks[0] = [("JobPosted", POSTED | {"held": 139})]
    with pytest.raises(TransientError, match="not its state"):
        book.job(JobId(1))


def test_refuses_a_state_whose_events_are_missing(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    happens(endpoint, ("JobAccepted", ACCEPTED))
    endpoint.blocks[1] = []
    with pytest.raises(TransientError):
        book.job(JobId(1))


def test_reads_on_when_the_state_moves_and_asks_nothing_when_it_does_not(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    assert book.job(JobId(1)).status is JobStatus.OPEN
    asked = endpoint.queries
    assert book.job(JobId(1)).terms == TERMS
    assert endpoint.queries == asked
    happens(endpoint, ("JobAccepted", ACCEPTED))
    job = book.job(JobId(1))
    assert (job.status, job.seller, job.price, job.deadline) == (JobStatus.RUNNING, SELLER, 70, 1_700)
    assert endpoint.queries == asked + 1


def test_reads_no_block_twice_while_the_chain_only_grows_and_keeps_a_place_to_go_back_to(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    book.job(JobId(1))
    for round_ in range(200):
        happens(endpoint, ("JobAborted", REOPENED) if round_ % 2 else ("JobAccepted", ACCEPTED))
        book.job(JobId(1))
    again = [number for number, begin in enumerate(endpoint.begins) if begin != number]
    assert len(again) <= 6
    endpoint.begins.clear()
    del endpoint.blocks[-1]
    happens(endpoint, ("JobAborted", REOPENED | {"reopened": False}))
    assert book.job(JobId(1)).status is JobStatus.REFUNDED
    assert len(endpoint.begins) == 2 and min(endpoint.begins) > 100


def test_forgets_what_a_reorganisation_took_back(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    happens(endpoint, ("JobAccepted", ACCEPTED))
    assert book.job(JobId(1)).status is JobStatus.RUNNING
    del endpoint.blocks[1]
    happens(endpoint, ("JobAccepted", ACCEPTED | {"collateral": 26}))
    assert book.job(JobId(1)).collateral == 26


def test_an_open_job_is_worth_what_the_clock_says(endpoint, book):
    happens(endpoint, ("JobPosted", POSTED))
    job = book.job(JobId(1))
    assert [job.price_at(time) for time in (1_000, 1_005, 1_010, 1_100)] == [50, 75, 100, 100]
    assert replace(job, price=Amount(70)).price_at(1_100) == 70


def test_whoever_asks_a_node_sees_every_job_with_all_its_terms():
    """Attack 61: there is no list of orders but the chain's own, and nobody to leave one out."""
    node = nodes.FakeNode()
    for number in range(1, 4):
        node.post(POSTED | {"jobId": number}, TERMS)
    seen = list(node.chain().escrow.jobs())
    assert [(job.job_id, job.buyer.lower(), job.terms) for job in seen] == [(n, BUYER, TERMS) for n in (3, 2, 1)]


def test_a_node_that_leaves_a_job_out_of_its_events_is_noticed():
    """Attack 61: what is counted and stored must be told."""
    node = nodes.FakeNode()
    for number in (1, 2):
        node.post(POSTED | {"jobId": number}, TERMS)
    node.blocks[2] = []
    with pytest.raises(TransientError, match="job 2 that are not its state"):
        list(node.chain().escrow.jobs())
