# SPDX-License-Identifier: Apache-2.0
"""HTTP with somebody who may be hostile: addresses, connections, and bounds on time and length of an answer."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import threading
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from swarm.errors import IntegrityError, TransientError, UsageError

SOCKET_SECONDS = 20.0
READ_BYTES = 64 << 10


def address_of(url: str, what: str) -> SplitResult:
    """The parts of an http(s) address without user, query and fragment. Raises UsageError naming `what` it is not."""
    parts = urlsplit(url)
    try:
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or parts.username or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is not the address of {what}", hint="like http://127.0.0.1:8080")
    return parts


def connect(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=SOCKET_SECONDS)


def multiaddr_of(url: str) -> str:
    """An http(s) address as the multiaddress that IPFS implementations name a gateway by."""
    parts = address_of(url, "a gateway")
    try:
        kind = f"ip{ipaddress.ip_address(parts.hostname).version}"
    except ValueError:
        kind = "dns"
    return f"/{kind}/{parts.hostname}/tcp/{port_of(parts)}/{parts.scheme}"


def port_of(parts: SplitResult) -> int:
    return parts.port or {"http": 80, "https": 443}[parts.scheme]


def checked_token(token: str, parts: SplitResult) -> str:
    """A bearer token that may be shown to `parts`. Raises UsageError for one that would be read on the way."""
    if not (token.isascii() and token.isprintable() and " " not in token and 0 < len(token) <= 4096):
        raise UsageError("the token is not one line of printable characters", hint="look into its file")
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(f"a token is not sent to http://{parts.hostname} in the clear", hint="use https")
    return token


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextlib.contextmanager
def cut_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Ends the connection when its time is over: socket timeouts alone let a trickle of bytes go on for ever."""
    if connection.sock is None:
        connection.connect()
    sock = connection.sock
    timer = threading.Timer(seconds, _shut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def bounded(response: http.client.HTTPResponse, limit: int, what: str) -> bytes:
    """The whole body. Raises IntegrityError above `limit` bytes, TransientError where less came than was announced."""
    body = bytearray()
    while piece := response.read1(READ_BYTES):
        body += piece
        if len(body) > limit:
            raise IntegrityError(f"{what} sends more than {limit} bytes")
    if response.length:  # announced, but it never came
        raise TransientError(f"{what} broke off in the middle of an answer")
    response.close()  # read1 does not notice the end by itself, and the connection waits for it
    return bytes(body)


def reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
