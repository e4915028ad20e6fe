# SPDX-License-Identifier: Apache-2.0
"""A drand relay that a test can silence."""

from http.server import BaseHTTPRequestHandler

import requests

from tests.integration.local_server import LocalServer


class Relay(LocalServer):
    """Stands before the devnet's drand signer; while it is `silent` no round can be had."""

    def __init__(self, upstream: str) -> None:
        self.silent, relay = False, self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = None if relay.silent else requests.get(upstream + self.path, timeout=10)
                body = answer.content if answer else b""
                self.send_response(answer.status_code if answer is not None else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        super().__init__(Handler)
