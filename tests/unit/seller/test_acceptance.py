# SPDX-License-Identifier: Apache-2.0
"""A worker looks before it accepts: every refusal carries the reason that `why` counts."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from swarm.errors import TransientError
from swarm.execution.inputs import InputCache
from swarm.execution.quota import Quota, cids_in
from swarm.protocol.types import Amount, Comparison, JobStatus
from swarm.seller.acceptance import Acceptance, Refused
from swarm.seller.candidates import Candidates
from swarm.seller.policy import Policy
from swarm.seller.view import Reason
from swarm.storage.cid import parse
from swarm.workloads.spec import canonical_json
from tests.unit.execution.conftest import market  # noqa: F401
from tests.unit.seller.test_plan import NOW, SALLY


@pytest.fixture
def world(market, tmp_path):
    """An open job in a fake store, a chain that wants 25 of collateral, and a seller with 30."""
    terms = replace(market.submitted().terms, segment_seconds=market.spec.segment_seconds)
    job = market.submitted(status=JobStatus.OPEN, terms=terms)
    chain = SimpleNamespace(
        escrow=SimpleNamespace(min_collateral_for=lambda price, segments: Amount(25)),
        vault=SimpleNamespace(stake_of=lambda account: SimpleNamespace(free=Amount(30))),
    )

    def acceptance(**changes):
        policy = changes.pop("policy", Policy())
        home = tmp_path / "seller-home"
        facts = {
            "chain": chain,
            "store": market.store,
            "cache": InputCache(market.store, home / "cache"),
            "quota": Quota(home, cache_bytes=policy.cache_bytes, disk_bytes=policy.disk_bytes),
            "policy": policy,
            "memory_bytes": 1 << 30,
            "collateral": Amount(0),
            "accepts_engine": lambda engine: True,
            "computes": lambda hardware_class: True,
            "seller": SALLY,
        }
        return Acceptance(**(facts | changes))

    def prepare(job=job, in_use=(), **changes):
        return acceptance(**changes).prepare(job, in_use)

    home = tmp_path / "seller-home"
    return SimpleNamespace(
        job=job, chain=chain, acceptance=acceptance, prepare=prepare, home=home, store=market.store, spec=market.spec
    )


def refused(prepare, **changes) -> Reason:
    with pytest.raises(Refused) as caught:
        prepare(**changes)
    return caught.value.reason


def test_refuses_terms_that_are_not_the_specs(world):
    terms = world.job.terms
    for odd in (
        replace(world.job, segments=3),
        replace(world.job, terms=replace(terms, segment_seconds=1)),
        replace(world.job, terms=replace(terms, hardware_class=9)),
        replace(world.job, terms=replace(terms, comparison=Comparison.TOLERANCE)),
    ):
        assert refused(world.prepare, job=odd) is Reason.SPEC


def test_refuses_a_spec_that_is_none_or_that_nobody_has(world):
    assert refused(world.prepare, job=replace(world.job, terms=replace(world.job.terms, spec_cid=bytes(32)))) in (
        Reason.INPUTS,
        Reason.SPEC,
    )


def test_refuses_by_the_sellers_policy(world):
    assert refused(world.prepare, policy=Policy(types=frozenset({"sweep"}))) is Reason.TYPE
    assert refused(world.prepare, policy=Policy(images=frozenset({"sha256:" + "0" * 64}))) is Reason.IMAGE
    assert refused(world.prepare, accepts_engine=lambda engine: False) is Reason.IMAGE
    assert refused(world.prepare, computes=lambda hardware_class: False) is Reason.HARDWARE


def test_refuses_what_this_machine_cannot_hold(world):
    assert refused(world.prepare, memory_bytes=16) is Reason.MEMORY
    assert refused(world.prepare, policy=Policy(disk_bytes=16)) is Reason.DISK


def test_refuses_without_the_stake(world):
    assert refused(world.prepare, collateral=Amount(31)) is Reason.STAKE


def test_a_store_that_is_down_is_waited_for_and_refuses_nothing(world, monkeypatch):
    def down(*arguments, **options):
        raise TransientError("down")

    monkeypatch.setattr(world.store, "read", down)
    with pytest.raises(TransientError):
        world.prepare()


def test_takes_what_fits_and_makes_room_without_touching_what_is_needed(world):
    old, used = f"bafybei{'a' * 52}", f"bafybei{'b' * 52}"
    for cid in (old, used):
        (world.home / "cache" / cid).mkdir(parents=True)
        (world.home / "cache" / cid / "x").write_bytes(b"x" * 1000)
    assert world.prepare(policy=Policy(cache_bytes=10), in_use={used}) == 25
    left = {path.name for path in (world.home / "cache").iterdir()}
    assert used in left and old not in left and len(left) == 4  # model, data and state of this job
    assert world.prepare(collateral=Amount(28)) == 28


def test_nothing_is_locked_for_a_job_whose_inputs_are_withheld(world):
    """Attack 54: spec and inputs are here, whole, before the collateral is at risk."""
    locked = []
    world.chain.escrow.accept = lambda account, job, collateral, seller: locked.append(collateral)
    world.chain.client = SimpleNamespace(now=lambda: NOW)
    candidates = Candidates(world.chain, None, SALLY, world.acceptance())
    inputs = [parse(cid) for cid in sorted(cids_in(canonical_json(world.spec)))]
    assert len(inputs) == 3  # model, data and state
    for cid in inputs:
        shutil.rmtree(world.home, ignore_errors=True)  # what it fetched for the last try
        kept = world.store.blocks.pop(cid)
        assert candidates.take(world.job, ()) is None and not locked
        assert candidates.refused(NOW) == {world.job.job_id: Reason.INPUTS}
        world.store.blocks[cid] = kept
    assert candidates.take(world.job, ()) == 25 and locked == [25]
