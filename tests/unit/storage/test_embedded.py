# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from swarm.errors import IntegrityError, NotFound, UsageError
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.fake import FakeStore
from swarm.storage.port import ExportLimits


@pytest.fixture(params=["embedded", "fake"])
def store(request, tmp_path):
    return EmbeddedStore(tmp_path / "store") if request.param == "embedded" else FakeStore()


def test_refuses_more_than_a_mebibyte_as_one_block(store):
    with pytest.raises(UsageError, match="1 MiB"):
        store.add_bytes(bytes((1 << 20) + 1))


def test_refuses_a_file_beyond_the_limit_of_a_read(store):
    cid = store.add_bytes(bytes(100))
    with pytest.raises(IntegrityError, match="at most 99"):
        store.read(cid, limit=99)


@pytest.mark.parametrize("address", ["ftp://host", "host:8080", "http://", "http://user:word@host", "http://host?x=1"])
def test_refuses_an_address_that_is_no_gateway(tmp_path, address):
    with pytest.raises(UsageError, match="gateway"):
        EmbeddedStore(tmp_path, gateways=[address])


def test_content_nobody_has_is_not_found(store, tmp_path):
    missing = str(cid_of_block(b"missing", RAW))
    with pytest.raises(NotFound):
        store.read(missing, limit=100)
    with pytest.raises(NotFound):
        store.export(missing, tmp_path / "out", limits=ExportLimits(100, 1, 1))
    assert not store.has(missing)


def test_a_damaged_block_is_named_when_nobody_else_can_be_asked(tmp_path):
    store = EmbeddedStore(tmp_path)
    cid = store.add_bytes(b"hello world")
    next(tmp_path.glob("blocks/??/*.data")).write_bytes(b"hello worle")
    with pytest.raises(IntegrityError, match="damaged"):
        store.read(cid, limit=100)


def test_a_full_disk_or_lost_directory_is_the_person_s_to_mend(tmp_path):
    store = EmbeddedStore(tmp_path / "store")
    (tmp_path / "store" / "blocks" / ".temp").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot write"):
        store.add_bytes(b"hello world")


def test_a_directory_comes_back_and_its_children_have_cids(store, tmp_path):
    tree = tmp_path / "tree"
    (tree / "segments" / "0000").mkdir(parents=True)
    weights = os.urandom(1_500_000)
    (tree / "segments" / "0000" / "weights").write_bytes(weights)
    cid = store.add(tree)
    store.check()
    assert store.has(cid)
    assert store.resolve(cid, "segments/0000") == store.add(tree / "segments" / "0000")
    assert store.read(store.resolve(cid, "segments/0000/weights"), limit=1_500_000) == weights
    store.export(cid, tmp_path / "out", limits=ExportLimits(1_500_000, 3, 3), keep=False)
    assert (tmp_path / "out" / "segments" / "0000" / "weights").read_bytes() == weights
    store.unpin(cid)
    store.pin(cid)
