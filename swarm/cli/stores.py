# SPDX-License-Identifier: Apache-2.0
"""The content store that the settings ask for, and who holds and proves what a seller publishes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.chain.network import Network
    from swarm.config import Config
    from swarm.storage.delivery import Delivery
    from swarm.storage.embedded import EmbeddedStore
    from swarm.storage.kubo import KuboStore
    from swarm.storage.pinning import Pinner


def store_of(config: Config, home: Path, network: Network) -> EmbeddedStore | KuboStore:
    """A store that pushes whatever is added to the network's pinning node, or a daemon."""
    return _made(config, home, network, push_to=network.push_to)


def seller_store_of(config: Config, home: Path, network: Network) -> tuple[EmbeddedStore | KuboStore, Delivery]:
    """A store that keeps what is added to itself, and the delivery that hands over whole results.

    Raises UsageError where nobody is named who could hold a result, or prove that it can be fetched.
    """
    from swarm.storage.delivery import Delivery

    store = _made(config, home, network, push_to=None)
    pinners = _pinners(config, network, store)
    if not pinners and config.get("store") == "embedded":
        hint = "set push_to or pin_service, or push_to in the network file"
        raise UsageError("nobody is named who would hold your results, and no port of yours is open", hint=hint)
    return store, Delivery(store.blocks, pinners, network.gateways)


def _made(config: Config, home: Path, network: Network, *, push_to: str | None) -> EmbeddedStore | KuboStore:
    kind = config.get("store")
    if kind == "embedded":
        from swarm.storage.embedded import EmbeddedStore

        token = config.secret("push_token_file") if push_to else None
        return EmbeddedStore(home / "store", gateways=network.gateways, push_to=push_to, push_token=token)
    if kind == "kubo":
        from swarm.storage.kubo import KuboStore

        return KuboStore(config.get("kubo_api") or "")
    raise UsageError(f"unknown store {kind!r}", hint="embedded or kubo")


def _pinners(config: Config, network: Network, store: EmbeddedStore | KuboStore) -> list[Pinner]:
    from swarm.storage.node_pinner import NodePinner
    from swarm.storage.pin_service import PinService
    from swarm.storage.wire import multiaddr_of

    pinners: list[Pinner] = []
    if network.push_to:
        pinners.append(NodePinner(store.blocks, network.push_to, token=config.secret("push_token_file")))
    if service := config.get("pin_service"):
        # After the node: a service that cannot reach our daemon fetches from there.
        node = [multiaddr_of(network.push_to)] if network.push_to else []
        token = config.secret("pin_token_file")
        pinners.append(PinService(service, token, origins=lambda: [*store.addresses(), *node], dial=store.dial))
    return pinners
