# SPDX-License-Identifier: Apache-2.0
"""The daemon store against a real js-ipfs daemon."""

from __future__ import annotations

import os
import threading

import pytest

from swarm.errors import IntegrityError, NotFound, TransientError, UsageError
from swarm.storage.cid import DAG_PB, RAW, Cid, cid_of_block, parse
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.kubo import KuboStore
from swarm.storage.port import ExportLimits

from .store_peers import Daemon, free_ports

LIMITS = ExportLimits(max_bytes=100_000_000, max_files=20, max_depth=4)


@pytest.fixture
def store(js_daemon) -> KuboStore:
    return KuboStore(js_daemon.api, block_seconds=3)


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "segments" / "0000").mkdir(parents=True)
    (tree / "segments" / "0000" / "weights").write_bytes(os.urandom(3_000_000))
    (tree / "ünï").write_bytes(b"hello world")
    (tree / "empty").mkdir()
    return tree


def test_refuses_an_address_that_is_none():
    with pytest.raises(UsageError, match="not the address"):
        KuboStore("localhost:5001")


def test_a_daemon_that_is_not_there_is_transient(tmp_path, tree):
    store = KuboStore(f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}")
    actions = (
        store.check,
        lambda: store.add(tree),
        lambda: store.add_bytes(b"x"),
        lambda: store.read(str(cid_of_block(b"x", RAW)), limit=9),
        lambda: store.pin(str(cid_of_block(b"x", RAW))),
    )
    for action in actions:
        with pytest.raises(TransientError, match="cannot reach the IPFS daemon"):
            action()


def test_refuses_a_symlink_and_more_than_one_block(store, tree):
    (tree / "link").symlink_to("ünï")
    with pytest.raises(UsageError, match="symbolic link"):
        store.add(tree)
    with pytest.raises(UsageError, match="1 MiB"):
        store.add_bytes(bytes((1 << 20) + 1))


def test_refuses_wrong_bytes_from_the_daemon(store, monkeypatch):
    cid = store.add_bytes(b"promised")
    monkeypatch.setattr(store._client.block, "get", lambda *_, **__: b"delivered")
    with pytest.raises(IntegrityError, match="wrong bytes"):
        store.read(cid, limit=100)


def test_content_nobody_has_is_named_in_bounded_time(store):
    missing = str(cid_of_block(b"nobody has this", RAW))
    assert not store.has(missing)
    with pytest.raises((TransientError, NotFound), match="could not find"):
        store.read(missing, limit=100)


def test_a_wrong_cid_of_a_directory_is_not_found_below_it(store, tree):
    cid = store.add(tree)
    with pytest.raises(NotFound):
        store.resolve(cid, "segments/0001")
    with pytest.raises(IntegrityError, match="of a block"):
        store.read(str(Cid(DAG_PB, parse(store.add_bytes(b"not a node")).digest)), limit=100)


def test_the_daemon_and_the_embedded_store_agree_on_cids_both_ways(store, tree, tmp_path):
    embedded = EmbeddedStore(tmp_path / "embedded")
    cid = store.add(tree)
    assert cid == embedded.add(tree)
    assert store.has(cid)
    assert store.resolve(cid, "segments/0000") == embedded.resolve(cid, "segments/0000")
    assert store.read(store.resolve(cid, "ünï"), limit=11) == b"hello world"
    store.export(cid, tmp_path / "out", limits=LIMITS)
    assert embedded.add(tmp_path / "out") == cid
    assert store.add_bytes(b"spec") == embedded.add_bytes(b"spec")


def test_what_the_daemon_chunked_itself_is_read_too(store, tmp_path):
    data = os.urandom(700_000)
    (tmp_path / "file").write_bytes(data)
    options = {"cid-base": "base32"}
    added = store._client.add(str(tmp_path / "file"), cid_version=1, raw_leaves=True, opts=options)
    assert store.read(added["Hash"], limit=700_000) == data


def test_pins_come_and_go_and_removing_twice_is_harmless(store, tree):
    cid = store.add(tree)
    assert cid in _pins(store)
    store.unpin(cid)
    store.unpin(cid)
    assert cid not in _pins(store)
    store.pin(cid)
    assert cid in _pins(store)


def test_a_daemon_killed_in_the_middle_is_transient_and_leaves_nothing(tmp_path):
    daemon = Daemon(tmp_path)
    daemon.start()
    store = KuboStore(daemon.api, block_seconds=5)
    (tmp_path / "big").write_bytes(os.urandom(60_000_000))
    try:
        cid = store.add(tmp_path / "big")
        real_get, served = store.get, threading.Event()

        def get_then_kill(wanted):
            if served.is_set():
                daemon.kill()
            elif wanted.codec == RAW:
                served.set()
            return real_get(wanted)

        store.get = get_then_kill
        before = set(tmp_path.iterdir())
        with pytest.raises(TransientError, match="cannot reach the IPFS daemon"):
            store.export(cid, tmp_path / "out", limits=LIMITS)
        assert set(tmp_path.iterdir()) == before
        with pytest.raises(TransientError):
            store.check()
        daemon.start()
        again = KuboStore(daemon.api, block_seconds=5)
        again.export(cid, tmp_path / "out", limits=LIMITS)
        assert (tmp_path / "out").read_bytes() == (tmp_path / "big").read_bytes()
    finally:
        daemon.kill()


def _pins(store: KuboStore) -> set[str]:
    return set(store._client.pin.ls(type="recursive", opts={"cid-base": "base32"})["Keys"])
