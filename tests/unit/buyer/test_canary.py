# SPDX-License-Identifier: Apache-2.0
"""Canaries without a chain: what makes none, what is committed, when it can be shown."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from swarm.buyer.canary import Canaries
from swarm.buyer.prepare import prepare
from swarm.errors import NotFound, UsageError
from swarm.execution.inputs import read_spec
from swarm.execution.results import leaves_of, publish, read_manifest
from swarm.protocol import commitment
from swarm.protocol.lifecycle.verdicts import CANARY
from swarm.protocol.types import ZERO_DIGEST, Address, CaseStatus, Comparison, JobId, JobStatus
from tests.unit.execution.conftest import SEGMENTS, Market, job_of
from tests.unit.execution.conftest import market as exact  # noqa: F401

BUYER, SELLER = (SimpleNamespace(address=Address("0x" + letter * 40)) for letter in "b5")


class Place:
    """A buyer with a finished job of class fp32, and an escrow that remembers."""

    def __init__(self, market: Market) -> None:
        self.market = market
        spec = market.spec.model_copy(update={"hardware_class": "fp32", "initial_state": None})
        prepared = prepare(spec, market.store, base=market.home, cache=market.home / "cache")
        self.bounded = Market(market.store, prepared.spec, prepared.spec_cid, market.home)
        products = self.bounded.execute().products
        published = publish(market.store, JobId(7), products, market.home / "staging", is_exact=False)
        facts = {"comparison": Comparison.TOLERANCE, "buyer": BUYER.address}
        self.like = job_of(prepared.spec, prepared.spec_cid, published, **facts)
        self.job, self.case, self.exposed = None, None, []
        escrow = SimpleNamespace(
            post=self.post, accept=self.accept, submit=self.submit, job=lambda job_id: self.job, min_collateral_for=min
        )
        court = SimpleNamespace(case=lambda job_id: self.case, expose_canary=lambda *told: self.exposed.append(told))
        token = SimpleNamespace(approval=lambda *told: None)
        network = SimpleNamespace(escrow="escrow", parameters={})
        chain = SimpleNamespace(escrow=escrow, court=court, token=token, network=network)
        self.canaries = Canaries(chain, market.store, market.home)

    def post(self, account, terms, *, after: None):
        self.job = replace(self.like, job_id=JobId(9), terms=terms, result_cid=ZERO_DIGEST, status=JobStatus.OPEN)
        return JobId(9), {}

    def accept(self, account, job, collateral):
        assert account is SELLER and job.terms.seller == SELLER.address
        self.job = replace(self.job, status=JobStatus.RUNNING)

    def submit(self, account, job, result_cid, root):
        self.job = replace(self.job, status=JobStatus.SUBMITTED, result_cid=result_cid, segment_root=root)

    def answered(self, status: JobStatus, *, case: CaseStatus = CaseStatus.VOTING, audited: bool = False) -> None:
        self.job = replace(self.job, status=status, audited=audited)
        self.case = SimpleNamespace(status=case, answers_draw=True, segment=2)


@pytest.fixture
def place(exact) -> Place:
    return Place(exact)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"buyer": SELLER.address}, "no job of yours with a result"),
        ({"result_cid": ZERO_DIGEST}, "no job of yours with a result"),
        ({"segments": SEGMENTS - 1}, "is a part of its spec"),
    ],
)
def test_refuses_a_job_that_makes_no_canary(place, changes, words):
    with pytest.raises(UsageError, match=words):
        place.canaries.release(BUYER, SELLER, replace(place.like, **changes))


def test_refuses_a_job_of_the_exact_class_and_a_seller_that_is_the_buyer(place, exact):
    with pytest.raises(UsageError, match="another account as its seller"):
        place.canaries.release(BUYER, BUYER, place.like)
    like = replace(exact.submitted(), buyer=BUYER.address)
    with pytest.raises(UsageError, match="no LoRA job that is compared within bounds"):
        place.canaries.release(BUYER, SELLER, like)


def test_is_an_earlier_result_under_another_seed_with_the_mark_in_every_leaf(place):
    place.canaries.release(BUYER, SELLER, place.like)
    spec = read_spec(place.market.store, place.job.terms.spec_cid)
    assert spec.training.seed != place.bounded.spec.training.seed
    assert spec.initial_state != place.bounded.spec.initial_state
    manifest, before = (read_manifest(place.market.store, job) for job in (place.job, place.like))
    assert [claim.output_cid for claim in manifest.segments] == [claim.output_cid for claim in before.segments]
    assert len({claim.digest for claim in (*manifest.segments, *before.segments)}) == 2 * SEGMENTS


@pytest.mark.parametrize(
    ("status", "audited", "words"),
    [(JobStatus.CHALLENGED, False, "has its fee"), (JobStatus.SUBMITTED, True, "has lost its bond's ten fees")],
)
def test_is_shown_with_an_opening_that_leads_to_the_committed_root(place, status, audited, words):
    place.canaries.release(BUYER, SELLER, place.like)
    place.answered(status, audited=audited)
    assert words in place.canaries.expose(BUYER, JobId(9))
    ((_, job, opening, proof),) = place.exposed
    assert opening.output_hash == CANARY
    leaf = commitment.opened_leaf(JobId(9), 2, opening)
    assert commitment.merkle_verify(job.segment_root, leaf, 2, SEGMENTS, proof)


def test_is_not_shown_before_a_judge_answered_nor_after_the_end(place):
    with pytest.raises(NotFound, match="no canary of this home"):
        place.canaries.expose(BUYER, JobId(9))
    place.canaries.release(BUYER, SELLER, place.like)
    place.answered(JobStatus.SUBMITTED)
    with pytest.raises(UsageError, match="no judge has answered"):
        place.canaries.expose(BUYER, JobId(9))
    place.answered(JobStatus.SETTLED)
    with pytest.raises(UsageError, match="is over"):
        place.canaries.expose(BUYER, JobId(9))
    assert not place.exposed


def test_an_honest_leaf_cannot_be_told_from_a_canary_s_by_what_is_published(place):
    """The same products twice: where leaves are not compared they differ, in the exact class they do not."""
    products = place.bounded.execute().products
    for is_exact, kinds in ((False, 2), (True, 1)):
        roots = set()
        for _ in range(2):
            published = publish(place.market.store, JobId(7), products, place.market.home / "s", is_exact=is_exact)
            job = replace(place.like, result_cid=published.result_cid, segment_root=published.segment_root)
            roots.add(tuple(leaves_of(read_manifest(place.market.store, job))))
        assert len(roots) == kinds
