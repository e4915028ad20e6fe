# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat

import pytest

from swarm.errors import IntegrityError, NotFound, TransientError, UsageError
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.dagpb import Kind, Link, UnixFs
from swarm.storage.port import ExportLimits

from .dags import Forge

LIMITS = ExportLimits(max_bytes=1000, max_files=10, max_depth=3, max_name_bytes=20)


@pytest.fixture
def mallory() -> Forge:
    return Forge()


def export_refused(forge, root, target, why, error=IntegrityError, limits=LIMITS):
    with pytest.raises(error, match=why):
        forge.store.export(str(root), target / "out", limits=limits)
    assert list(target.iterdir()) == [], "an export that fails leaves nothing behind"


def test_refuses_a_block_whose_bytes_do_not_match(mallory, tmp_path):
    root = mallory.raw(b"promised")
    mallory.store.blocks[root] = b"delivered"
    export_refused(mallory, root, tmp_path, "do not match")
    with pytest.raises(IntegrityError):
        mallory.store.read(str(root), limit=100)


def test_refuses_a_lie_that_comes_after_good_files(mallory, tmp_path):
    good, bad = mallory.raw(b"good"), mallory.raw(b"bad")
    root = mallory.directory((b"a", good, 4), (b"b", bad, 3))
    mallory.store.blocks[bad] = b"evil"
    export_refused(mallory, root, tmp_path, "do not match")


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"/etc", b"../up", b"a/b", b"a\\b", b"nul\0", b"a\n", b"\x1b[2J", b"\xff", b"long" * 6],
)
def test_refuses_a_name_that_leads_elsewhere_or_confuses(mallory, tmp_path, name):
    export_refused(mallory, mallory.directory((name, mallory.raw(b"x"), 1)), tmp_path, "file name")


def test_refuses_a_name_that_occurs_twice(mallory, tmp_path):
    one = mallory.raw(b"1")
    export_refused(mallory, mallory.directory((b"a", one, 1), (b"a", one, 1)), tmp_path, "twice")


@pytest.mark.parametrize(
    ("kind", "why"), [(Kind.SYMLINK, "symlink"), (Kind.METADATA, "metadata"), (Kind.HAMT_SHARD, "HAMT")]
)
def test_refuses_symlinks_metadata_and_sharded_directories(mallory, tmp_path, kind, why):
    odd = mallory.node(UnixFs(kind, (), b"/etc/passwd"))
    export_refused(mallory, odd, tmp_path, why)
    export_refused(mallory, mallory.directory((b"x", odd, 1)), tmp_path, why)


def test_refuses_a_tree_that_is_too_deep(mallory, tmp_path):
    root = mallory.directory()
    for _ in range(LIMITS.max_depth + 1):
        root = mallory.directory((b"d", root, 4))
    export_refused(mallory, root, tmp_path, "directories deep")


def test_refuses_too_many_files_before_fetching_any(mallory, tmp_path):
    leaf = cid_of_block(b"never sent", RAW)
    root = mallory.directory(*[(b"%d" % i, leaf, 1) for i in range(11)])
    export_refused(mallory, root, tmp_path, "more than 10 files")


def test_refuses_a_million_files_made_of_a_few_shared_directories(mallory, tmp_path):
    root = mallory.raw(b"")
    for _ in range(3):
        root = mallory.directory(*[(b"%d" % i, root, 0) for i in range(100)])
    limits = ExportLimits(max_bytes=1000, max_files=500, max_depth=5)
    export_refused(mallory, root, tmp_path, "more than 500 files", limits=limits)


def test_refuses_ten_gigabytes_before_fetching_any(mallory, tmp_path):
    leaf = cid_of_block(b"never sent", RAW)
    huge = mallory.file(*[(leaf, 1 << 20)] * 10240)
    limits = ExportLimits(max_bytes=1 << 30, max_files=10, max_depth=3)
    export_refused(mallory, huge, tmp_path, "larger than", limits=limits)
    export_refused(mallory, mallory.directory((b"m", huge, 1)), tmp_path, "larger than", limits=limits)
    with pytest.raises(IntegrityError, match="at most 99"):
        mallory.store.read(str(huge), limit=99)


def test_refuses_many_files_that_are_too_large_together(mallory, tmp_path):
    leaf = mallory.raw(b"x" * 600)
    export_refused(mallory, mallory.directory((b"a", leaf, 600), (b"b", leaf, 600)), tmp_path, "larger than")


@pytest.mark.parametrize("claimed", [0, 2, 4, 1 << 62])
def test_refuses_a_leaf_whose_length_is_not_the_one_claimed(mallory, tmp_path, claimed):
    leaf = mallory.raw(b"abc")
    limits = ExportLimits(max_bytes=1 << 63, max_files=10, max_depth=3)
    why = "claims" if claimed else "claims|fit together"
    export_refused(mallory, mallory.file((leaf, claimed)), tmp_path, why, limits=limits)
    export_refused(mallory, mallory.directory((b"x", leaf, claimed)), tmp_path, "claims", limits=limits)


def test_refuses_a_file_node_whose_sums_or_lists_disagree(mallory, tmp_path):
    leaf = mallory.raw(b"abc")
    link = Link(leaf, b"", 3)
    export_refused(mallory, mallory.file((leaf, 3), size=4), tmp_path, "claims")
    export_refused(mallory, mallory.node(UnixFs(Kind.FILE, (link,), b"", 3, ())), tmp_path, "fit together")
    export_refused(mallory, mallory.node(UnixFs(Kind.FILE, (link,), b"d", 4, (3,))), tmp_path, "fit together")


def test_refuses_an_endless_tree_of_empty_or_tiny_parts(mallory, tmp_path):
    byte = mallory.raw(b"x")
    tiny = mallory.file(*[(byte, 1)] * 3000)
    limits = ExportLimits(max_bytes=10000, max_files=10, max_depth=3)
    export_refused(mallory, tiny, tmp_path, "too many blocks", limits=limits)
    chain = byte
    for _ in range(20):
        chain = mallory.file((chain, 1))
    export_refused(mallory, chain, tmp_path, "deeper than")


def test_refuses_a_directory_inside_a_file(mallory, tmp_path):
    export_refused(mallory, mallory.file((mallory.directory(), 4)), tmp_path, "directory stands")


def test_refuses_garbage_as_a_node(mallory, tmp_path):
    export_refused(mallory, mallory.block(b"garbage"), tmp_path, "field of a block")


def test_refuses_to_replace_what_exists_even_a_dangling_link(mallory, tmp_path):
    (tmp_path / "out").symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists already"):
        mallory.store.export(str(mallory.raw(b"x")), tmp_path / "out", limits=LIMITS)
    assert os.readlink(tmp_path / "out") == "nowhere"


def test_missing_content_is_not_found_and_an_outage_is_transient(mallory, tmp_path):
    export_refused(mallory, mallory.directory((b"x", cid_of_block(b"lost", RAW), 4)), tmp_path, "nobody has", NotFound)
    mallory.store.reachable = False
    export_refused(mallory, mallory.raw(b"x"), tmp_path, "not reachable", TransientError)


def test_resolve_refuses_to_walk_up_and_names_what_is_missing(mallory):
    root = str(mallory.directory((b"a", mallory.raw(b"x"), 1)))
    for path in ("", "..", "a/..", "/a", "a//b"):
        with pytest.raises((UsageError, IntegrityError)):
            mallory.store.resolve(root, path)
    with pytest.raises(NotFound, match="'b'"):
        mallory.store.resolve(root, "b")


def test_resolve_follows_names_through_directories(mallory):
    leaf = mallory.raw(b"x")
    inner = mallory.directory((b"0000", leaf, 1))
    root = mallory.directory((b"segments", inner, 60))
    assert mallory.store.resolve(str(root), "segments/0000") == str(leaf)


def test_a_directory_is_written_as_plain_files_in_order_of_their_parts(mallory, tmp_path):
    parts = [mallory.raw(b"one "), mallory.raw(b"two "), mallory.raw(b"three")]
    nested = mallory.file((mallory.file((parts[0], 4), (parts[1], 4)), 8), (parts[2], 5))
    root = mallory.directory((b"empty", mallory.directory(), 4), (b"f", nested, 200), ("ünï".encode(), parts[0], 4))
    mallory.store.export(str(root), tmp_path / "deep" / "out", limits=LIMITS)
    out = tmp_path / "deep" / "out"
    assert (out / "f").read_bytes() == b"one two three"
    assert (out / "ünï").read_bytes() == b"one "
    assert list((out / "empty").iterdir()) == []
    assert stat.S_IMODE((out / "f").stat().st_mode) & 0o111 == 0
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_older_trees_with_data_inside_leaf_nodes_are_read(mallory):
    leaf = mallory.node(UnixFs(Kind.FILE, (), b"old", 3))
    assert mallory.store.read(str(mallory.file((leaf, 3), (leaf, 3))), limit=6) == b"oldold"
