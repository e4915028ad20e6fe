# SPDX-License-Identifier: Apache-2.0
"""A drand relay that a test can silence."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Relay:
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
