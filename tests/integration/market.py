# SPDX-License-Identifier: Apache-2.0
"""A real market for tests: the shipped commands as processes, real chain, store and sandboxes, and a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from swarm.chain.devnet import fund
from swarm.chain.keystore import Keystore
from swarm.chain.network import Chain, Network
from swarm.clock import wait_for
from swarm.protocol.hardware import class_number
from swarm.protocol.types import JobId
from swarm.units import parse_amount
from tests.integration.warm import run_command

JUDGES = ("judith", "jules", "jana", "jorge")
# Key stretching is not what these tests are about.
FAST_KEYSTORE = 2


@dataclass
class Market:
    """Every person has a home below `directory`; `engine` is what jobs are posted with."""

    directory: Path
    sandbox: str
    engine: str
    model: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def network_file(self) -> Path:
        return self.directory / "devnet" / "network.json"

    @property
    def chain(self) -> Chain:
        return Chain(Network.load(self.network_file)).check()

    def environment(self, person: str) -> dict[str, str]:
        return os.environ | {
            "SWARM_HOME": str(self.directory / person),
            "SWARM_NETWORK": str(self.network_file),
            "SWARM_PASSPHRASE_FILE": str(self.directory / "words"),
            "SWARM_LOG_FORMAT": "json",
            "OMP_WAIT_POLICY": "passive",
        }

    def start(self, person: str, program: str, *arguments: str) -> subprocess.Popen:
        """A daemon in its own session; its log is `<person>.log`."""
        with self.log(person).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", _module(program), *arguments],
                env=self.environment(person),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def call(self, person: str, program: str, *arguments: str, timeout: float = 300) -> tuple[int, str, str]:
        """A command to its end: exit code, stdout, stderr."""
        result = run_command(_module(program), arguments, self.environment(person), timeout=timeout)
        return result.returncode, result.stdout, result.stderr

    def facts(self, person: str, program: str, *arguments: str) -> dict | list:
        """A command that must succeed, as JSON."""
        code, out, err = self.call(person, program, *arguments, "--json")
        assert code == 0, f"{program} {' '.join(arguments)}: {code} {err}"
        return json.loads(out)

    def open(self) -> None:
        """The devnet comes up."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "words").write_text("correct horse battery staple")
        self.start("devnet", "swarm", "devnet", "up", "--sandbox", "process", "--dir", str(self.directory / "devnet"))
        wait_for(self.network_file.exists, timeout_seconds=90, what="the devnet")

    def enter(self, *people: str, tokens: str = "1000") -> None:
        """Keystores and faucet money, all of it in one block."""
        chain = self.chain

        def enter(person: str) -> None:
            address = self.keystore(person).create("main", self.words, iterations=FAST_KEYSTORE)
            fund(chain, address, parse_amount(tokens))

        with ThreadPoolExecutor(len(people)) as pool:
            list(pool.map(enter, people))

    def seat_judges(self, hardware: str = "cpu-fp32") -> None:
        """Four judges take their seats; their services do not run yet. The first one through the shipped command."""
        self.enter(*JUDGES)
        with ThreadPoolExecutor(len(JUDGES)) as pool:
            first = pool.submit(self.facts, JUDGES[0], "verifier", "register", "--class", hardware)
            others = [pool.submit(self._seat, judge, class_number(hardware)) for judge in JUDGES[1:]]
            assert first.result()["slot"] and all(other.result() for other in others)

    def run_judges(self) -> None:
        """Their services run."""
        for judge in JUDGES:
            self.start(judge, "verifier", "run", "--sandbox", self.sandbox, "--log-format", "json")

    def keystore(self, person: str) -> Keystore:
        return Keystore(self.directory / person / "keystore")

    @property
    def words(self) -> str:
        return (self.directory / "words").read_text()

    def _seat(self, judge: str, hardware: int) -> int:
        account = self.keystore(judge).unlock("main", self.words)
        return self.chain.take_slot(account, hardware, account.address)

    def post(self, buyer: str, data: Path, *options: str) -> JobId:
        """A small LoRA job of twenty one-step segments: an audit re-executes 5 %."""
        arguments = ["-m", str(self.model), "-d", str(data), "--steps", "20", "--steps-per-segment", "1", "--rank", "2"]
        arguments += ["--batch", "2", "--sequence-len", "256", "--max-spend", "10", "--engine", self.engine, "--yes"]
        return JobId(self.facts(buyer, "swarm", "lora", *arguments, *options)["job"])

    def log(self, person: str) -> Path:
        return self.directory / f"{person}.log"

    def events(self, person: str, name: str) -> list[dict]:
        """The daemon's log lines of one event."""
        path = self.log(person)
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for line in lines if line.startswith("{") and (entry := json.loads(line))["event"] == name]

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _module(program: str) -> str:
    return {"swarm": "swarm.cli.main", "verifier": "verifier.cli"}[program]
