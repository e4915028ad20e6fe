# SPDX-License-Identifier: Apache-2.0
"""Keystore v3 files: the ones Foundry, geth and Ape read. Keys never leave this module but as a signer."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from swarm.errors import UsageError, WalletError
from swarm.protocol.types import Address

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Keystore:
    """The keystore files of one directory, by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not an account name", hint="use letters, digits, dot, dash, underscore")
        return self.directory / f"{name}.json"

    def create(self, name: str, passphrase: str, *, iterations: int | None = None) -> Address:
        """Makes a new key. Refuses an empty passphrase and to overwrite. `iterations` lowers the work in tests."""
        if not passphrase:
            raise WalletError("the passphrase is empty", hint="choose one")
        account = Account.create()
        content = Account.encrypt(account.key, passphrase, iterations=iterations)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise WalletError(f"the account {name!r} exists already", hint="choose another name") from error
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        return Address(account.address)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.directory.glob("*.json"))

    def address(self, name: str) -> Address:
        """The account's address, without its passphrase."""
        try:
            raw = json.loads(self.path(name).read_text())["address"]
            return Address(_checksummed(raw))
        except FileNotFoundError as error:
            raise WalletError(f"there is no account {name!r}", hint=f"swarm wallet create {name}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise WalletError(f"{self.path(name)} is not a keystore file") from error

    def unlock(self, name: str, passphrase: str) -> LocalAccount:
        """The signer. Takes about 1.5 s: once per process. Raises WalletError for a wrong passphrase."""
        self.address(name)
        try:
            return Account.from_key(Account.decrypt(self.path(name).read_text(), passphrase))
        except ValueError as error:
            raise WalletError(f"wrong passphrase for {name!r}", hint="try again; nothing was sent") from error


def _checksummed(raw: str) -> str:
    from eth_utils import to_checksum_address

    return to_checksum_address(raw if raw.startswith("0x") else "0x" + raw)
