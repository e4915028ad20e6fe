# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time

import pytest

from swarm.errors import IntegrityError, NotFound, UsageError
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.dagpb import MAX_BLOCK_BYTES
from swarm.storage.flatfs import SHARDING, STALE_SECONDS, FlatFs
from swarm.storage.importer import import_path

HELLO = cid_of_block(b"hello world", RAW)


@pytest.fixture
def blocks(tmp_path) -> FlatFs:
    return FlatFs(tmp_path / "store")


def age(path, seconds=STALE_SECONDS + 60):
    os.utime(path, (time.time() - seconds,) * 2)


def files(blocks: FlatFs) -> list:
    return sorted(blocks.directory.glob("blocks/??/*.data"))


def test_refuses_to_store_a_block_whose_bytes_do_not_match(blocks):
    with pytest.raises(IntegrityError, match="do not match"):
        blocks.put(HELLO, b"hello worle")
    assert files(blocks) == []


def test_refuses_a_block_beyond_the_size_limit(blocks):
    data = bytes(MAX_BLOCK_BYTES + 1)
    with pytest.raises(IntegrityError, match="exceeds"):
        blocks.put(cid_of_block(data, RAW), data)


@pytest.mark.parametrize("damage", [b"", b"hello worle", b"hello world!"])
def test_refuses_to_return_a_damaged_block_and_put_repairs_it(blocks, damage):
    blocks.put(HELLO, b"hello world")
    files(blocks)[0].write_bytes(damage)
    with pytest.raises(IntegrityError, match="damaged"):
        blocks.get(HELLO)
    assert blocks.put(HELLO, b"hello world")
    assert blocks.get(HELLO) == b"hello world"


def test_refuses_a_directory_of_another_layout(tmp_path):
    FlatFs(tmp_path)
    (tmp_path / "blocks" / "SHARDING").write_text("/repo/flatfs/shard/v1/prefix/2\n")
    with pytest.raises(UsageError, match="layout"):
        FlatFs(tmp_path)


def test_refuses_a_path_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot use"):
        FlatFs(tmp_path / "file")


def test_a_missing_block_is_not_found(blocks):
    with pytest.raises(NotFound):
        blocks.get(HELLO)
    with pytest.raises(NotFound):
        blocks.size(HELLO)
    assert not blocks.has(HELLO)


def test_blocks_lie_where_kubo_looks_for_them(blocks):
    assert blocks.put(HELLO, b"hello world")
    assert not blocks.put(HELLO, b"hello world"), "a second copy writes nothing"
    (path,) = files(blocks)
    key = path.stem
    assert key.startswith("CIQ")
    assert path.parent.name == key[-3:-1]
    assert (blocks.directory / "blocks" / "SHARDING").read_text() == SHARDING


def test_a_dag_with_a_hole_is_not_complete(blocks, tmp_path):
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    imported = list(import_path(tmp_path / "big"))
    for block in imported[1:]:
        blocks.put(block.cid, block.data)
    root = imported[-1].cid
    assert not blocks.is_complete(root)
    blocks.put(imported[0].cid, imported[0].data)
    assert blocks.is_complete(root)
    assert list(blocks.walk(root)) == [root] + [block.cid for block in imported[:-1]]


def test_collection_keeps_pinned_dags_and_young_blocks(blocks, tmp_path):
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    imported = list(import_path(tmp_path / "big"))
    for block in imported:
        blocks.put(block.cid, block.data)
    blocks.put(HELLO, b"hello world")
    for path in files(blocks):
        age(path)
    young = cid_of_block(b"young", RAW)
    blocks.put(young, b"young")
    blocks.pin(imported[-1].cid)
    assert blocks.collect() == len(b"hello world")
    assert blocks.is_complete(imported[-1].cid)
    assert blocks.has(young)
    blocks.unpin(imported[-1].cid)
    blocks.unpin(imported[-1].cid)
    blocks.collect()
    assert not blocks.has(imported[-1].cid)


def test_a_block_that_an_import_meets_again_is_young_again(blocks):
    """Else a collection could take it before the import pins its root."""
    blocks.put(HELLO, b"hello world")
    age(files(blocks)[0])
    assert not blocks.put(HELLO, b"hello world")
    assert blocks.collect() == 0 and blocks.has(HELLO)


def test_a_block_renewed_while_a_collection_removes_it_is_put_back(blocks, monkeypatch):
    blocks.put(HELLO, b"hello world")
    (path,) = files(blocks)
    age(path)
    real_rename = os.rename

    def renew_then_rename(source, target):
        os.utime(source)
        real_rename(source, target)
        monkeypatch.setattr(os, "rename", real_rename)

    monkeypatch.setattr(os, "rename", renew_then_rename)
    assert blocks.collect() == 0
    assert blocks.get(HELLO) == b"hello world"


def test_a_pin_that_nobody_renews_expires_and_one_that_is_renewed_does_not(blocks):
    young = cid_of_block(b"young", RAW)
    for cid, data in ((HELLO, b"hello world"), (young, b"young")):
        blocks.put(cid, data)
        blocks.pin(cid)
    for path in [*files(blocks), *(blocks.directory / "pins").iterdir()]:
        age(path)
    blocks.pin(young)
    assert blocks.stored_bytes() == len(b"hello world" + b"young")
    assert blocks.expire(seconds=60) == len(b"hello world")
    assert blocks.pins() == [young] and blocks.has(young) and not blocks.has(HELLO)


def test_half_written_blocks_of_a_killed_process_are_removed_later(blocks):
    left = blocks.directory / "blocks" / ".temp" / "left"
    left.write_bytes(b"half")
    FlatFs(blocks.directory)
    assert left.exists(), "it may belong to a running process"
    age(left)
    FlatFs(blocks.directory)
    assert not left.exists()
