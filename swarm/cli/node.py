# SPDX-License-Identifier: Apache-2.0
"""`swarm node`: a machine that can be reached holds content for those that cannot."""

from __future__ import annotations

import signal
import threading

import click

from swarm.cli.common import Context, example, with_context

_EXPIRY_SECONDS = 900


@click.group()
def command() -> None:
    """Hold results for machines that nobody can reach."""


@command.command(
    epilog=example("swarm node serve --host 0.0.0.0 --port 8080 --accept-gib 200 --token-file /etc/swarm/push")
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--accept-gib", type=click.FloatRange(min=0), default=20, show_default=True, help="The most it holds.")
@click.option("--keep", default="14d", show_default=True, help="How long after its last upload content is held.")
@click.option("--token-file", type=click.Path(), help="Uploads need this token; without it anyone may upload.")
@with_context
def serve(context: Context, host: str, port: int, accept_gib: float, keep: str, token_file: str | None) -> None:
    """Serve a trustless IPFS gateway that takes uploads, until ^C. Others name it as push_to, and among gateways.

    Hold for longer than the longest job with its disputes takes: what nobody uploads again is deleted after --keep.
    """
    from swarm import log
    from swarm.config import read_secret
    from swarm.storage.flatfs import FlatFs
    from swarm.storage.gateway_server import GatewayServer
    from swarm.units import parse_duration

    keep_seconds = parse_duration(keep)
    token = read_secret(token_file, "--token-file") if token_file else None
    log.set_up()
    directory = context.home / "node"
    size = int(accept_gib * (1 << 30))
    gateway = GatewayServer(
        FlatFs(directory), upload_quota_bytes=size, host=host, port=port, token=token, keep_seconds=keep_seconds
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gateway.start()
    try:
        context.screen.facts({"gateway": gateway.url, "directory": str(directory), "token": bool(token), "keep": keep})
        while not stop.wait(_EXPIRY_SECONDS):
            gateway.expire()
    finally:
        gateway.stop()
