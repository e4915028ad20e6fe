# SPDX-License-Identifier: Apache-2.0
"""What every command shares: options, settings, and the objects made from them (chain, store, account)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.screen import Screen
from swarm.config import Config
from swarm.errors import NotFound, UsageError, WalletError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from swarm.chain.network import Chain, Network
    from swarm.protocol.types import Address, JobId
    from swarm.storage.port import Store


class Context:
    """The settings of one command and what is built from them, on first use."""

    def __init__(self, config: Config, mode: str) -> None:
        self.config = config
        self.screen = Screen(mode)

    @property
    def home(self) -> Path:
        return self.config.home

    @property
    def account_name(self) -> str:
        return self.config.get("account") or "main"

    @cached_property
    def network(self) -> Network:
        from dataclasses import replace

        from swarm.chain.network import Network

        named = {key: self.config.get(key) for key in ("rpc_url", "push_to")} | {
            "gateways": self.config.names("gateways")
        }
        return replace(Network.load(self.config.network), **{key: value for key, value in named.items() if value})

    @cached_property
    def chain(self) -> Chain:
        from swarm.chain.network import Chain
        from swarm.chain.outbox import Fees
        from swarm.units import parse_gwei

        fees = Fees(cap_wei=parse_gwei(self.config.get("max_fee_gwei") or ""))
        return Chain(self.network, fees=fees).check()

    @cached_property
    def store(self) -> Store:
        """The content store; checked, so that a dead one is named before any work."""
        from swarm.cli.stores import store_of

        store = store_of(self.config, self.home, self.network)
        store.check()
        return store

    @cached_property
    def address(self) -> Address:
        """The account's address; needs no passphrase."""
        from swarm.chain.keystore import Keystore

        return Keystore(self.config.keystore).address(self.account_name)

    @cached_property
    def account(self) -> LocalAccount:
        """The account's signer, unlocked once."""
        from swarm.chain.keystore import Keystore

        keystore = Keystore(self.config.keystore)
        keystore.address(self.account_name)
        return keystore.unlock(self.account_name, self.passphrase())

    def passphrase(self, *, confirm: bool = False) -> str:
        """From the passphrase file, or asked at a terminal; never from the command line."""
        path = self.config.get("passphrase_file")
        if path:
            try:
                return Path(path).read_text().rstrip("\r\n")
            except OSError as error:
                raise WalletError(f"cannot read the passphrase file {path}", hint=error.strerror) from error
        if not sys.stdin.isatty():
            raise WalletError("a passphrase is needed", hint="give --passphrase-file, or run it at a terminal")
        return click.prompt(
            f"passphrase of {self.account_name}", hide_input=True, confirmation_prompt=confirm, err=True
        )


_OPTIONS = [
    click.option("--home", type=click.Path(), help="Where this role keeps its state.  [SWARM_HOME]"),
    click.option("--network", type=click.Path(), help="Network file.  [SWARM_NETWORK]"),
    click.option("--rpc-url", help="JSON-RPC endpoints instead of the network file's, with commas.  [SWARM_RPC_URL]"),
    click.option("--account", help="Account name, default main.  [SWARM_ACCOUNT]"),
    click.option("--passphrase-file", type=click.Path(), help="Holds the passphrase.  [SWARM_PASSPHRASE_FILE]"),
    click.option("--json", "mode", flag_value="json", help="Print JSON."),
    click.option("--quiet", "-q", "mode", flag_value="quiet", help="Print the essential value only."),
]


def with_context(function: Callable) -> Callable:
    """Adds the shared options and passes a Context as first argument."""

    @functools.wraps(function)
    def wrapper(*arguments, home, network, rpc_url, account, passphrase_file, mode, **options):
        flags = {
            "home": home,
            "network": network,
            "rpc_url": rpc_url,
            "account": account,
            "passphrase_file": passphrase_file,
        }
        return function(Context(Config(flags), mode or "human"), *arguments, **options)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper


def example(text: str) -> str:
    """The help's epilog: an example that can be copied."""
    return "\b\nExample:\n  " + text.replace("\n", "\n  ")


def parse_address(text: str) -> Address:
    """`0x…`, 40 hexadecimal digits. Raises UsageError for anything else, and for a checksum that is wrong."""
    from eth_utils import is_address, to_checksum_address

    from swarm.protocol.types import Address

    if not is_address(text):
        raise UsageError(f"{text!r} is not an address", hint="swarm wallet show prints one")
    return Address(to_checksum_address(text))


def parse_job_id(text: str) -> JobId:
    """`7` or `job-7`. Raises NotFound for anything else."""
    from swarm.protocol.types import JobId

    digits = text.removeprefix("job-")
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 2**64:
        raise NotFound(f"{text!r} is not a job", hint="swarm job list shows them")
    return JobId(int(digits))
