# SPDX-License-Identifier: Apache-2.0
"""Our CIDs against those of ipfs-unixfs-importer 17 with the profile unixfs-v1-2025."""

from __future__ import annotations

import random

import pytest

from swarm.storage.importer import import_stream, root_of

from .store_peers import reference_cids

KIB, MIB = 1 << 10, 1 << 20
SIZES = (0, 1, 11, 256 * KIB, 256 * KIB + 1, MIB, MIB + 1, 5_000_000)


def test_files_of_every_telling_size_get_the_same_cid(tmp_path):
    noise = random.Random(7)
    paths = [tmp_path / str(size) for size in SIZES]
    for path, size in zip(paths, SIZES, strict=True):
        path.write_bytes(noise.randbytes(size))
    assert {path: str(root_of(path)) for path in paths} == reference_cids(paths)


def test_a_tree_with_empty_deep_and_foreign_names_gets_the_same_cid(tmp_path):
    tree = tmp_path / "tree"
    for directory in ("empty", "a/b/c", "ünïcode ☃", "Z", "a.b", "a-b"):
        (tree / directory).mkdir(parents=True)
    for index, name in enumerate(("a/b/c/deep", "ünïcode ☃/日本語", "Z/z", "nothing", ".hidden", "😀", "ﬀ", "a b")):
        (tree / name).write_bytes(b"%d" % index * index)
    (tree / "two chunks").write_bytes(random.Random(8).randbytes(MIB + MIB // 2))
    paths = [tree, tree / "empty", tree / "a"]
    assert {path: str(root_of(path)) for path in paths} == reference_cids(paths)


@pytest.mark.parametrize("chunks", [1023, 1024, 1025, 2048, 2049])
def test_trees_wider_than_1024_chunks_fold_the_same_way(tmp_path, chunks):
    path = tmp_path / "wide"
    path.write_bytes(random.Random(chunks).randbytes(chunks * 16 - 3))
    with path.open("rb") as stream:
        *_, root = import_stream(stream, chunk_bytes=16)
    assert str(root.cid) == reference_cids([path], chunkBytes=16)[path]


@pytest.mark.parametrize("chunks", [3, 4, 9, 10, 27, 28, 82])
def test_trees_of_several_levels_fold_the_same_way(tmp_path, chunks):
    path = tmp_path / "deep"
    path.write_bytes(random.Random(chunks).randbytes(chunks))
    with path.open("rb") as stream:
        *_, root = import_stream(stream, chunk_bytes=1, width=3)
    assert str(root.cid) == reference_cids([path], chunkBytes=1, width=3)[path]


def test_the_largest_directory_we_accept_is_a_basic_one_for_the_others_too(tmp_path):
    """The profile turns to shards above 256 KiB: there we refuse, and just below we must still agree."""
    tree = tmp_path / "tree"
    tree.mkdir()
    entry = 2 + 38 + 2 + 60 + 2  # link head, CID, name of 60 bytes, size
    count = (256 * KIB - 4) // entry
    for index in range(count):
        (tree / f"{index:060}").write_bytes(b"x")
    assert str(root_of(tree)) == reference_cids([tree])[tree]
