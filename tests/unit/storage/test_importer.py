# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import socket

import pytest

from swarm.errors import NotFound, UsageError
from swarm.storage.dagpb import decode
from swarm.storage.fake import FakeStore
from swarm.storage.importer import MAX_DIRECTORY_BLOCK, import_path, import_stream, root_of
from swarm.storage.port import ExportLimits

EMPTY_DIRECTORY = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def test_refuses_a_symlink_at_the_root_and_below(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("/etc/hostname")
    for path in (tmp_path / "tree", tmp_path / "tree" / "link"):
        with pytest.raises(UsageError, match="symbolic link"):
            list(import_path(path))


def test_refuses_a_fifo_and_a_socket_without_hanging(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="special file"):
        list(import_path(tmp_path))
    (tmp_path / "fifo").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="special file"):
            list(import_path(tmp_path))


def test_refuses_a_name_that_is_not_utf_8_or_holds_a_control_character(tmp_path):
    for name in (b"\xff", b"line\nbreak"):
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "wb"):
            pass
        with pytest.raises(UsageError, match="file name"):
            list(import_path(tmp_path))
        os.unlink(path)


def test_refuses_a_directory_that_would_have_to_be_sharded(tmp_path):
    count = MAX_DIRECTORY_BLOCK // (44 + 200) + 1
    for index in range(count):
        (tmp_path / f"{index:0200}").touch()
    with pytest.raises(UsageError, match="too many entries"):
        list(import_path(tmp_path))


def test_refuses_a_tree_nested_too_deep(tmp_path):
    (tmp_path / "/".join("d" * 65)).mkdir(parents=True)
    with pytest.raises(UsageError, match="nested"):
        list(import_path(tmp_path))


def test_a_missing_path_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        list(import_path(tmp_path / "nothing"))


def test_the_empty_directory_and_a_small_file_have_their_known_cids(tmp_path):
    assert str(root_of(tmp_path)) == EMPTY_DIRECTORY
    (tmp_path / "hello").write_bytes(b"hello world")
    assert str(root_of(tmp_path / "hello")) == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.mark.parametrize("leaves", [1, 2, 3, 4, 5, 9, 10, 27, 28])
def test_every_path_through_a_balanced_tree_has_the_same_length(leaves):
    blocks = {block.cid: block for block in import_stream(io.BytesIO(bytes(range(leaves))), chunk_bytes=1, width=3)}

    def depths(cid, depth=0):
        if cid.codec == 0x55:
            return [depth]
        links = decode(blocks[cid].data).links
        assert len(links) <= 3
        return [found for link in links for found in depths(link.cid, depth + 1)]

    found = depths(next(reversed(blocks)))
    assert len(found) == leaves
    assert len(set(found)) == 1


def test_what_goes_in_comes_out(tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "sub" / "ünï").write_bytes(os.urandom(2_500_000))
    (tree / "nothing").touch()
    store = FakeStore()
    cid = store.add(tree)
    store.export(cid, tmp_path / "copy", limits=ExportLimits(3_000_000, 10, 3))
    assert store.add(tmp_path / "copy") == cid
    assert (tmp_path / "copy" / "sub" / "ünï").read_bytes() == (tree / "sub" / "ünï").read_bytes()
