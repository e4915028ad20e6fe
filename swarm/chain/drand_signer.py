# SPDX-License-Identifier: Apache-2.0
"""A devnet's own drand: a test key signs rounds, served in drand's HTTP format. The contract verifies as ever.

Signing is one scalar multiplication of the point that the Beacon contract itself hashes the round to.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from swarm.errors import SwarmError

DEVNET_CHAIN_HASH = "devnet"
_PATH = re.compile(rf"/{DEVNET_CHAIN_HASH}/public/(\d{{1,12}})")


class TestKey:
    """A BN254 key pair for a devnet or a test; never for a public network."""

    __test__ = False  # not a test case, whatever its name

    def __init__(self, secret: int | None = None) -> None:
        from py_ecc.optimized_bn128 import curve_order

        self._secret = secret or secrets.randbelow(curve_order - 1) + 1

    def public_words(self) -> tuple[int, int, int, int]:
        """The G2 key as the Beacon's constructor takes it: x_im, x_re, y_im, y_re."""
        from py_ecc.optimized_bn128 import G2, multiply, normalize

        x, y = normalize(multiply(G2, self._secret))
        return int(x.coeffs[1]), int(x.coeffs[0]), int(y.coeffs[1]), int(y.coeffs[0])

    def sign(self, point: tuple[int, int]) -> tuple[int, int]:
        """The signature of a hashed round."""
        from py_ecc.optimized_bn128 import FQ, multiply, normalize

        x, y = normalize(multiply((FQ(point[0]), FQ(point[1]), FQ(1)), self._secret))
        return int(x), int(y)


class DrandSigner:
    """Serves signed rounds on loopback; a round is signed only once its time has come."""

    def __init__(
        self,
        key: TestKey,
        *,
        genesis: int,
        period: int,
        message_point: Callable[[int], tuple[int, int]],
        port: int = 0,
    ) -> None:
        self._key, self._genesis, self._period, self._message_point = key, genesis, period, message_point
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True, name="drand-signer").start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def round(self, number: int) -> dict | None:
        """drand's answer for a round, or None before its time."""
        if number < 1 or time.time() < self._genesis + (number - 1) * self._period:
            return None
        x, y = self._key.sign(self._message_point(number))
        return {"round": number, "signature": (x.to_bytes(32) + y.to_bytes(32)).hex()}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        signer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                match = _PATH.fullmatch(self.path)
                try:
                    answer = signer.round(int(match[1])) if match else None
                except SwarmError:
                    answer = None
                body = json.dumps(answer or {"error": "no such round yet"}).encode()
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler
