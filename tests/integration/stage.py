# SPDX-License-Identifier: Apache-2.0
"""One chain that mines at once and whose time a test moves, six judges, a store, and people whose daemons may die."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from safetensors.numpy import save_file

from swarm.buyer.offer import Wishes, offer, post
from swarm.buyer.prepare import Prepared, prepare
from swarm.chain.devnet import Devnet, fund
from swarm.chain.keystore import Keystore
from swarm.chain.network import Chain
from swarm.clock import wait_for
from swarm.execution.segments import Sandbox
from swarm.journal import Journal
from swarm.protocol.types import Job, JobId, JobStatus
from swarm.runtime.fake import FakeRunner
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.units import parse_amount
from swarm.workloads.spec import parse_spec
from tests.integration.dying import Death, Life, Play
from tests.integration.market import FAST_KEYSTORE
from tests.integration.test_chain_faults import mine_at_once
from tests.unit.execution.conftest import ROW, SEGMENTS, program
from verifier.replay import Replayer
from verifier.service import Judge

JUDGES = ("judith", "jules", "jana", "jorge", "june", "jarl")
WORDS = "correct horse battery staple"
# Twenty-four times the price: one job in twenty is drawn.
COLLATERAL, STAKE = "24", "200"
_numbers = itertools.count()


@dataclass
class Person:
    """Somebody with a home; `log` is what all lives of the daemon have said."""

    name: str
    home: Path
    account: LocalAccount

    @property
    def log(self) -> Path:
        return self.home.parent / "log"

    @property
    def computed(self) -> list[int]:
        """Every segment that was computed, in order."""
        diary = self.home.parent / "diary"
        return [int(line) for line in diary.read_text().split()] if diary.exists() else []

    def events(self, name: str) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["event"] == name]

    def journal(self, kind: str, role: str = "worker") -> dict[str, dict]:
        journal = Journal(self.home / f"{role}.sqlite")
        try:
            return dict(journal.items(kind))
        finally:
            journal.close()


class Stage:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._devnet = Devnet(directory / "devnet", parameters={"audit_window": 60, "reveal_seconds": 60})
        self.gateway = GatewayServer(FlatFs(directory / "blocks"), upload_quota_bytes=1 << 30)
        self.lives: list[Life] = []
        self.judges: dict[str, Person] = {}

    # setting up

    def open(self) -> None:
        network = self._devnet.start()
        self.gateway.start()
        self.network = replace(network, gateways=(self.gateway.url,), push_to=self.gateway.url, engine="process")
        self.network.save(self.directory / "network.json")
        (self.directory / "words").write_text(WORDS)
        self.chain = Chain(self.network).check()
        mine_at_once(self.chain.client)
        self.bob = Account.create()
        fund(self.chain, self.bob.address, parse_amount("10000"))
        approval = self.chain.token.approval(self.bob, self.network.escrow, parse_amount("10000"))
        self.chain.client.send(approval, self.bob)
        with ThreadPoolExecutor(len(JUDGES)) as pool:
            self.judges = dict(zip(JUDGES, pool.map(self._seated, JUDGES), strict=True))
        self.store = EmbeddedStore(self.directory / "bob", gateways=(self.gateway.url,), push_to=self.gateway.url)
        self.prepared = self.prepare(SEGMENTS)

    def close(self) -> None:
        for life in self.lives:
            if not life.has_ended:
                life.kill()
        self.gateway.stop()
        self._devnet.stop()

    def person(self, name: str, *, stake: str | None = None) -> Person:
        home = self.directory / name / "home"
        person = Person(name, home, None)
        Keystore(home / "keystore").create("main", WORDS, iterations=FAST_KEYSTORE)
        person.account = Keystore(home / "keystore").unlock("main", WORDS)
        fund(self.chain, person.account.address, parse_amount("1000"))
        if stake:
            self.chain.deposit(person.account, parse_amount(stake), self.network.escrow)
        return person

    def _seated(self, name: str) -> Person:
        judge = self.person(name)
        self.chain.take_slot(judge.account, 1, judge.account.address)
        return judge

    def prepare(self, segments: int) -> Prepared:
        """A chained job that no library is needed for."""
        folder = self.directory / "bob"
        (folder / "model").mkdir(parents=True, exist_ok=True)
        names = [f"model.layers.0.self_attn.{name}.weight" for name in ("q_proj", "v_proj")]
        save_file({name: np.zeros((8, 8), np.float32) for name in names}, folder / "model" / "model.safetensors")
        (folder / "model" / "config.json").write_text("{}")
        (folder / "chat.jsonl").write_text(json.dumps(ROW) + "\n")
        training = {"max_steps": segments, "steps_per_segment": 1, "seed": 1, "lora_r": 2}
        spec = {"version": 1, "type": "lora", "name": "tiny", "base_model": "file:model", "training": training}
        spec |= {"datasets": [{"path": "file:chat.jsonl"}], "budget": {"max_total": 1}}
        return prepare(parse_spec(spec), self.store, base=folder, cache=folder / "cache", engine="process")

    # acting

    def post(self, *, parts: int = 1, prepared: Prepared | None = None, to: Person | None = None, **terms) -> JobId:
        """`to` is the only one who may take it: others' turns are waited for, and nothing moves this chain's clock."""
        terms |= {"seller": to.account.address} if to else {}
        prepared = prepared or self.prepared
        fee_min = int(self.network.parameters["fee_min"])
        wishes = Wishes(parts=parts)
        offered = offer(prepared.spec, prepared.spec_cid, fee_min=fee_min, wishes=wishes)
        return post(self.chain, self.bob, replace(offered, terms=replace(offered.terms, **terms)))[0]

    def job(self, job_id: JobId) -> Job:
        return self.chain.escrow.job(job_id)

    def life(self, person: Person, *arguments: str, death: Death | None = None, play: Play | None = None) -> Life:
        environment = {
            "SWARM_HOME": str(person.home),
            "SWARM_NETWORK": str(self.directory / "network.json"),
            "SWARM_PASSPHRASE_FILE": str(self.directory / "words"),
        }
        life = Life(arguments, environment, person.log, death=death, play=play or Play())
        self.lives.append(life)
        return life

    def worker(self, person: Person, *options: str, death: Death | None = None, play: Play | None = None) -> Life:
        common = ("worker", "start", "--log-format", "json", "--collateral", COLLATERAL)
        return self.life(person, "swarm", *common, *options, death=death, play=play)

    def verifier(self, person: Person, *options: str, death: Death | None = None, play: Play | None = None) -> Life:
        return self.life(person, "verifier", "run", "--log-format", "json", *options, death=death, play=play)

    def pass_time(self, seconds: int) -> None:
        self.chain.client.rpc("evm_increaseTime", seconds)
        self.chain.client.rpc("evm_mine")

    def pass_until(self, time: int) -> None:
        if (left := time - self.chain.client.now()) > 0:
            self.pass_time(left)

    def mine(self) -> None:
        """Mines what waits, and goes on mining at once."""
        mine_at_once(self.chain.client)
        self.chain.client.rpc("evm_mine")

    def bring_seed(self, epoch: int) -> None:
        beacon = self.chain.beacon
        self.pass_until(beacon.time_of(epoch))
        if beacon.seed_of(epoch) is None:
            beacon.submit(self.bob, epoch, self.chain.drand.signature(beacon.round_of(epoch)))

    def judge_of(self, name: str, home: Path) -> Judge:
        """An honest judge in this process."""
        replayer = Replayer(self.store, Sandbox(FakeRunner(program), owner=name), home)
        account = self.judges[name].account
        return Judge(chain=Chain(self.network), replayer=replayer, journal=Journal(home / "j"), account=account)

    def judge_until(self, probe: Callable[[], object], judges: list[Judge], what: str) -> None:
        def turned() -> object:
            for judge in judges:
                judge.tick()
            return probe()

        wait_for(turned, timeout_seconds=60, what=what, period_seconds=0.02)

    def until(self, probe: Callable[[], object], what: str, *, seconds: float = 60) -> None:
        wait_for(probe, timeout_seconds=seconds, what=what, period_seconds=0.05)

    def waits(self, account: LocalAccount) -> bool:
        """Whether something an account has sent is not mined."""
        counts = {
            at: self.chain.client.rpc("eth_getTransactionCount", account.address, at) for at in ("latest", "pending")
        }
        return counts["latest"] != counts["pending"]

    # looking

    def failed_transactions(self, account: LocalAccount, first_block: int) -> list[str]:
        """Transactions of an account that were mined and reverted: something sent twice.

        What anyone may do can fail because somebody else did the very same at that moment: that is no second time.
        """
        rpc, own, failed, done_by_others = self.chain.client.rpc, account.address.lower(), [], set()
        for number in range(first_block, self.chain.client.block_number() + 1):
            sent = {each["hash"]: each for each in rpc("eth_getBlockByNumber", hex(number), True)["transactions"]}
            for receipt in rpc("eth_getBlockReceipts", hex(number)) or ():
                transaction = sent[receipt["transactionHash"]]
                call = (transaction["to"], transaction["input"])
                if receipt["status"] == "0x1" and receipt["from"].lower() != own:
                    done_by_others.add(call)
                elif receipt["status"] != "0x1" and receipt["from"].lower() == own:
                    failed.append((receipt["transactionHash"], call))
        return [name for name, call in failed if call not in done_by_others]

    def count(self, event: str, job_id: JobId) -> int:
        return len(self.chain.escrow.events(event, job_id))


def leftovers(person: Person) -> list[str]:
    """What should not be in a home when all is done."""
    home = person.home
    found = [*home.rglob("*.part"), *home.glob("fetched-*"), *home.glob("work/*"), *home.glob("replay/*")]
    found += [path for path in home.glob("store/blocks/.temp/*")]
    return [str(path.relative_to(home)) for path in found]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = Stage(tmp_path_factory.mktemp("stage"))
    patch = pytest.MonkeyPatch()
    # The signer serves a round at its time; here that is the chain's, which the tests move.
    patch.setattr("swarm.chain.drand_signer.time", SimpleNamespace(time=lambda: made.chain.client.now()))
    try:
        made.open()
        yield made
    finally:
        made.close()
        patch.undo()


@pytest.fixture
def sally(stage):
    """A seller of her own for every test, so that what is locked is locked by its job."""
    stage.first_block = stage.chain.client.block_number()
    person = stage.person(f"sally{next(_numbers)}", stake=STAKE)
    yield person
    for life in stage.lives:
        if not life.has_ended:
            life.kill()
    stage.mine()
    for job in stage.chain.escrow.jobs():
        if job.status is JobStatus.OPEN:
            stage.chain.escrow.cancel(stage.bob, job)


def assert_alone(stage: Stage, start: Callable[[Person], Life], person: Person, role: str, folder: Path) -> None:
    """While a person's daemon runs, another one with the same home is refused, and one with the same key elsewhere."""
    start(person)
    stage.until(lambda: person.events("resting"), f"the first {role}")
    assert start(person).end_of_itself() == 2
    twin = replace(person, home=folder / "twin" / "home")
    shutil.copytree(person.home / "keystore", twin.home / "keystore")
    assert start(twin).end_of_itself() == 2
    assert f"another {role} already runs" in twin.log.read_text()
