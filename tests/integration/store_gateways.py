# SPDX-License-Identifier: Apache-2.0
"""Gateways for the store's tests: a node in its own process, and Mallory, who answers as a test tells her."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from swarm.storage.flatfs import FlatFs
from swarm.storage.gateway_server import GatewayServer
from swarm.storage.port import ExportLimits
from tests.integration.local_server import LocalServer

LIMITS = ExportLimits(max_bytes=100_000_000, max_files=20, max_depth=4)
QUOTA = 50_000_000
CAR = {"Content-Type": "application/vnd.ipld.car"}


def serve(directory, pipe) -> None:
    gateway = GatewayServer(FlatFs(directory), upload_quota_bytes=QUOTA)
    gateway.start()
    pipe.send(gateway.url)
    pipe.recv()


class Node:
    """A pinning node in a process of its own."""

    def __init__(self, directory) -> None:
        self.blocks = directory
        self._pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=serve, args=(directory, theirs), daemon=True)
        self.process.start()
        self.url = self._pipe.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


class Mallory(BaseHTTPRequestHandler):
    """A gateway whose every answer is `answer(handler)`."""

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path / "node")
    yield node
    node.kill()


@pytest.fixture
def hostile():
    servers = []

    def start(answer) -> str:
        servers.append(LocalServer(type("Handler", (Mallory,), {"answer": answer})))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "segments" / "0000").mkdir(parents=True)
    (tree / "segments" / "0000" / "weights").write_bytes(os.urandom(5_000_000))
    (tree / "manifest.json").write_bytes(b"{}")
    return tree


def ask(url: str, method: str, path: str, body: bytes | None = None, headers: dict | None = None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


def send_wrong_bytes(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(b"wrong")


def send_half(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(bytes(500))


def send_without_end(handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        handler.close_connection = True


def trickle(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    stop = threading.Event()
    try:
        while not stop.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def send_error(handler) -> None:
    handler.send_error(503)


def redirect(handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.0.1/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
