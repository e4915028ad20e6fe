# SPDX-License-Identifier: Apache-2.0
"""The processes and people of the story. Every daemon is the shipped command in its own process with its own home."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.chain.devnet import fund
from swarm.chain.keystore import Keystore
from swarm.chain.network import Chain, Network
from swarm.clock import wait_for
from swarm.errors import SwarmError
from swarm.protocol.types import Address, Amount

ACCOUNT = "main"


@dataclass
class Role:
    """One person with one key and one home directory."""

    name: str
    home: Path
    account: LocalAccount
    log: Path | None = None
    process: subprocess.Popen | None = None
    _read_to: int = field(default=0, repr=False)

    @property
    def address(self) -> Address:
        return Address(self.account.address)

    def news(self) -> list[dict]:
        """The daemon's log lines since the last look, decoded; only whole lines are taken."""
        if self.log is None or not self.log.exists():
            return []
        with self.log.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]


class Stage:
    """Starts everything under one directory and ends only what it started."""

    def __init__(self, directory: Path, *, sandbox: str) -> None:
        self.directory = directory
        self.sandbox = sandbox
        self.roles: dict[str, Role] = {}
        self._processes: list[subprocess.Popen] = []
        self._passphrase = directory / "passphrase"

    def raise_devnet(self) -> Chain:
        """`swarm devnet up` in its own process; returns its chain once the network file is there."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._passphrase.write_text(secrets.token_urlsafe(16))
        self._passphrase.chmod(0o600)
        command = ["-m", "swarm.cli.main", "devnet", "up", "--sandbox", self.sandbox]
        process = self._start([*command, "--dir", str(self.directory / "devnet")], "devnet")

        def network_is_there() -> bool:
            if process.poll() is not None:
                raise SwarmError("the devnet ended at once", hint=f"read {self.directory / 'devnet.log'}")
            return self.network_file.exists()

        wait_for(network_is_there, timeout_seconds=90, what="the devnet")
        return Chain(Network.load(self.network_file)).check()

    @property
    def network_file(self) -> Path:
        return self.directory / "devnet" / "network.json"

    def enter(self, chain: Chain, names: list[str], tokens: Amount) -> None:
        """Makes a keystore for each person and lets the faucet fund it."""
        with ThreadPoolExecutor(2) as pool:  # a keystore is one second of key stretching
            for role in pool.map(self._make_role, names):
                self.roles[role.name] = role
        for name in names:
            fund(chain, self.roles[name].address, tokens)

    def start_judge(self, name: str) -> None:
        self._start_daemon(name, ["-m", "verifier.cli", "run", "--sandbox", self.sandbox])

    def start_seller(self, name: str, job_id: int) -> None:
        options = ["worker", "start", "--job", str(job_id), "--sandbox", self.sandbox]
        self._start_daemon(name, ["-m", "swarm.cli.main", *options])

    def start_lazy_seller(self, name: str, job_id: int) -> None:
        self._start_daemon(name, ["-m", "scripts.story.lazy_seller", str(job_id)])

    def wait(self) -> None:
        """Returns when the devnet ends."""
        self._processes[0].wait()

    def close(self) -> None:
        """Ends every process of the story, the devnet last."""
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def check_alive(self) -> None:
        """Raises SwarmError when a daemon of the story has ended with a fault."""
        for role in self.roles.values():
            if role.process and role.process.poll():
                tail = role.log.read_text(errors="replace").strip().splitlines()[-1:] if role.log else []
                raise SwarmError(f"{role.name} ended with code {role.process.returncode}: {' '.join(tail)[:300]}")

    def _make_role(self, name: str) -> Role:
        home = self.directory / name
        keystore = Keystore(home / "keystore")
        passphrase = self._passphrase.read_text()
        keystore.create(ACCOUNT, passphrase)
        return Role(name, home, keystore.unlock(ACCOUNT, passphrase))

    def _start_daemon(self, name: str, arguments: list[str]) -> None:
        role = self.roles[name]
        role.log = self.directory / f"{name}.log"
        options = ["--log-format", "json"] if "scripts.story.lazy_seller" not in arguments else []
        role.process = self._start([*arguments, *options], name, home=role.home)

    def _start(self, arguments: list[str], name: str, home: Path | None = None) -> subprocess.Popen:
        environment = os.environ | {
            "SWARM_HOME": str(home or self.directory),
            "SWARM_NETWORK": str(self.network_file),
            "SWARM_PASSPHRASE_FILE": str(self._passphrase),
            "OMP_WAIT_POLICY": "passive",
        }
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)
        return process
