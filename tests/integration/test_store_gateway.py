# SPDX-License-Identifier: Apache-2.0
"""Embedded stores talking through gateways, honest ones in processes of their own and hostile ones made here."""

from __future__ import annotations

import io
import os
import socket
from urllib.parse import urlsplit

import pytest

from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError, WrongBytes
from swarm.storage import gateway_client
from swarm.storage.car import CarReader, header, section
from swarm.storage.cid import RAW, cid_of_block, parse
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer

from .store_gateways import (  # noqa: F401
    CAR,
    LIMITS,
    QUOTA,
    Node,
    ask,
    hostile,
    node,
    redirect,
    send_error,
    send_half,
    send_without_end,
    send_wrong_bytes,
    tree,
    trickle,
)
from .store_peers import free_ports


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (send_wrong_bytes, IntegrityError),
        (send_without_end, IntegrityError),
        (send_half, TransientError),
        (trickle, TransientError),
        (send_error, TransientError),
        (redirect, TransientError),
    ],
)
def test_a_hostile_gateway_is_seen_through_and_the_next_one_asked(tmp_path, node, hostile, monkeypatch, answer, error):
    monkeypatch.setattr(gateway_client, "BLOCK_SECONDS", 1.0)
    cid = EmbeddedStore(tmp_path / "seller", push_to=node.url).add_bytes(b"spec")
    bad = hostile(answer)
    alone = EmbeddedStore(tmp_path / "alone", gateways=[bad])
    with pytest.raises(error):
        alone.read(cid, limit=100)
    assert not alone.has(cid)
    assert EmbeddedStore(tmp_path / "both", gateways=[bad, node.url]).read(cid, limit=100) == b"spec"


def test_the_worst_answer_decides_what_is_raised(tmp_path, node, hostile):
    missing = str(cid_of_block(b"missing", RAW))
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    cases = [
        ([node.url], NotFound),
        ([node.url, dead], TransientError),
        ([hostile(send_wrong_bytes), dead, node.url], WrongBytes),
    ]
    for gateways, error in cases:
        with pytest.raises(error) as raised:
            EmbeddedStore(tmp_path / "store", gateways=gateways).read(missing, limit=100)
        assert type(raised.value) is error


def dying(node: Node, buyer: EmbeddedStore) -> list:
    """The node is killed at the sixth block that the buyer asks for; what it has asked for so far."""
    real_fetch, fetched = buyer._gateways.fetch, []

    def fetch_then_kill(wanted):
        fetched.append(wanted)
        if len(fetched) == 6:
            node.kill()
        return real_fetch(wanted)

    buyer._gateways.fetch = fetch_then_kill
    return fetched


def test_a_gateway_that_dies_in_mid_transfer_is_transient_and_leaves_nothing(tmp_path, node, tree):
    cid = EmbeddedStore(tmp_path / "seller", push_to=node.url).add(tree)
    buyer = EmbeddedStore(tmp_path / "buyer", gateways=[node.url])
    dying(node, buyer)
    before = set(tmp_path.iterdir())
    with pytest.raises(TransientError, match="cannot reach"):
        buyer.export(cid, tmp_path / "out", limits=LIMITS)
    assert set(tmp_path.iterdir()) == before
    with pytest.raises(TransientError):
        buyer.check()
    revived = Node(node.blocks)
    try:
        EmbeddedStore(tmp_path / "buyer", gateways=[revived.url]).export(cid, tmp_path / "out", limits=LIMITS)
    finally:
        revived.kill()
    assert EmbeddedStore(tmp_path / "judge").add(tmp_path / "out") == cid


def test_a_gateway_that_dies_in_mid_transfer_is_replaced_by_the_next(tmp_path, node, tree):
    second = Node(tmp_path / "second")
    try:
        cid = EmbeddedStore(tmp_path / "seller", push_to=node.url).add(tree)
        assert EmbeddedStore(tmp_path / "seller", push_to=second.url).add(tree) == cid
        buyer = EmbeddedStore(tmp_path / "buyer", gateways=[node.url, second.url])
        fetched = dying(node, buyer)
        buyer.export(cid, tmp_path / "out", limits=LIMITS)
        assert len(fetched) > 6
    finally:
        second.kill()
    assert EmbeddedStore(tmp_path / "judge").add(tmp_path / "out") == cid


def test_a_dead_pinning_node_is_named_and_the_content_stays_here(tmp_path, tree):
    store = EmbeddedStore(tmp_path / "seller", push_to=f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(TransientError, match="cannot reach"):
        store.check()
    with pytest.raises(TransientError):
        store.add(tree)
    assert EmbeddedStore(tmp_path / "seller").has(EmbeddedStore(tmp_path / "other").add(tree))


def test_refuses_an_upload_beyond_the_quota_before_it_is_sent(tmp_path, node):
    (tmp_path / "big").write_bytes(os.urandom(QUOTA))
    store = EmbeddedStore(tmp_path / "seller", push_to=node.url)
    with pytest.raises(UsageError, match="takes no more uploads"):
        store.add(tmp_path / "big")
    assert not list(node.blocks.glob("blocks/??/*"))
    assert store.add_bytes(b"still served")


def test_what_is_uploaded_twice_is_charged_once_and_junk_in_full(tmp_path):
    gateway = GatewayServer(FlatFs(tmp_path / "node"), upload_quota_bytes=1000)
    gateway.start()
    try:
        good = cid_of_block(b"x" * 300, RAW)
        car = header([good]) + section(good, b"x" * 300)
        for _ in range(5):
            assert ask(gateway.url, "POST", "/car", car, CAR)[0].status == 201
        junk = car[:-1]
        assert ask(gateway.url, "POST", "/car", junk, CAR)[0].status == 422
        other = cid_of_block(b"y" * 300, RAW)
        fresh = header([other]) + section(other, b"y" * 300)
        assert ask(gateway.url, "POST", "/car", fresh, CAR)[0].status == 507
        assert ask(gateway.url, "POST", "/car", car, CAR)[0].status == 201, "what is here may be renewed"
    finally:
        gateway.stop()


def test_refuses_uploads_that_are_truncated_lying_incomplete_or_of_another_type(tmp_path, node, tree):
    source = FlatFs(tmp_path / "seller")
    root = parse(EmbeddedStore(tmp_path / "seller").add(tree))
    cids = list(source.walk(root))
    whole = header([root]) + b"".join(section(cid, source.get(cid)) for cid in cids)
    incomplete = header([root]) + b"".join(section(cid, source.get(cid)) for cid in cids[:-1])
    lying = header([root]) + section(root, b"something else")
    for body, status in ((whole[:-1], 422), (lying, 422), (b"", 422), (b"junk" * 100, 422), (incomplete, 422)):
        assert ask(node.url, "POST", "/car", body, CAR)[0].status == status
        assert ask(node.url, "HEAD", f"/ipfs/{root}?format=car")[0].status == 404
    assert ask(node.url, "POST", "/car", b"small", {"Content-Type": "text/plain"})[0].status == 415
    assert ask(node.url, "POST", "/elsewhere", b"small", CAR)[0].status == 404
    assert ask(node.url, "POST", "/car", whole, CAR)[0].status == 201
    assert ask(node.url, "HEAD", f"/ipfs/{root}?format=car")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ipfs/../pins?format=raw",
        "/ipfs/%2e%2e/%2e%2e/etc/passwd?format=raw",
        "/etc/passwd",
        "/ipfs/QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN?format=raw",
        f"/ipfs/{cid_of_block(b'', RAW)}",
        f"/ipfs/{cid_of_block(b'', RAW)}?format=tar",
        f"/ipfs/{cid_of_block(b'', RAW)}/child?format=raw",
        "/ipfs/" + "b" * 1000,
    ],
)
def test_the_server_refuses_every_path_but_a_cid_in_a_known_format(node, path):
    response, body = ask(node.url, "GET", path)
    assert response.status == 400
    assert body.count(b"\n") == 1


def test_the_server_outlives_garbage_and_clients_that_hang_up(node):
    parts = urlsplit(node.url)
    for garbage in (b"", b"\x00" * 100, b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"POST /car HTTP/1.1\r\n"):
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
            client.sendall(garbage)
    assert ask(node.url, "GET", f"/ipfs/{cid_of_block(b'', RAW)}?format=raw")[0].status == 404


def test_the_server_stops_serving_a_block_that_was_damaged(tmp_path, node):
    cid = EmbeddedStore(tmp_path / "seller", push_to=node.url).add_bytes(b"spec")
    next(node.blocks.glob("blocks/??/*.data")).write_bytes(b"spam")
    with pytest.raises(TransientError, match="answered 500"):
        EmbeddedStore(tmp_path / "buyer", gateways=[node.url]).read(cid, limit=100)


def test_a_damaged_copy_here_is_replaced_by_a_fetched_one(tmp_path, node):
    store = EmbeddedStore(tmp_path / "seller", gateways=[node.url], push_to=node.url)
    cid = store.add_bytes(b"spec")
    path = next(tmp_path.glob("seller/blocks/??/*.data"))
    path.write_bytes(b"spam")
    assert store.read(cid, limit=100) == b"spec"
    assert path.read_bytes() == b"spec"


def test_content_travels_from_seller_to_buyer_through_the_node(tmp_path, node, tree):
    seller = EmbeddedStore(tmp_path / "seller", gateways=[node.url], push_to=node.url)
    buyer = EmbeddedStore(tmp_path / "buyer", gateways=[node.url])
    seller.check()
    cid = seller.add(tree)
    buyer.export(cid, tmp_path / "kept", limits=LIMITS)
    assert buyer.has(cid)
    passing = EmbeddedStore(tmp_path / "passing", gateways=[node.url])
    passing.export(cid, tmp_path / "passed", limits=LIMITS, keep=False)
    assert not passing.has(cid)
    assert buyer.add(tmp_path / "passed") == buyer.add(tmp_path / "kept") == cid
    assert buyer.read(buyer.resolve(cid, "manifest.json"), limit=2) == b"{}"


def test_only_what_the_node_lacks_is_pushed(tmp_path, node, tree):
    store = EmbeddedStore(tmp_path / "seller", push_to=node.url)
    store.add(tree / "segments" / "0000")
    pushed = []
    real_push = store._node._node.push
    store._node._node.push = lambda root, car, length, **_: (pushed.append(length), real_push(root, car, length))
    store.add(tree)
    assert pushed[0] < 1000, "the segment's five megabytes were there already"
    store.add(tree)
    assert pushed[1] < 1000, "the root alone, which renews the pin"


def test_a_whole_dag_is_served_as_a_car(tmp_path, node, tree):
    root = EmbeddedStore(tmp_path / "seller", push_to=node.url).add(tree)
    response, data = ask(node.url, "GET", f"/ipfs/{root}", headers={"Accept": "application/vnd.ipld.car"})
    assert response.status == 200
    assert response.getheader("Content-Disposition").startswith("attachment")
    car = CarReader(io.BytesIO(data))
    target = FlatFs(tmp_path / "copy")
    for cid, block in car.blocks():
        target.put(cid, block)
    assert [str(cid) for cid in car.roots] == [root]
    assert target.is_complete(parse(root))


def test_uploads_are_refused_where_no_quota_is_given(tmp_path):
    gateway = GatewayServer(FlatFs(tmp_path / "node"))
    gateway.start()
    try:
        with pytest.raises(SwarmError, match="takes no more uploads"):
            EmbeddedStore(tmp_path / "seller", push_to=gateway.url).add_bytes(b"x")
    finally:
        gateway.stop()
        gateway.stop()


def test_refuses_to_listen_where_another_already_does(tmp_path, node):
    with pytest.raises(UsageError, match="cannot listen"):
        GatewayServer(FlatFs(tmp_path / "second"), port=urlsplit(node.url).port)
