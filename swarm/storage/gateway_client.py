# SPDX-License-Identifier: Apache-2.0
"""Fetches blocks from trustless gateways and pushes CARs to a pinning node. No answer is trusted.

A gateway that lies or fails is passed over; what the failures mean together decides the error:
lied → WrongBytes, unreachable → TransientError, all answered "not here" → NotFound.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError, WrongBytes
from swarm.log import Log
from swarm.storage.cid import RAW, Cid, cid_of_block
from swarm.storage.dagpb import MAX_BLOCK_BYTES

log = Log(__name__)

RAW_TYPE = "application/vnd.ipld.raw"
CAR_TYPE = "application/vnd.ipld.car"
SOCKET_SECONDS = 20.0
BLOCK_SECONDS = 60.0  # a whole block, so that a trickle of bytes does not hold us
IMPORT_SECONDS = 600.0  # for a pinning node to answer after the last byte of an upload
_READ_BYTES = 64 << 10
_ABSENT = (404, 410, 412)
_PROBE = cid_of_block(b"", RAW)


class Gateway:
    """One gateway. Keeps a connection per thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise UsageError(f"{url!r} is not the address of a gateway", hint="like http://127.0.0.1:8080")
        self.url, self._parts, self._local = url.rstrip("/"), parts, threading.local()

    def fetch(self, cid: Cid) -> bytes:
        """The verified block. Raises NotFound, TransientError, or WrongBytes when it is another one."""
        status, block = self._ask("GET", f"/ipfs/{cid}?format=raw", RAW_TYPE)
        if status in _ABSENT:
            raise NotFound(f"{self.url} does not have {cid}")
        if status != 200:
            raise TransientError(f"{self.url} answered {status} for {cid}")
        if not cid.matches(block):
            raise WrongBytes(f"{self.url} sent wrong bytes for {cid}")
        return block

    def has_all(self, cid: Cid) -> bool:
        """Whether the gateway says that it has the whole DAG."""
        return self._ask("HEAD", f"/ipfs/{cid}?format=car", CAR_TYPE)[0] == 200

    def check(self) -> None:
        """Raises TransientError unless the gateway answers, whatever it has."""
        status, _ = self._ask("HEAD", f"/ipfs/{_PROBE}?format=raw", RAW_TYPE)
        if status >= 500:
            raise TransientError(f"{self.url} answered {status}")

    def push(self, root: Cid, pieces: Iterable[bytes], length: int) -> None:
        """Uploads a CAR of `length` bytes. Raises UsageError beyond the node's quota."""
        connection = self._connect()
        try:
            connection.putrequest("POST", self._parts.path.rstrip("/") + "/car")
            for name, value in {"Content-Type": CAR_TYPE, "Content-Length": length, "Expect": "100-continue"}.items():
                connection.putheader(name, str(value))
            connection.endheaders()
            if _may_send(connection.sock):
                for piece in pieces:
                    connection.send(piece)
                connection.sock.settimeout(IMPORT_SECONDS)
            response = connection.getresponse()
            answer = response.read(_READ_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"the upload to {self.url} broke off", hint=_reason(error)) from error
        finally:
            connection.close()
        _judge_upload(self.url, root, response.status, answer)

    def _ask(self, method: str, path: str, accept: str) -> tuple[int, bytes]:
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return self._exchange(kept, method, path, accept)
            except TransientError:
                pass  # the other side may have closed an idle connection: once more on a fresh one
        self._local.connection = self._connect()
        return self._exchange(self._local.connection, method, path, accept)

    def _exchange(self, connection: http.client.HTTPConnection, method: str, path: str, accept: str):
        try:
            with _cut_after(BLOCK_SECONDS, connection):
                headers = {"Accept": accept, "User-Agent": "computeswarm"}
                connection.request(method, self._parts.path.rstrip("/") + path, headers=headers)
                response = connection.getresponse()
                body = _bounded(response)
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            raise TransientError(f"cannot reach {self.url}", hint=_reason(error)) from error
        except SwarmError:
            self._drop(connection)
            raise
        if response.will_close:
            self._drop(connection)
        return response.status, body

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._local.connection = None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname, self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=SOCKET_SECONDS)
        return http.client.HTTPConnection(host, port, timeout=SOCKET_SECONDS)


class Gateways:
    """Several gateways, asked in turn."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._gateways = [Gateway(url) for url in urls]

    def __bool__(self) -> bool:
        return bool(self._gateways)

    def fetch(self, cid: Cid) -> bytes:
        """The verified block from the first gateway that has it."""
        failures: list[SwarmError] = []
        for gateway in self._gateways:
            try:
                return gateway.fetch(cid)
            except IntegrityError as error:
                log.warning("gateway_lied", gateway=gateway.url, cid=str(cid))
                failures.append(error)
            except (NotFound, TransientError) as error:
                failures.append(error)
        for kind in (IntegrityError, TransientError):
            if found := next((error for error in failures if isinstance(error, kind)), None):
                raise found
        raise NotFound(f"nobody has {cid}", hint=f"asked {len(failures)} gateways")

    def check(self) -> None:
        """Raises TransientError when not one gateway answers."""
        failures = []
        for gateway in self._gateways:
            try:
                return gateway.check()
            except TransientError as error:
                failures.append(error)
        if failures:
            raise failures[0]


@contextlib.contextmanager
def _cut_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
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


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _bounded(response: http.client.HTTPResponse) -> bytes:
    body = bytearray()
    while piece := response.read1(_READ_BYTES):
        body += piece
        if len(body) > MAX_BLOCK_BYTES:
            raise WrongBytes(f"a gateway sends more than the {MAX_BLOCK_BYTES} bytes a block may hold")
    if response.length:  # announced, but it never came
        raise TransientError("a gateway broke off in the middle of a block")
    response.close()  # read1 does not notice the end by itself, and the connection waits for it
    return bytes(body)


def _may_send(sock: socket.socket) -> bool:
    """Waits for `100 Continue`, so that a refused upload costs nothing. TLS cannot peek and just sends."""
    if isinstance(sock, ssl.SSLSocket):
        return True
    return sock.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 100"


def _judge_upload(url: str, root: Cid, status: int, answer: bytes) -> None:
    text = answer.decode("utf-8", "replace").strip()[:200]
    if status == 201:
        if text != str(root):
            raise IntegrityError(f"{url} stored something else than {root}")
    elif status in (413, 507):
        raise UsageError(f"{url} takes no more uploads", hint=text)
    elif status >= 500 or status == 429:
        raise TransientError(f"{url} answered {status} to the upload", hint=text)
    else:
        raise IntegrityError(f"{url} refused the upload of {root}", hint=text)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
