# SPDX-License-Identifier: Apache-2.0
"""`swarm devnet`: a chain, a drand signer and a content gateway of one's own, on this machine only."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.sandboxes import default_engine

UPLOAD_QUOTA_BYTES = 20 << 30


@click.group()
def command() -> None:
    """A chain of your own on this machine, with faucet money."""


@command.command(epilog=example("swarm devnet up\nswarm devnet up --dir /tmp/net --port 8545"))
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where the devnet keeps its files.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="RPC port; 0 takes a free one.")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@with_context
def up(context: Context, directory: Path | None, port: int, sandbox: str) -> None:
    """Start a devnet and keep it running until ^C. Its network file is the default one of all commands."""
    from swarm.chain.devnet import Devnet
    from swarm.storage.flatfs import FlatFs
    from swarm.storage.gateway_server import GatewayServer

    engine = default_engine(sandbox, context.screen.note)
    directory = directory or context.config.devnet_directory
    network_file = directory / "network.json"
    network_file.unlink(missing_ok=True)
    devnet = Devnet(directory, port=port)
    gateway = GatewayServer(FlatFs(directory / "blocks"), upload_quota_bytes=UPLOAD_QUOTA_BYTES)
    try:
        network = devnet.start()
        gateway.start()
        network = replace(network, gateways=(gateway.url,), push_to=gateway.url, engine=engine)
        network.save(network_file)
        context.screen.facts(
            {
                "network": str(network_file),
                "rpc": network.rpc_url,
                "chain_id": network.chain_id,
                "token": network.token,
                "escrow": network.escrow,
                "bench": network.bench,
                "court": network.court,
                "vault": network.vault,
                "beacon": network.beacon,
                "drand": network.drand_urls[0],
                "gateway": gateway.url,
                "engine": engine,
            }
        )
        context.screen.note("ready; ^C ends it")
        _wait(devnet)
    finally:
        network_file.unlink(missing_ok=True)
        gateway.stop()
        devnet.stop()


def _wait(devnet) -> None:
    from swarm.errors import TransientError

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(1):
        if not devnet.is_alive():
            raise TransientError("the devnet's anvil has ended", hint=f"read {devnet.directory / 'anvil.log'}")
