# SPDX-License-Identifier: Apache-2.0
"""Disputes through the shipped commands, over one real market: challenges, an appeal, named keys, a silent drand."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.chain.network import Network
from swarm.clock import wait_for
from swarm.protocol.types import (
    UNAVAILABLE,
    UNDELIVERED,
    Address,
    BallotStatus,
    CaseStatus,
    Job,
    JobId,
    JobStatus,
    Ruling,
)
from swarm.units import format_amount
from tests.integration.drand_relay import Relay
from tests.integration.market import JUDGES, Market

pytestmark = pytest.mark.timeout(900)

PEOPLE = ("bob", "sally", "oscar", "paula", "vera", "larry", "sam")
STAKE = 50 * 10**18
WORKER = ("worker", "start", "--sandbox", "process", "--log-format", "json", "--job")


long = pytest.mark.skipif(
    os.environ.get("SWARM_LONG_TESTS") != "1", reason="minutes of waiting for windows; SWARM_LONG_TESTS=1 runs it"
)


@pytest.fixture(scope="module")
def market(tmp_path_factory, tiny_model):
    """One market for all tests of this file: every test brings a job and a seller of its own."""
    market = Market(tmp_path_factory.mktemp("disputes"), "process", "process", tiny_model)
    try:
        market.open()
        network = Network.load(market.network_file)
        market.relay = Relay(network.drand_urls[0])
        replace(network, drand_urls=(market.relay.url,)).save(market.network_file)
        market.seat_judges()
        market.enter(*PEOPLE)
        market.run_judges()
        yield market
        market.relay.close()
    finally:
        market.close()


def address_of(market: Market, person: str) -> Address:
    return market.keystore(person).address("main")


def tokens(market: Market, person: str) -> int:
    return market.chain.token.balance_of(address_of(market, person))


def job_of(market: Market, job_id: JobId) -> Job:
    return market.chain.escrow.job(job_id)


@contextmanager
def chain_time_standing(market: Market):
    """Blocks go on, but no window closes, however long a command takes on this machine."""
    client = market.chain.client
    client.rpc("anvil_setBlockTimestampInterval", 0)
    try:
        yield
    finally:
        client.rpc("anvil_removeBlockTimestampInterval")


def await_status(market: Market, job_id: JobId, status: JobStatus) -> None:
    wait_for(lambda: job_of(market, job_id).status is status, timeout_seconds=300, what=f"{status.name} of {job_id}")


def watched(market: Market, job_id: JobId, code: int) -> Job:
    """Follows the job as its buyer does, to the end that exit code `code` stands for."""
    actual, output, error = market.call("bob", "swarm", "job", "watch", str(job_id), "--timeout", "420")
    assert actual == code, output + error
    return job_of(market, job_id)


def ends(process: subprocess.Popen) -> None:
    assert process.wait(60) == 0


def rulings(market: Market, job_id: JobId) -> list[Ruling]:
    return [Ruling(event["args"]["ruling"]) for event in market.chain.court.events("Executed", job_id)]


def fee_of(market: Market, job: Job) -> int:
    return market.chain.escrow.fee_for(job.price, job.segments)


def assert_books(market: Market) -> None:
    """Every token is somewhere we can name, and no bond, fee or slot is tied up by a case that is over."""
    chain, network = market.chain, market.chain.network
    addresses = [address_of(market, person) for person in (*PEOPLE, *JUDGES)]
    holders = [*addresses, network.escrow, network.vault]
    assert sum(chain.token.balance_of(holder) for holder in holders) == chain.token.total_supply()
    assert sum(chain.vault.stake_of(address).stake for address in addresses) == chain.token.balance_of(network.vault)
    assert all(chain.escrow.credit_of(address) == 0 for address in addresses)
    bonds = [chain.bench.bond(slot.slot_id) for slot in chain.bench.slots()]
    assert not any(bond.cases or bond.reserved for bond in bonds)
    locked = sum(chain.vault.locked_by(address, network.bench) for address in addresses)
    assert locked == sum(bond.left for bond in bonds)
    assert not any(chain.vault.locked_by(address, network.escrow) for address in addresses)


@pytest.fixture(scope="module")
def acquitted(market, chats):
    """Sally's operator does the work; the buyer challenges it, wrongly."""
    bond = market.chain.bench.bond(1).left
    before = {person: tokens(market, person) for person in PEOPLE}
    market.facts("sally", "swarm", "stake", "deposit", "50")
    keys = ["--operator", address_of(market, "oscar"), "--payout", address_of(market, "paula")]
    named = market.facts("sally", "swarm", "stake", "keys", *keys)
    job_id = market.post("bob", chats)
    worker = market.start("oscar", "swarm", *WORKER, str(job_id), "--for", address_of(market, "sally"))
    await_status(market, job_id, JobStatus.SUBMITTED)
    with chain_time_standing(market):
        challenged = market.facts("bob", "swarm", "job", "challenge", str(job_id), "--segment", "0")
        assert job_of(market, job_id).status is JobStatus.CHALLENGED
    job = watched(market, job_id, 0)
    ends(worker)
    return {"job": job, "before": before, "named": named, "challenged": challenged, "judges_bond": bond}


def test_a_wrong_challenge_of_honest_work_loses_its_bond_and_the_job_settles(market, acquitted):
    job, before, fee = acquitted["job"], acquitted["before"], fee_of(market, acquitted["job"])
    bond = market.chain.court.challenge_bond(fee)
    assert acquitted["challenged"]["bond_tok"] == format_amount(bond) and bond == 5 * fee
    # First the committee's ruling on the challenge; then the draw, which a challenge does not answer.
    assert rulings(market, job.job_id) == [Ruling.ACQUITTED, Ruling.CONFIRMED]
    assert job.audited
    paid = before["bob"] - tokens(market, "bob")
    assert job.price + bond <= paid <= market.chain.escrow.escrow_for(job.terms.max_price, job.segments) + bond
    earned = [event["args"] for event in market.chain.bench.events("FeesEarned", job.job_id)]
    assert [(len(fees["judges"]), fees["first"]) for fees in earned] == [(3, fee), (1, fee)]
    assert earned[0]["each"] == fee, "three of the committee, then the one who confirmed"
    bonds = [market.chain.bench.bond(slot.slot_id).left for slot in market.chain.bench.slots()]
    assert bonds == [acquitted["judges_bond"]] * len(JUDGES)
    assert_books(market)


def test_an_operator_works_for_a_seller_whose_payout_address_is_paid(market, acquitted):
    job, before = acquitted["job"], acquitted["before"]
    seller, operator, payout = (address_of(market, person) for person in ("sally", "oscar", "paula"))
    assert acquitted["named"] == {"operator": operator, "payout": payout}
    assert job.seller == seller and job.collateral > 0
    settled = market.chain.escrow.events("JobSettled", job.job_id)[0]["args"]
    assert settled["seller"] == seller and settled["paid"] == job.price - settled["fee"]
    # A fifth of what the bond leaves after three judges' fees makes up for the wrong challenge.
    harm = 2 * fee_of(market, job) // 5
    assert tokens(market, "paula") - before["paula"] == settled["paid"] + harm
    assert tokens(market, "oscar") == before["oscar"]
    assert before["sally"] - tokens(market, "sally") == market.chain.vault.stake_of(seller).stake == STAKE
    assert market.chain.reputation.score_of(seller) > 0 == market.chain.reputation.score_of(operator)


def blocks_of(market: Market) -> set[Path]:
    return set((market.directory / "devnet" / "blocks").rglob("*.data"))


def test_a_result_that_vanished_costs_its_seller_the_collateral_and_refunds_the_buyer(market, chats, tmp_path):
    market.facts("vera", "swarm", "stake", "deposit", "50")
    before = tokens(market, "bob")
    # While a result may still come judges wait, until twice the time of a segment is left: here twenty seconds.
    job_id = post_spec(market, chats, tmp_path / "short.json", segment_seconds=10)
    escrowed, inputs = before - tokens(market, "bob"), blocks_of(market)
    worker = market.start("vera", "swarm", *WORKER, str(job_id))
    await_status(market, job_id, JobStatus.SUBMITTED)
    with chain_time_standing(market):
        worker.terminate()
        worker.wait(30)
        published = blocks_of(market) - inputs
        assert published
        for block in published:
            block.unlink()
        market.facts("bob", "swarm", "job", "challenge", str(job_id), "--undelivered")
    job = watched(market, job_id, 13)
    chain = market.chain
    assert job.status is JobStatus.SLASHED and rulings(market, job_id) == [Ruling.SLASHED]
    case = chain.court.case(job_id)
    said = {bytes(event["args"]["verdict"]) for event in chain.ballots.events("Revealed", job_id)}
    assert case.segment == UNDELIVERED and said == {UNAVAILABLE}
    assert chain.vault.stake_of(job.seller).stake == STAKE - job.collateral
    slashed = chain.escrow.events("JobSlashed", job_id)[0]["args"]
    assert slashed["slashed"] == job.collateral and slashed["refunded"] >= job.price
    # The bond is back, with a share of the collateral for having been right.
    assert tokens(market, "bob") > before - escrowed + slashed["refunded"]
    assert_books(market)


def post_spec(market: Market, chats: Path, path: Path, **changes) -> JobId:
    spec = {
        "version": 1,
        "type": "lora",
        "name": "short",
        "base_model": f"file:{market.model}",
        "datasets": [{"path": f"file:{chats}", "type": "chat_template"}],
        "training": {
            "lora_r": 2,
            "lora_alpha": 4,
            "sequence_len": 256,
            "micro_batch_size": 2,
            "max_steps": 20,
            "steps_per_segment": 1,
            "learning_rate": 2e-4,
            "seed": 1234,
        },
        "budget": {"max_total": 10},
    }
    path.write_text(json.dumps(spec | changes))
    return JobId(market.facts("bob", "swarm", "job", "post", str(path), "--engine", market.engine, "--yes")["job"])


@long
def test_a_convicted_cheat_that_appeals_still_loses(market, chats):
    """All four judges have spoken before, so nobody is left to hear the appeal: the ruling stands, its bond returns."""
    market.facts("larry", "swarm", "stake", "deposit", "50")
    before = tokens(market, "larry")
    job_id = market.post("bob", chats)
    lazy = cheat(market, "larry", job_id)
    chain = market.chain
    appealable = CaseStatus.APPEALABLE
    wait_for(lambda: chain.court.case(job_id).status is appealable, timeout_seconds=300, what="the first ruling")
    with chain_time_standing(market):
        assert chain.court.case(job_id).ruling is Ruling.SLASHED
        bond = market.facts("larry", "swarm", "job", "appeal", str(job_id))["bond_tok"]
        case = chain.court.case(job_id)
        assert case.status is CaseStatus.VOTING and case.instance == 2
        assert tokens(market, "larry") == before - chain.court.appeal_bond(1, fee_of(market, job_of(market, job_id)))
    job = watched(market, job_id, 13)
    ends(lazy)
    assert job.status is JobStatus.SLASHED and rulings(market, job_id) == [Ruling.SLASHED]
    assert chain.ballots.ballot(job_id, case.round).status is BallotStatus.FAILED
    assert [event["args"]["ruling"] for event in chain.court.events("Tallied", job_id)] == [Ruling.SLASHED] * 2
    assert float(bond) > 0 and tokens(market, "larry") == before
    assert chain.vault.stake_of(job.seller).stake == STAKE - job.collateral
    assert_books(market)


def cheat(market: Market, person: str, job_id: JobId) -> subprocess.Popen:
    with market.log(person).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.story.lazy_seller", str(job_id)],
            env=market.environment(person),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    market.processes.append(process)
    return process


@long
def test_judges_make_the_seed_while_drand_is_silent(market, chats):
    market.facts("sam", "swarm", "stake", "deposit", "50")
    before = tokens(market, "sam")
    market.relay.silent = True
    try:
        job_id = market.post("bob", chats)
        worker = market.start("sam", "swarm", *WORKER, str(job_id))
        job = watched(market, job_id, 0)
    finally:
        market.relay.silent = False
    ends(worker)
    beacon = market.chain.beacon
    seed, is_fallback = beacon.seed_for(job.epoch)
    attempt = beacon.attempt_of(job.epoch)
    assert seed and is_fallback and 1 <= attempt.reveals <= attempt.commitments <= len(JUDGES)
    steps = [line for judge in JUDGES for line in market.events(judge, "seed_step") if line["epoch"] == job.epoch]
    assert {"Commit", "FixBlock", "KeepHash", "Reveal", "Close"} == {line["step"] for line in steps}
    assert [line["step"] for line in steps].count("Reveal") >= attempt.reveals
    assert job.audited and tokens(market, "sam") > before
    assert_books(market)
