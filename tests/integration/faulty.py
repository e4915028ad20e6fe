# SPDX-License-Identifier: Apache-2.0
"""A door before a real service that a test can break: it lies, it never answers, or it is gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import requests

from tests.integration.local_server import LocalServer


class Door(LocalServer):
    """Passes HTTP on to `upstream`. `fault`: `lies` (blocks with one byte changed), `hangs`, `dies` (cuts), or None."""

    def __init__(self, upstream: str) -> None:
        self.fault: str | None = None
        self._mended = threading.Event()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_expect_100(self) -> bool:
                return door.fault is None and super().handle_expect_100()

            def do_GET(self) -> None:
                self._pass(b"")

            def do_HEAD(self) -> None:
                self._pass(b"")

            def do_POST(self) -> None:
                self._pass(self.rfile.read(int(self.headers["Content-Length"])))

            def _pass(self, body: bytes) -> None:
                self.close_connection = True
                if door.fault == "hangs":
                    door._mended.wait(30)
                    return
                if door.fault == "dies":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                kept = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
                answer = requests.request(self.command, upstream + self.path, data=body, headers=kept, timeout=30)
                content = answer.content
                if door.fault == "lies" and self.command == "GET" and answer.ok:
                    content = content[:-1] + bytes([content[-1] ^ 1]) if content else b"x"
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(Handler)

    def close(self) -> None:
        self._mended.set()
        super().close()


class SocketDoor:
    """Passes a unix socket on to another; `cut` ends all connections and refuses new ones until `mend`."""

    def __init__(self, path: str, upstream: str) -> None:
        self._upstream, self._is_cut = upstream, False
        self._pairs: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for each in list(self._pairs):
            _shut(each)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._upstream)
            self._pairs |= {near, far}
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        finally:
            _quiet(lambda: target.shutdown(socket.SHUT_WR))
            self._pairs.discard(source)


def _shut(each: socket.socket) -> None:
    _quiet(lambda: each.shutdown(socket.SHUT_RDWR))


def _quiet(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError:
        return
