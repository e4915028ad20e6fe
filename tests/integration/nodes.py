# SPDX-License-Identifier: Apache-2.0
"""Real nodes for tests of a bad world: anvil processes, and a relay that loses answers."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from http.server import BaseHTTPRequestHandler

from swarm.chain.client import ChainClient
from swarm.chain.devnet import anvil_command, free_port
from swarm.clock import wait_for
from swarm.errors import SwarmError
from tests.integration.local_server import LocalServer


class Node:
    """One anvil. With `fork` it knows that chain up to now and never follows it: an endpoint that stopped syncing."""

    def __init__(self, *, chain_id: int = 31337, fork: str | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = anvil_command(port, "--chain-id", str(chain_id), "--no-mining")
        command += ["--fork-url", fork] if fork else []
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(self._answers, timeout_seconds=20, what="anvil", period_seconds=0.05)

    def _answers(self) -> bool:
        try:
            return bool(ChainClient(self.url).check())
        except SwarmError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It still accepts connections and never answers."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)


class Relay(LocalServer):
    """Hands requests on to a node. What is in `mute` reaches the node and gets no answer."""

    def __init__(self, target: str) -> None:
        self.mute: tuple[str, ...] = ()
        self.lost = 0
        self._target = target.removeprefix("http://")
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                node = http.client.HTTPConnection(relay._target)
                node.request("POST", "/", body, {"Content-Type": "application/json"})
                answer = node.getresponse().read()
                if any(method.encode() in body for method in relay.mute):
                    relay.lost += 1
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler
