# SPDX-License-Identifier: Apache-2.0
"""A small service behind the IPFS Pinning Service API: `fetch` gets what it is asked to pin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "correct-horse"


class PinningService:
    """`fetch(cid, origins)` runs in a thread and pins, or raises. `script`, while set, answers instead of it:
    method, path → (status, body, headers)."""

    def __init__(self, fetch: Callable[[str, list[str]], None] | None = None, delegates: tuple[str, ...] = ()) -> None:
        self.requests: dict[str, dict] = {}
        self.seen: list[tuple[str, str, dict | None]] = []
        self.script: Callable | None = None
        self.delegates, self._fetch = list(delegates), fetch
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/psa"
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, content: dict | None) -> tuple[int, bytes, dict]:
        parts = urlsplit(path)
        name = unquote(parts.path.removeprefix("/psa/pins")).removeprefix("/")
        if method == "POST":
            return _json(202, self._accept(content))
        if not name:
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            states = query.get("status", "pinned").split(",")
            found = [each for each in self.requests.values() if each["status"] in states]
            found = [each for each in found if query.get("cid") in (None, each["pin"]["cid"])]
            return _json(200, {"count": len(found), "results": found})
        if name not in self.requests:
            return _json(404, {"error": {"reason": "NOT_FOUND", "details": "no such request"}})
        return (202, b"", {}) if method == "DELETE" and self.requests.pop(name) else _json(200, self.requests[name])

    def _accept(self, wish: dict) -> dict:
        number = str(len(self.seen))
        status = {"requestid": number, "status": "queued", "created": "2026-11-26T00:00:00Z", "pin": wish, "info": {}}
        self.requests[number] = status | {"delegates": self.delegates}
        if self._fetch:
            threading.Thread(target=self._work, args=(number, wish), daemon=True).start()
        return self.requests[number]

    def _work(self, number: str, wish: dict) -> None:
        try:
            self.requests[number]["status"] = "pinning"
            self._fetch(wish["cid"], wish.get("origins") or [])
            self.requests[number]["status"] = "pinned"
        except Exception as error:
            self.requests[number] |= {"status": "failed", "info": {"status_details": str(error)}}


class _Handler(BaseHTTPRequestHandler):
    service: PinningService

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = json.loads(self.rfile.read(length)) if length else None
        self.service.seen.append((self.command, self.path, content))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, body, headers = _json(401, {"error": {"reason": "UNAUTHORIZED", "details": "who are you"}})
        else:
            status, body, headers = (self.service.script or self.service.answer)(self.command, self.path, content)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_) -> None:
        pass


def _json(status: int, content: object) -> tuple[int, bytes, dict]:
    return status, json.dumps(content).encode(), {}
