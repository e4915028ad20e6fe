# SPDX-License-Identifier: Apache-2.0
"""Rules that would decay without a test: layers, generated files, errors and events that somebody must understand."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.chain import artifacts, reverts
from swarm.protocol import types

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("swarm", "verifier", "scripts", "tests")


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_layers_hold():
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    result = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


def test_style_holds():
    result = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]


def test_committed_abis_are_what_the_contracts_compile_to():
    compiler = ROOT / "tools" / "contracts" / "node_modules" / "solc"
    if not compiler.exists():
        pytest.fail("the compiler is missing: python3 scripts/test.py structure installs it")
    result = subprocess.run(
        [sys.executable, "scripts/export_abi.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_published_schemas_are_those_of_the_models():
    command = [sys.executable, "scripts/export_schema.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("signature", sorted(artifacts.entries("error")))
def test_every_custom_error_has_an_exception_and_a_sentence(signature):
    name = signature.split("(")[0]
    assert name in reverts.exceptions()
    if not name.startswith(("ERC20", "ERC2612", "ECDSA", "InvalidShortString", "StringTooLong", "InvalidAccountNonce")):
        assert name in reverts.described(), f"{signature} has no sentence in swarm/chain/reverts.py"


def test_no_sentence_stands_for_an_error_that_is_gone():
    existing = {signature.split("(")[0] for signature in artifacts.entries("error")}
    assert reverts.described() <= existing


@pytest.mark.parametrize("signature", sorted(artifacts.entries("event")))
def test_every_event_is_decoded(signature):
    """An event is decoded by the ABI; what our code reads of it by name must be there."""
    from eth_abi import encode
    from eth_utils import keccak
    from web3 import Web3

    entry = artifacts.entries("event")[signature]
    contract = Web3().eth.contract(address="0x" + "11" * 20, abi=[entry])
    topics, data_types, data_values = [keccak(text=signature)], [], []
    for item in entry["inputs"]:
        kind = artifacts.canonical(item)
        value = _sample(kind)
        if item["indexed"]:
            topics.append(encode([kind], [value]))
        else:
            data_types.append(kind)
            data_values.append(value)
    log = {
        "address": contract.address,
        "topics": topics,
        "data": encode(data_types, data_values),
        "blockNumber": 1,
        "transactionHash": bytes(32),
        "transactionIndex": 0,
        "blockHash": bytes(32),
        "logIndex": 0,
    }
    decoded = contract.events[entry["name"]]().process_log(log)
    assert set(decoded["args"]) == {item["name"] for item in entry["inputs"]}


def _sample(kind: str):
    if kind.startswith("(") and kind.endswith(")"):
        return tuple(_sample(part) for part in kind[1:-1].split(","))  # our structs hold plain values only
    if kind.endswith("]"):
        count = int(re.search(r"\[(\d*)\]$", kind)[1] or 1)
        return [_sample(kind[: kind.rindex("[")])] * count
    if kind == "address":
        return "0x" + "22" * 20
    if kind == "bool":
        return True
    if kind == "string":
        return "x"
    return bytes([5]) * int(kind[5:]) if kind.startswith("bytes") else 3


def test_enums_are_the_contracts_own():
    """The order of the states is part of the ABI: read it from the reading copy."""
    for name, file, enum in [
        ("JobStatus", "Job", types.JobStatus),
        ("Comparison", "Job", types.Comparison),
        ("CaseStatus", "IAuditCourt", types.CaseStatus),
        ("BallotStatus", "IBallots", types.BallotStatus),
        ("Ruling", "IAuditable", types.Ruling),
    ]:
        text = (ROOT / "contracts" / "interfaces" / f"{file}.sol").read_text()
        body = re.search(rf"enum {name} \{{(.*?)\}}", text, re.S)[1]
        members = re.findall(r"\b([A-Z]\w*)\b", re.sub(r"//.*", "", body))
        assert [member.name for member in enum] == [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", m).upper() for m in members]


def test_every_source_names_its_licence():
    paths = sources(*PACKAGES) + sorted((ROOT / "contracts").rglob("*.sol"))
    missing = [
        str(path.relative_to(ROOT)) for path in paths if "SPDX-License-Identifier: Apache-2.0" not in _head(path)
    ]
    assert not missing


def _head(path: Path) -> str:
    text = path.read_text()[:400]
    return text or "SPDX-License-Identifier: Apache-2.0"  # an empty file has nothing to license


_ORIGIN = re.compile(r"\btx\s*\.\s*origin\b|\borigin\s*\(\s*\)")  # Solidity's and Yul's


def test_no_contract_asks_who_started_a_transaction():
    """Attack 44: whoever is lured into calling a stranger's contract must not act through it."""
    asked = [path.name for path in sorted((ROOT / "contracts").rglob("*.sol")) if _ORIGIN.search(_code_of(path))]
    assert not asked
    assert all(map(_ORIGIN.search, ("require(tx.origin == buyer);", "let who := origin()", "tx . origin")))


def _code_of(path: Path) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def test_files_stay_readable():
    long = [
        f"{path.relative_to(ROOT)}: {n}"
        for path in sources(*PACKAGES)
        if (n := len(path.read_text().splitlines())) > 320
    ]
    assert not long


def test_every_package_and_module_says_what_it_owns():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources("swarm", "verifier", "scripts")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_nothing_unpickles():
    """Weights are safetensors only."""
    pattern = re.compile(r"\bimport pickle|torch\.load\(|allow_pickle=True|\bdill\b|joblib")
    found = [str(path) for path in sources("swarm", "verifier", "scripts") if pattern.search(path.read_text())]
    assert not found


def test_lock_files_record_no_download_address():
    locks = [path for path in ROOT.glob("tools/*/package-lock.json")]
    assert locks
    assert not [str(path) for path in locks if '"resolved"' in path.read_text()]
