# SPDX-License-Identifier: Apache-2.0
"""Speed and memory of the content store with one big file: add, push to a pinning node, fetch and export.

    python benchmarks/store.py [MEGABYTES]

The pinning node runs in a process of its own; the peak memory printed is that of the process doing the work.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

from swarm.storage.embedded import EmbeddedStore
from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.storage.port import ExportLimits


def serve(directory: Path, pipe) -> None:
    gateway = GatewayServer(FlatFs(directory), upload_quota_bytes=1 << 40)
    gateway.start()
    pipe.send(gateway.url)
    pipe.recv()
    print(f"pinning node: peak {_peak_mb()} MB")
    gateway.stop()


def measure(what: str, megabytes: int, action) -> object:
    start = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - start
    print(f"{what:<28} {seconds:6.2f} s {megabytes / seconds:7.0f} MB/s   peak {_peak_mb()} MB")
    return result


def main(megabytes: int) -> None:
    with tempfile.TemporaryDirectory(dir=".") as name:
        directory = Path(name)
        with (directory / "big").open("wb") as stream:
            for _ in range(megabytes):
                stream.write(os.urandom(10**6))
        ours, theirs = multiprocessing.Pipe()
        node = multiprocessing.get_context("spawn").Process(target=serve, args=(directory / "node", theirs))
        node.start()
        url = ours.recv()
        seller = EmbeddedStore(directory / "seller")
        pushing = EmbeddedStore(directory / "seller", push_to=url)
        buyer = EmbeddedStore(directory / "buyer", gateways=[url])
        limits = ExportLimits(1 << 40, 1, 0)
        cid = measure("add", megabytes, lambda: seller.add(directory / "big"))
        (directory / "big").unlink()  # a disk need not hold six copies
        measure("push", megabytes, lambda: pushing.push(cid))
        measure("push again", megabytes, lambda: pushing.push(cid))
        measure("fetch and export", megabytes, lambda: buyer.export(cid, directory / "a", limits=limits, keep=False))
        measure("export what is here", megabytes, lambda: seller.export(cid, directory / "b", limits=limits))
        assert (directory / "a").stat().st_size == (directory / "b").stat().st_size == megabytes * 10**6
        ours.send("end")
        node.join()


def _peak_mb() -> int:
    # Not ru_maxrss: a process inherits that from whoever started it.
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 538)
