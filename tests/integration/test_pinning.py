# SPDX-License-Identifier: Apache-2.0
"""A seller that nobody can dial: a pinning service and a node hold its results, and they are proved from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from swarm.chain.network import Network
from swarm.cli import checks
from swarm.cli.stores import seller_store_of
from swarm.config import Config
from swarm.errors import NotFound, TransientError, UsageError
from swarm.protocol.types import JobStatus
from swarm.seller import runs
from swarm.seller.worker import KIND
from swarm.storage import pin_service
from swarm.storage.cid import parse
from swarm.storage.delivery import Delivery
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.storage.kubo import KuboStore
from swarm.storage.node_pinner import NodePinner
from swarm.storage.pin_service import PinService
from swarm.storage.pinning import walk
from swarm.storage.port import ExportLimits
from swarm.storage.wire import multiaddr_of
from tests.unit.storage.pinning_service import TOKEN, PinningService

from .store_gateways import node  # noqa: F401
from .store_peers import Daemon
from .test_reorg import Stage, seated  # noqa: F401

pytestmark = pytest.mark.timeout(600)
LIMITS = ExportLimits(max_bytes=10**8, max_files=20, max_depth=4)


@pytest.fixture
def held(js_daemon) -> KuboStore:
    """The service's real daemon."""
    return KuboStore(js_daemon.api, block_seconds=60)


@pytest.fixture
def service(held, tmp_path):
    """A pinning service on that daemon: it fetches over bitswap, or from a gateway among the origins."""

    def fetch(cid: str, origins: list[str]) -> None:
        gateways = [_url(origin) for origin in origins if origin.endswith("/http")]
        if gateways:
            target = tmp_path / "service" / cid
            EmbeddedStore(tmp_path / "service", gateways=gateways).export(cid, target, limits=LIMITS)
            assert held.add(target) == cid
        held.pin(cid)

    peers = [address for address in held.addresses() if address.startswith("/ip4/127.0.0.1/tcp/")]
    service = PinningService(fetch, tuple(peers))
    yield service
    service.close()


@pytest.fixture
def gateway(held):
    """Somebody's public gateway: it reads what that daemon has."""
    server = GatewayServer(held.blocks)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "segments" / "0000").mkdir(parents=True)
    (tree / "segments" / "0000" / "weights").write_bytes(os.urandom(3_000_000))
    (tree / "manifest.json").write_bytes(os.urandom(100))
    return tree


def test_a_daemon_that_nobody_can_dial_gets_its_result_pinned_over_connections_it_opened(
    tmp_path, held, service, gateway, tree, monkeypatch
):
    (tmp_path / "seller").mkdir()
    daemon = Daemon(tmp_path / "seller")  # it does not listen
    daemon.start()
    try:
        seller = KuboStore(daemon.api, block_seconds=60)
        cid = seller.add(tree)
        assert seller.addresses() == [] and not held.has(cid)
        undialled = PinService(service.url, TOKEN, origins=seller.addresses)
        monkeypatch.setattr(pin_service, "LAST_POLL_SECONDS", 0.5)
        with pytest.raises(TransientError, match=r"still (queued|pinning)"):
            Delivery(seller.blocks, [undialled], [gateway]).deliver(cid, seconds=3)
        pinner = PinService(service.url, TOKEN, origins=seller.addresses, dial=seller.dial)
        receipt = Delivery(seller.blocks, [pinner], [gateway]).deliver(cid, seconds=300)
        (tmp_path / "token").write_text(TOKEN)
        named = {"STORE": "kubo", "KUBO_API": daemon.api, "PIN_SERVICE": service.url, "PIN_TOKEN_FILE": "token"}
        monkeypatch.chdir(tmp_path)
        config = Config(environ={f"SWARM_{key}": value for key, value in named.items()})
        doctor = SimpleNamespace(config=config, home=tmp_path / "home", network=network_of(gateway))
        assert checks._delivery(doctor)[0] is checks.Status.PASS
        assert [each["pin"]["cid"] for each in service.requests.values()] == [cid], "the doctor took its own back"
    finally:
        daemon.kill()
    assert receipt.holders == (pinner.name,) and receipt.through == gateway
    assert all(held.has(str(each)) for each in walk(held.blocks, parse(cid)))
    EmbeddedStore(tmp_path / "judge", gateways=[gateway]).export(cid, tmp_path / "out", limits=LIMITS)
    assert EmbeddedStore(tmp_path / "other").add(tmp_path / "out") == cid


def test_a_service_fetches_from_the_node_we_pushed_to_and_serves_on_when_that_node_is_gone(
    tmp_path, held, service, gateway, node, tree
):
    store = EmbeddedStore(tmp_path / "seller")
    cid = store.add(tree)
    pinners = [
        NodePinner(store.blocks, node.url),
        PinService(service.url, TOKEN, origins=lambda: [multiaddr_of(node.url)]),
    ]
    delivery = Delivery(store.blocks, pinners, [node.url, gateway])
    receipt = delivery.deliver(cid, seconds=300)
    assert len(receipt.holders) == 2 and receipt.through == gateway and delivery.is_outside(receipt)
    node.kill()
    EmbeddedStore(tmp_path / "judge", gateways=[node.url, gateway]).export(cid, tmp_path / "out", limits=LIMITS)
    again = delivery.deliver(cid, seconds=60)
    assert again.holders == (pinners[1].name,), "one holder is enough"


def network_of(gateway: str) -> Network:
    names = ("token", "vault", "beacon", "bench", "ballots", "court", "reputation", "escrow")
    return Network(1, **dict.fromkeys(names, "0x" + "11" * 20), gateways=(gateway,))


class Mirror:
    """The blocks of a node as another gateway gets them, once it gets them."""

    def __init__(self, directory: Path, node_url: str) -> None:
        self._store, self.is_open = EmbeddedStore(directory, gateways=[node_url]), False

    def get(self, cid):
        if not self.is_open:
            raise NotFound(f"no block {cid} here")
        return self._store._find(cid, keep=True)


@pytest.fixture
def stage(seated, node, tmp_path, monkeypatch):
    """A chain, a buyer, and a seller behind a NAT: it pushes to the node, a gateway elsewhere must prove it."""
    monkeypatch.setattr(runs, "_PUBLISH_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(runs, "_PUBLISH_PATIENCE_SECONDS", 0.2)
    mirror = Mirror(tmp_path / "mirror", node.url)
    server = GatewayServer(mirror)
    server.start()
    store = EmbeddedStore(tmp_path / "seller")
    delivery = Delivery(store.blocks, [NodePinner(store.blocks, node.url)], [node.url, server.url])
    stage = Stage(seated, tmp_path, store=store, delivery=delivery)
    stage.mirror = mirror
    yield stage
    stage.worker.stop()
    stage.journal.close()
    server.stop()


def step_of(stage, job_id):
    return (stage.journal.get(KIND, str(job_id)) or {}).get("step")


def test_a_result_is_submitted_once_it_came_back_from_outside_and_not_before(stage, caplog):
    job_id = stage.post()
    with caplog.at_level("INFO"):
        stage.tick_until(lambda: "waiting_to_publish" in caplog.messages, "the worker to say that it waits")
        for _ in range(3):
            stage.worker.tick()
        assert stage.job(job_id).status is JobStatus.RUNNING and step_of(stage, job_id) == "accepted"
        stage.mirror.is_open = True
        stage.tick_until(lambda: stage.job(job_id).status is JobStatus.SUBMITTED, "the submission")
    assert caplog.messages.count("waiting_to_publish") == 1 and len(stage.runner.runs) == 1
    entry = stage.journal.get("held", str(job_id))
    stage.worker._runs.retention._collect_at = 0.0
    _age(stage.store.blocks)
    stage.worker.tick()
    assert stage.store.blocks.is_complete(parse(entry["cids"][0])), "held until the job is final"


def test_a_result_that_never_came_back_is_given_up_in_time_and_dropped_once_the_job_is_final(stage, caplog):
    job_id = stage.post()
    with caplog.at_level("INFO"):
        stage.tick_until(lambda: "waiting_to_publish" in caplog.messages, "the worker to say that it waits")
        (cid,) = stage.journal.get("held", str(job_id))["cids"]
        left = stage.job(job_id).deadline - stage.chain.client.now() - 5
        stage.chain.client.rpc("evm_increaseTime", left)
        stage.chain.client.rpc("evm_mine")
        stage.tick_until(lambda: step_of(stage, job_id) == "failed", "the worker to give it up")
        assert "result_submitted" not in caplog.messages
        assert stage.job(job_id).status is JobStatus.OPEN and stage.store.blocks.is_complete(parse(cid))
        stage.chain.escrow.cancel(stage.bob, stage.job(job_id))
        stage.tick_until(lambda: "result_dropped" in caplog.messages, "the result to be dropped")
    stage.worker._runs.retention._collect_at = 0.0
    _age(stage.store.blocks)
    stage.worker.tick()
    assert not stage.store.has(cid)


def test_a_worker_with_nobody_to_hold_its_results_does_not_start(tmp_path, monkeypatch):
    network = network_of("http://127.0.0.1:9")
    with pytest.raises(UsageError, match="nobody is named who would hold"):
        seller_store_of(Config(environ={}), tmp_path, network)
    named = {"SWARM_PIN_SERVICE": "https://pins.example.org", "SWARM_PIN_TOKEN_FILE": str(tmp_path / "token")}
    with pytest.raises(UsageError, match=r"pin_token_file \(environment SWARM_PIN_TOKEN_FILE"):
        seller_store_of(Config(environ=named), tmp_path, network)
    (tmp_path / "token").write_text("secret\n")
    assert seller_store_of(Config(environ=named), tmp_path, network)


def test_the_shipped_node_takes_uploads_with_its_token_and_ends_cleanly(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    command = [sys.executable, "-m", "swarm.cli.main", "node", "serve", "--port", "0", "--accept-gib", "0.1", "--json"]
    process = subprocess.Popen(
        [*command, "--token-file", str(tmp_path / "token"), "--home", str(tmp_path / "home")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = json.loads(process.stdout.readline())["gateway"]
        with pytest.raises(UsageError, match="refused our token"):
            EmbeddedStore(tmp_path / "mallory", push_to=url, push_token="guessed").add_bytes(b"junk")
        store = EmbeddedStore(tmp_path / "seller")
        cid = store.add_bytes(b"result")
        receipt = Delivery(store.blocks, [NodePinner(store.blocks, url, token=TOKEN)], [url]).deliver(cid)
        assert receipt.through == url
    finally:
        process.terminate()
    assert process.wait(30) == 0
    assert FlatFs(tmp_path / "home" / "node").pins() == [parse(cid)]


def _age(blocks: FlatFs) -> None:
    for path in blocks.directory.glob("blocks/??/*.data"):
        os.utime(path, (0, 0))


def _url(origin: str) -> str:
    _, _, host, _, port, _ = origin.split("/")
    return f"http://{host}:{port}"
