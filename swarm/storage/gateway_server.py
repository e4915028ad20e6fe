# SPDX-License-Identifier: Apache-2.0
"""Serves a blockstore over HTTP as a trustless gateway (specs.ipfs.tech/http-gateways/trustless-gateway).

    GET|HEAD /ipfs/<cid>?format=raw    one block            (or Accept: application/vnd.ipld.raw)
    GET|HEAD /ipfs/<cid>?format=car    the whole DAG        (or Accept: application/vnd.ipld.car); 404 unless complete
    POST     /car                      stores the one complete DAG of a CAR, within the upload quota; 201 with its CID

The upload makes it a pinning node. Without a token whoever reaches it may upload: it listens on loopback unless told
otherwise. What is uploaded is kept for a time that an upload of the same root renews.
"""

from __future__ import annotations

import contextlib
import hmac
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from swarm.errors import IntegrityError, NotFound, SwarmError, UsageError
from swarm.log import Log
from swarm.storage.car import CarReader, header, section, section_prefix
from swarm.storage.cid import Cid, parse
from swarm.storage.dagpb import MAX_BLOCK_BYTES
from swarm.storage.flatfs import FlatFs

log = Log(__name__)

CAR_TYPE = "application/vnd.ipld.car"
TYPES = {"raw": "application/vnd.ipld.raw", "car": f"{CAR_TYPE}; version=1; order=dfs; dups=n"}
MAX_PATH = 512
MAX_CONNECTIONS = 64
IDLE_SECONDS = 30.0
UPLOAD_SECONDS = 3600.0
RENEWAL_BYTES = MAX_BLOCK_BYTES + 4096  # a root alone
_FULL = "the upload quota is used up"


class GatewayServer:
    """A gateway in threads of this process. `url` is known once constructed; port 0 takes a free one."""

    def __init__(
        self,
        blocks: FlatFs,
        *,
        upload_quota_bytes: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        keep_seconds: float | None = None,
    ) -> None:
        self._blocks, self._keep_seconds = blocks, keep_seconds
        self._quota = Quota(upload_quota_bytes - (blocks.stored_bytes() if upload_quota_bytes else 0))
        try:
            self._server = _Server((host, port), _handler(blocks, self._quota, token))
        except (OSError, OverflowError) as error:
            raise UsageError(f"cannot listen on {host}:{port}", hint=getattr(error, "strerror", None)) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="gateway", daemon=True)
        self.url = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def expire(self) -> int:
        """Drops what was not uploaded again within `keep_seconds`; to be called now and then. Returns bytes freed."""
        if self._keep_seconds is None:
            return 0
        freed = self._blocks.expire(self._keep_seconds)
        self._quota.give_back(freed)
        return freed

    def stop(self) -> None:
        """Stops listening; running transfers end with the process. May be called before `start` and twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class Quota:
    """Bytes that uploads may still take, shared by all connections."""

    def __init__(self, size: int) -> None:
        self._left, self._lock = size, threading.Lock()

    def fits(self, count: int) -> bool:
        return count <= self._left

    def take(self, count: int) -> bool:
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give_back(self, count: int) -> None:
        with self._lock:
            self._left += count


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments) -> None:
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request, client_address) -> None:
        log.warning("connection_failed", peer=client_address[0], error=repr(sys.exc_info()[1]))


def _handler(blocks: FlatFs, quota: Quota, token: str | None) -> type[_Handler]:
    return type("Handler", (_Handler,), {"blocks": blocks, "quota": quota, "token": token})


class _Handler(BaseHTTPRequestHandler):
    blocks: FlatFs
    quota: Quota
    token: str | None
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "swarm-gateway", ""
    timeout = IDLE_SECONDS
    wbufsize = 64 << 10
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answering(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answering(self._post)

    def handle_expect_100(self) -> bool:
        """Refuses an upload before its body is sent."""
        refusal = self._upload_refusal()
        if refusal is None:
            super().handle_expect_100()
            self.wfile.flush()
            return True
        self._line(*refusal, close=True)
        return False

    def log_message(self, *_) -> None:
        """Requests are not logged: a busy gateway would write nothing else."""

    def _answering(self, action) -> None:
        try:
            action()
        except NotFound as error:
            self._line(HTTPStatus.NOT_FOUND, error.message)
        except SwarmError as error:
            self._line(HTTPStatus.INTERNAL_SERVER_ERROR, error.message, close=True)
        except OSError:
            self.close_connection = True

    def _get(self) -> None:
        try:
            cid, form = self._asked()
        except UsageError as error:
            return self._line(HTTPStatus.BAD_REQUEST, error.message)
        if form == "raw":
            block = self.blocks.get(cid)
            self._head(cid, form, len(block))
            return self._body([block])
        # Walked before the first byte: a CAR that breaks off in the middle would look complete to a careless reader.
        cids = [(each, self.blocks.size(each)) for each in self.blocks.walk(cid)]
        length = len(header([cid])) + sum(len(section_prefix(each, size)) + size for each, size in cids)
        self._head(cid, form, length)
        self._body(self._car(cid, [each for each, _ in cids]))

    def _asked(self) -> tuple[Cid, str]:
        if len(self.path) > MAX_PATH:
            raise UsageError("the path is too long")
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, max_num_fields=8)
        form = query.get("format", [_form_of(self.headers.get("Accept", ""))])[0]
        if not parts.path.startswith("/ipfs/"):
            raise UsageError("only /ipfs/<cid> is served")
        if form not in TYPES:
            raise UsageError("ask for format=raw or format=car")
        return parse(parts.path.removeprefix("/ipfs/")), form

    def _head(self, cid: Cid, form: str, length: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES[form])
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Disposition", f'attachment; filename="{cid}.{"bin" if form == "raw" else "car"}"')
        self.send_header("Cache-Control", "public, max-age=29030400, immutable")
        self.send_header("Etag", f'"{cid}.{form}"')
        self.send_header("X-Ipfs-Path", f"/ipfs/{cid}")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()

    def _body(self, pieces) -> None:
        if self.command == "HEAD":
            return
        try:
            for piece in pieces:
                self.wfile.write(piece)
        except SwarmError:
            # The head is out: all that can still be said is that the body is incomplete.
            self.close_connection = True

    def _car(self, root: Cid, cids: list[Cid]) -> Iterator[bytes]:
        yield header([root])
        for cid in cids:
            yield section(cid, self.blocks.get(cid))

    def _post(self) -> None:
        refusal = self._upload_refusal()
        if refusal is not None:
            return self._line(*refusal, close=True)
        length = int(self.headers["Content-Length"])
        taken = length if self.quota.take(length) else 0
        if not taken and length > RENEWAL_BYTES:
            return self._line(HTTPStatus.INSUFFICIENT_STORAGE, _FULL, close=True)
        root, stored = None, 0
        try:
            body = _Body(self.rfile, length, time.monotonic() + UPLOAD_SECONDS)
            root, stored = self._store(body, is_full=not taken)
        except _Full:
            return self._line(HTTPStatus.INSUFFICIENT_STORAGE, _FULL, close=True)
        except IntegrityError as error:
            return self._line(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, close=True)
        finally:
            # Blocks that were here already cost nothing, unless the upload was junk.
            if root is not None:
                self.quota.give_back(taken - stored)
        self._line(HTTPStatus.CREATED, str(root), close=body.left > 0)

    def _store(self, body: BinaryIO, *, is_full: bool) -> tuple[Cid, int]:
        """Where it is full, the upload of a root whose blocks are all here still renews its pin."""
        car, stored = CarReader(body), 0
        for cid, block in car.blocks():
            if is_full and not self.blocks.has(cid):
                raise _Full
            stored += len(block) if self.blocks.put(cid, block) else 0
        (root, *more) = car.roots
        if more or not self.blocks.is_complete(root):
            raise IntegrityError("the CAR does not complete one DAG")
        self.blocks.pin(root)
        return root, stored

    def _upload_refusal(self) -> tuple[HTTPStatus, str] | None:
        length = self.headers.get("Content-Length", "")
        if self.command != "POST" or self.path != "/car":
            return HTTPStatus.NOT_FOUND, "only POST /car is accepted"
        shown = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if self.token and not hmac.compare_digest(shown, f"Bearer {self.token}".encode()):
            return HTTPStatus.UNAUTHORIZED, "uploads need this node's token"
        # A web page cannot send this type to us without asking first, and we never allow it.
        if self.headers.get_content_type() != CAR_TYPE:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {CAR_TYPE}"
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed"
        if int(length) > RENEWAL_BYTES and not self.quota.fits(int(length)):
            return HTTPStatus.INSUFFICIENT_STORAGE, _FULL
        return None

    def _line(self, status: HTTPStatus, text: str, *, close: bool = False) -> None:
        body = f"{text}\n".encode()
        self.close_connection = self.close_connection or close
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)


class _Full(Exception):
    """There is no room for a block that is not here yet."""


class _Body:
    """The body of an upload: ends after the announced length, and when its time is over."""

    def __init__(self, stream: BinaryIO, length: int, deadline: float) -> None:
        self._stream, self.left, self._deadline = stream, length, deadline

    def read(self, count: int) -> bytes:
        if time.monotonic() > self._deadline:
            raise IntegrityError("the upload takes too long")
        data = self._stream.read(min(count, self.left))
        self.left -= len(data)
        return data


def _form_of(accept: str) -> str:
    return next((form for form, kind in TYPES.items() if kind.split(";")[0] in accept), "")
