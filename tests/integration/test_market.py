# SPDX-License-Identifier: Apache-2.0
"""The whole life of jobs through the shipped commands, each role in its own process, over a real chain and store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from swarm.clock import wait_for
from swarm.protocol.types import JobStatus
from tests.integration.market import JUDGES, Market

pytestmark = pytest.mark.timeout(900)


def play_honest_job(market: Market, chats: Path, out: Path) -> int:
    market.seat_judges()
    market.run_judges()
    market.enter("bob", "sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    job_id = market.post("bob", chats)
    market.start("sally", "swarm", "worker", "start", "--sandbox", market.sandbox, "--log-format", "json")
    code, output, error = market.call("bob", "swarm", "job", "watch", str(job_id), "--timeout", "420")
    assert code == 0, output + error + market.log("sally").read_text()[-2000:]
    assert "settled" in output
    pulled = market.facts("bob", "swarm", "adapter", "pull", str(job_id), "-o", str(out))
    assert pulled["commitment"] == "matches the one on chain"
    return job_id


def assert_conserved(market: Market, *people: str) -> None:
    """Every token is somewhere we can name; the vault holds exactly everybody's stake."""
    chain, network = market.chain, market.chain.network
    addresses = [market.facts(person, "swarm", "wallet", "show")["address"] for person in people]
    holders = [*addresses, network.escrow, network.vault]
    assert sum(chain.token.balance_of(holder) for holder in holders) == chain.token.total_supply()
    assert sum(chain.vault.stake_of(address).stake for address in addresses) == chain.token.balance_of(network.vault)


def test_an_honest_job_in_containers_is_audited_and_paid(docker_market, chats, tmp_path):
    market = docker_market
    job_id = play_honest_job(market, chats, tmp_path / "out")
    job = market.chain.escrow.job(job_id)
    assert job.audited and job.audit_bps == 10_000
    weights = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name), "nothing was learnt"
    said = market.facts("bob", "swarm", "verify", str(job_id), "--segment", "3", "--local", str(tmp_path / "evidence"))
    assert said["verdict"] == "match" and said["claimed_leaf"] == said["recomputed_leaf"]
    assert (tmp_path / "evidence" / "trace.bin").stat().st_size == 16
    case = market.facts("bob", "verifier", "show", str(job_id))
    assert case["case"] == "closed" and case["ruling"] == "confirmed" and not case["denied"]
    assert [line for judge in JUDGES for line in market.events(judge, "confirmed")]
    assert len([line for judge in JUDGES for line in market.events(judge, "selftest_started")]) <= 1
    seat = market.facts(JUDGES[0], "verifier", "show")
    assert seat["slots"] != "none" and seat["cases"] == "0 of 4" and seat["bond_tok"] == "500"
    assert market.facts(JUDGES[0], "verifier", "queue") == []
    assert_conserved(market, "bob", "sally", *JUDGES)


def test_a_cheat_is_denied_convicted_and_slashed(process_market, chats):
    """Attack 1: noise of the right shape with forged traces loses its collateral; the buyer gets everything back."""
    market = process_market
    market.seat_judges()
    market.run_judges()
    market.enter("bob", "larry")
    market.facts("larry", "swarm", "stake", "deposit", "50")
    before = market.chain.token.balance_of(market.facts("bob", "swarm", "wallet", "show")["address"])
    job_id = market.post("bob", chats)
    escrowed = before - market.chain.token.balance_of(market.chain.escrow.job(job_id).buyer)
    with market.log("larry").open("wb") as log:
        market.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "scripts.story.lazy_seller", str(job_id)],
                env=market.environment("larry"),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        )
    code, output, error = market.call("bob", "swarm", "job", "watch", str(job_id), "--timeout", "420")
    assert code == 13, output + error
    chain, job = market.chain, market.chain.escrow.job(job_id)
    assert job.status is JobStatus.SLASHED
    assert chain.vault.stake_of(job.seller).stake == 50 * 10**18 - job.collateral
    slashed = chain.escrow.events("JobSlashed", job_id)[0]["args"]
    # At p = 100 % the whole levy pays the first judge; a fifth of the collateral makes up for the wait.
    assert slashed["refunded"] >= job.price and slashed["slashed"] == job.collateral
    assert chain.token.balance_of(job.buyer) == before - escrowed + slashed["refunded"]
    code, output, error = market.call("bob", "swarm", "verify", str(job_id), "--sandbox", "process", "--json")
    said = json.loads(output)
    assert code == 13 and said["verdict"] == "mismatch" and said["weights"] > 1, error
    assert "swarm job challenge" in error and said["evidence"].startswith("baf")
    denials = [line for judge in JUDGES for line in market.events(judge, "denied")]
    reveals = [line for judge in JUDGES for line in market.events(judge, "revealed")]
    assert len(denials) == 1 and len(reveals) == 3 and not any(line["matches"] for line in reveals)
    assert_conserved(market, "bob", "larry", *JUDGES)


def test_money_that_is_not_there_is_refused_before_anything_is_sent(process_market, chats):
    market = process_market
    market.enter("bob", tokens="1")
    code, _, error = market.call("bob", "swarm", "stake", "deposit", "5")
    assert code == 6 and "holds 1 TOK" in error
    arguments = ["-m", str(market.model), "-d", str(chats), "--max-spend", "10", "--yes"]
    code, _, error = market.call("bob", "swarm", "lora", *arguments)
    assert code == 6 and "this needs 10" in error
    assert market.facts("bob", "swarm", "job", "list") == []
    code, _, error = market.call("bob", "swarm", "stake", "unbond", "1")
    assert code == 6 and "free stake" in error
    market.chain.client.rpc("anvil_setBalance", market.facts("bob", "swarm", "wallet", "show")["address"], "0x0")
    code, _, error = market.call("bob", "swarm", "stake", "deposit", "1")
    assert code == 6 and "gas" in error
    assert not market.chain.token.balance_of(market.chain.network.escrow)


def test_a_wrong_passphrase_sends_nothing(process_market, tmp_path):
    market = process_market
    market.enter("bob")
    (tmp_path / "wrong").write_text("tr0ub4dor&3")
    code, _, error = market.call("bob", "swarm", "stake", "deposit", "5", "--passphrase-file", str(tmp_path / "wrong"))
    assert code == 5 and "wrong passphrase" in error and len(error.strip().splitlines()) == 1


def test_a_cancelled_job_gives_everything_back(process_market, chats):
    market = process_market
    market.enter("bob")
    address = market.facts("bob", "swarm", "wallet", "show")["address"]
    before = market.chain.token.balance_of(address)
    job_id = market.post("bob", chats)
    assert market.chain.token.balance_of(address) < before
    market.facts("bob", "swarm", "job", "cancel", str(job_id))
    assert market.chain.token.balance_of(address) == before
    code, output, _ = market.call("bob", "swarm", "job", "watch", str(job_id), "--timeout", "60")
    assert code == 11 and "refunded" in output
    code, _, error = market.call("bob", "swarm", "job", "cancel", str(job_id))
    assert code == 9 and "refunded" in error


def test_stake_goes_in_waits_and_comes_out(process_market):
    market = process_market
    market.enter("sally")
    market.facts("sally", "swarm", "stake", "deposit", "50")
    market.facts("sally", "swarm", "stake", "unbond", "20")
    code, _, error = market.call("sally", "swarm", "stake", "withdraw")
    assert code == 2 and "still unbonding" in error
    market.chain.client.rpc("evm_increaseTime", 31)
    address = market.facts("sally", "swarm", "wallet", "show")["address"]
    ready = market.chain.vault.unbondings_of(address)[0].ready_at
    wait_for(lambda: market.chain.client.now() >= ready, timeout_seconds=30, what="the unbonding")
    assert market.facts("sally", "swarm", "stake", "withdraw")["withdrawn_tok"] == "20"
    assert market.facts("sally", "swarm", "stake", "show")["stake_tok"] == "30"
