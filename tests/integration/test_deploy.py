# SPDX-License-Identifier: Apache-2.0
"""scripts/deploy.py on a chain of its own: every value read back, and resumed after it was killed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from scripts import environment
from swarm.chain.client import ChainClient
from swarm.chain.deploy import addresses
from swarm.chain.devnet import anvil_command, free_port
from swarm.clock import wait_for
from swarm.protocol.parameters import LINE

SCRIPT = environment.ROOT / "scripts" / "deploy.py"


@pytest.fixture(scope="module")
def node():
    """A bare chain that mines a block a second, so that a deployment takes a while."""
    environment.ensure_contract_packages()
    port = free_port()
    process = subprocess.Popen(
        anvil_command(port, "--block-time", "1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = ChainClient(f"http://127.0.0.1:{port}")
    wait_for(lambda: _answers(client), timeout_seconds=30, what="anvil")
    yield client
    process.terminate()
    process.wait(10)


def test_refuses_a_keystore_it_cannot_open(node, tmp_path):
    result = _run(node, tmp_path, tmp_path / "none.json")
    assert result.returncode and "cannot unlock" in result.stderr


def test_goes_on_after_a_kill_and_refuses_to_do_it_twice(node, tmp_path):
    account = Account.create()
    keystore = tmp_path / "key.json"
    keystore.write_text(json.dumps(account.encrypt("correct horse", iterations=2**12)))
    node.rpc("anvil_setBalance", account.address, hex(10**20))
    out = tmp_path / "deployments" / "31337.json"

    with subprocess.Popen(_command(node, tmp_path, keystore), env=_env(), stderr=subprocess.PIPE, text=True) as first:
        wait_for(out.exists, timeout_seconds=240, what="the record of the deployment")
        record = json.loads(out.read_text())
        at = addresses(record["deployer"], record["first_nonce"], record["token"])
        wait_for(lambda: _stands(node, at["Beacon"]), timeout_seconds=60, what="the beacon")
        first.kill()
    left = json.loads(out.read_text())
    assert not left["complete"] and not _stands(node, at["JobEscrow"])

    result = _run(node, tmp_path, keystore)
    assert result.returncode == 0, result.stderr
    finished = json.loads(out.read_text())
    assert finished["complete"] and all(_stands(node, at[name]) for name in LINE)
    assert {key: value for key, value in finished.items() if key != "complete"} == {
        key: value for key, value in left.items() if key != "complete"
    }

    again = _run(node, tmp_path, keystore)
    assert again.returncode and "finished deployment" in again.stderr


def _command(node: ChainClient, home: Path, keystore: Path) -> list[str]:
    words = home / "words"
    words.write_text("correct horse")
    parameters = home / "parameters.json"
    if not parameters.exists():
        from swarm.protocol.parameters import DeploymentParameters

        parameters.write_text(json.dumps(DeploymentParameters.production().to_json()))
    options = {
        "--rpc": node.rpc_url,
        "--keystore": keystore,
        "--passphrase-file": words,
        "--parameters": parameters,
        "--out": home / "deployments" / "31337.json",
    }
    python = environment.python(environment.CONTRACTS_VENV)
    return [python, str(SCRIPT), *(str(part) for pair in options.items() for part in pair)]


def _env() -> dict[str, str]:
    return environment.node_env() | {"PYTHONUNBUFFERED": "1"}


def _run(node: ChainClient, home: Path, keystore: Path) -> subprocess.CompletedProcess[str]:
    command = _command(node, home, keystore)
    return subprocess.run(command, env=_env(), capture_output=True, text=True, timeout=300, cwd=os.fspath(home))


def _stands(node: ChainClient, address: str) -> bool:
    return bool(node.web3.eth.get_code(to_checksum_address(address)))


def _answers(client: ChainClient) -> bool:
    from swarm.errors import TransientError

    try:
        return bool(client.check())
    except TransientError:
        return False
