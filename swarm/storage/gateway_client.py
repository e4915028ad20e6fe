# SPDX-License-Identifier: Apache-2.0
"""Fetches blocks from trustless gateways and pushes CARs to a pinning node. No answer is trusted.

A gateway that lies or fails is passed over; what the failures mean together decides the error:
lied → IntegrityError, unreachable → TransientError, all answered "not here" → NotFound.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Sequence

from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError
from swarm.log import Log
from swarm.storage.cid import RAW, Cid, cid_of_block
from swarm.storage.dagpb import MAX_BLOCK_BYTES
from swarm.storage.tally import GATEWAY, counted
from swarm.storage.wire import (
    READ_BYTES,
    address_of,
    bearer,
    bounded,
    checked_token,
    connect,
    cut_after,
    port_of,
    reason_of,
)

log = Log(__name__)

RAW_TYPE = "application/vnd.ipld.raw"
CAR_TYPE = "application/vnd.ipld.car"
BLOCK_SECONDS = 60.0  # a whole block, so that a trickle of bytes does not hold us
IMPORT_SECONDS = 600.0  # for a pinning node to answer after the last byte of an upload
SLOWEST_BYTES_PER_SECOND = 32 << 10  # a node that takes less is not waited for
_ABSENT = (404, 410, 412)
_PROBE = cid_of_block(b"", RAW)


class Gateway:
    """One gateway. Keeps a connection per thread. `token` is shown with uploads only."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self._parts = address_of(url, "a gateway")
        self.url, self._local = url.rstrip("/"), threading.local()
        self._token = checked_token(token, self._parts) if token else None

    @property
    def host(self) -> str:
        """Host and port: two addresses with the same are one machine."""
        return f"{self._parts.hostname}:{port_of(self._parts)}"

    def fetch(self, cid: Cid) -> bytes:
        """The verified block. Raises NotFound, TransientError, or IntegrityError when it is another one."""
        with counted(GATEWAY):
            return self._fetched(cid)

    def _fetched(self, cid: Cid) -> bytes:
        status, block = self._ask("GET", f"/ipfs/{cid}?format=raw", RAW_TYPE)
        if status in _ABSENT:
            raise NotFound(f"{self.url} does not have {cid}")
        if status != 200:
            raise TransientError(f"{self.url} answered {status} for {cid}")
        if not cid.matches(block):
            raise IntegrityError(f"{self.url} sent wrong bytes for {cid}")
        return block

    def has_all(self, cid: Cid) -> bool:
        """Whether the gateway says that it has the whole DAG."""
        return self._ask("HEAD", f"/ipfs/{cid}?format=car", CAR_TYPE)[0] == 200

    def check(self) -> None:
        """Raises TransientError unless the gateway answers, whatever it has."""
        status, _ = self._ask("HEAD", f"/ipfs/{_PROBE}?format=raw", RAW_TYPE)
        if status >= 500:
            raise TransientError(f"{self.url} answered {status}")

    def push(self, root: Cid, pieces: Iterable[bytes], length: int, *, seconds: float = IMPORT_SECONDS) -> None:
        """Uploads a CAR of `length` bytes, in `seconds` or what a slow line needs. Raises UsageError: quota."""
        with counted(GATEWAY):
            self._push(root, pieces, length, max(seconds, length / SLOWEST_BYTES_PER_SECOND))

    def _push(self, root: Cid, pieces: Iterable[bytes], length: int, seconds: float) -> None:
        connection = connect(self._parts)
        try:
            with cut_after(seconds, connection):
                status, answer = self._uploaded(connection, pieces, length)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"the upload to {self.url} broke off", hint=reason_of(error)) from error
        finally:
            connection.close()
        _judge_upload(self.url, root, status, answer)

    def _uploaded(
        self, connection: http.client.HTTPConnection, pieces: Iterable[bytes], length: int
    ) -> tuple[int, bytes]:
        connection.putrequest("POST", self._parts.path.rstrip("/") + "/car")
        headers = {"Content-Type": CAR_TYPE, "Content-Length": length, "Expect": "100-continue"}
        for name, value in (headers | bearer(self._token)).items():
            connection.putheader(name, str(value))
        connection.endheaders()
        if _may_send(connection.sock):
            for piece in pieces:
                connection.send(piece)
            connection.sock.settimeout(IMPORT_SECONDS)
        response = connection.getresponse()
        return response.status, response.read(READ_BYTES)

    def _ask(self, method: str, path: str, accept: str) -> tuple[int, bytes]:
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return self._exchange(kept, method, path, accept)
            except TransientError:
                pass  # the other side may have closed an idle connection: once more on a fresh one
        self._local.connection = connect(self._parts)
        return self._exchange(self._local.connection, method, path, accept)

    def _exchange(self, connection: http.client.HTTPConnection, method: str, path: str, accept: str):
        try:
            with cut_after(BLOCK_SECONDS, connection):
                headers = {"Accept": accept, "User-Agent": "computeswarm"}
                connection.request(method, self._parts.path.rstrip("/") + path, headers=headers)
                response = connection.getresponse()
                body = bounded(response, MAX_BLOCK_BYTES, "a gateway")
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            raise TransientError(f"cannot reach {self.url}", hint=reason_of(error)) from error
        except SwarmError:
            self._drop(connection)
            raise
        if response.will_close:
            self._drop(connection)
        return response.status, body

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        self._local.connection = None


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
    elif status in (401, 403):
        raise UsageError(f"{url} refused our token", hint=text)
    elif status in (413, 507):
        raise UsageError(f"{url} takes no more uploads", hint=text)
    elif status >= 500 or status == 429:
        raise TransientError(f"{url} answered {status} to the upload", hint=text)
    else:
        raise IntegrityError(f"{url} refused the upload of {root}", hint=text)
