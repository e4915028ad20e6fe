# SPDX-License-Identifier: Apache-2.0
"""A node that holds uploads for others: its token, its room, its time, and one that stalls."""

from __future__ import annotations

import os

import pytest

from swarm.errors import NotFound, TransientError, UsageError
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.storage.node_pinner import NodePinner

from .store_gateways import QUOTA, hostile  # noqa: F401


def test_a_node_that_takes_an_upload_and_never_answers_is_cut_off(tmp_path, hostile):
    def stall(handler):
        if handler.command == "HEAD":
            return handler.send_error(404)
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while handler.connection.recv(1 << 16):
            pass

    blocks = EmbeddedStore(tmp_path / "seller").blocks
    cid = EmbeddedStore(tmp_path / "seller").add_bytes(b"result")
    with pytest.raises(TransientError, match="broke off"):
        NodePinner(blocks, hostile(stall)).pin(cid, seconds=0.3)


def test_a_node_with_a_token_takes_uploads_only_with_it(tmp_path):
    gateway = GatewayServer(FlatFs(tmp_path / "node"), upload_quota_bytes=QUOTA, token="right")
    gateway.start()
    try:
        for wrong in (None, "wrong", "r"):
            with pytest.raises(UsageError, match="refused our token"):
                EmbeddedStore(tmp_path / "mallory", push_to=gateway.url, push_token=wrong).add_bytes(b"junk")
        cid = EmbeddedStore(tmp_path / "seller", push_to=gateway.url, push_token="right").add_bytes(b"spec")
        assert EmbeddedStore(tmp_path / "buyer", gateways=[gateway.url]).read(cid, limit=4) == b"spec"
    finally:
        gateway.stop()


def test_a_node_drops_what_is_not_uploaded_again_and_has_room_for_others_then(tmp_path):
    gateway = GatewayServer(FlatFs(tmp_path / "node"), upload_quota_bytes=1000, keep_seconds=7200)
    gateway.start()
    try:
        store = EmbeddedStore(tmp_path / "seller", push_to=gateway.url)
        old, renewed = store.add_bytes(b"x" * 400), store.add_bytes(b"y" * 400)
        with pytest.raises(UsageError, match="takes no more"):
            store.add_bytes(b"z" * 400)
        for path in [*tmp_path.glob("node/pins/*"), *tmp_path.glob("node/blocks/??/*.data")]:
            os.utime(path, (0, 0))
        store.add_bytes(b"y" * 400)
        assert gateway.expire() == 400
        assert store.add_bytes(b"z" * 400)
        buyer = EmbeddedStore(tmp_path / "buyer", gateways=[gateway.url])
        assert buyer.read(renewed, limit=400)
        with pytest.raises(NotFound):
            buyer.read(old, limit=400)
    finally:
        gateway.stop()
