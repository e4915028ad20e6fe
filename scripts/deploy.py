#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts with Brownie and writes their addresses, after reading back what every constructor took.

On a live network or a local node of one's own:
    python scripts/deploy.py --rpc URL --keystore FILE --parameters production --token ADDRESS --out deployments/1.json
As a Brownie script, on its development network with a test key and a faucet token:
    brownie run deploy
"""

from __future__ import annotations

import argparse
import getpass
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from swarm.errors import SwarmError, UsageError  # noqa: E402
from swarm.protocol.parameters import EVMNET_CHAIN_HASH, EVMNET_KEY, DeploymentParameters  # noqa: E402

NETWORK = "swarm-deployment"


def main() -> None:
    """Brownie's entry: deploys to the active network from its first account and prints the addresses."""
    import brownie

    parameters = _parameters("devnet", genesis=brownie.chain[-1].timestamp)
    print(json.dumps(deploy(brownie.project.get_loaded_projects()[0], brownie.accounts[0], parameters), indent=2))


def run(arguments: argparse.Namespace) -> dict:
    """The command: connects, unlocks, deploys, writes `--out`. Raises UsageError for what the person must fix."""
    import brownie

    if arguments.parameters == "production" and not arguments.token:
        raise UsageError("a production deployment needs its token", hint="--token ADDRESS")
    key = _unlock(arguments.keystore, arguments.passphrase_file)
    # Brownie's own records of earlier deployments make it refuse a chain that began anew; ours is what `--out` names.
    shutil.rmtree(ROOT / "build" / "brownie" / "deployments", ignore_errors=True)
    (ROOT / "build" / "brownie").mkdir(parents=True, exist_ok=True)
    contracts = brownie.project.load(ROOT, "Contracts")
    _connect(arguments.rpc)
    parameters = _parameters(arguments.parameters, genesis=brownie.chain[-1].timestamp)
    record = deploy(contracts, brownie.accounts.add(key), parameters, token=arguments.token)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    return record


def deploy(contracts, account, parameters: DeploymentParameters, *, token: str | None = None) -> dict:
    """Deploys in a line. The court is told the escrow's address in advance; the escrow's constructor checks it."""
    import brownie

    who = {"from": account}
    block = brownie.chain.height
    token = token or contracts.FaucetToken.deploy(who).address
    vault = contracts.StakeVault.deploy(*parameters.vault_arguments(token), who)
    beacon = contracts.Beacon.deploy(*parameters.beacon_arguments(), who)
    escrow_address = account.get_deployment_address(account.nonce + 1)
    court = contracts.AuditCourt.deploy(*parameters.court_arguments(vault.address, beacon.address, escrow_address), who)
    arguments = parameters.escrow_arguments(token, vault.address, beacon.address, court.address)
    escrow = contracts.JobEscrow.deploy(*arguments, who)
    _read_back(parameters, token, vault, beacon, court, escrow)
    addresses = {"vault": vault, "beacon": beacon, "court": court, "escrow": escrow}
    return {
        "chain_id": brownie.chain.id,
        "deployment_block": block,
        "token": str(token),
        **{name: contract.address for name, contract in addresses.items()},
        "drand_chain_hash": EVMNET_CHAIN_HASH if parameters.beacon_key == EVMNET_KEY else "",
        "parameters": parameters.to_json(),
    }


def _read_back(parameters: DeploymentParameters, token: str, vault, beacon, court, escrow) -> None:
    """Raises SwarmError when the chain holds another value than was meant: nothing can be set afterwards."""
    beacon_values = (list(beacon.publicKey()), beacon.genesis(), beacon.period(), beacon.roundsPerEpoch())
    found = {
        "vault": ((vault.token(), vault.unbondDelay()), parameters.vault_arguments(token)),
        "beacon": (beacon_values, parameters.beacon_arguments()),
        "court": (tuple(map(int, court.parameters())), parameters.court_parameters()),
        "court's references": (
            (court.vault(), court.beacon(), court.auditable()),
            (vault.address, beacon.address, escrow.address),
        ),
        "escrow": (tuple(map(int, escrow.parameters())), parameters.escrow_parameters()),
        "escrow's references": (
            (escrow.token(), escrow.vault(), escrow.beacon(), escrow.court()),
            (token, vault.address, beacon.address, court.address),
        ),
    }
    for name, (there, meant) in found.items():
        if tuple(there) != tuple(meant):
            raise SwarmError(f"the {name} holds {there}, not {meant}", hint="deploy again")


def _parameters(name: str, *, genesis: int) -> DeploymentParameters:
    if name == "production":
        return DeploymentParameters.production()
    if name != "devnet":
        return DeploymentParameters.from_json(Path(name))
    from swarm.chain.drand_signer import TestKey

    key = TestKey()
    print(f"the test key's secret, for a signer of your own: {key._secret:#x}", file=sys.stderr)
    return DeploymentParameters.devnet(beacon_key=key.public_words(), genesis=genesis)


def _connect(rpc: str) -> None:
    """Brownie knows networks by name: this one lives for the run only."""
    import brownie
    import brownie.network.contract
    from brownie._config import CONFIG
    from web3 import HTTPProvider, Web3

    try:
        chain_id = Web3(HTTPProvider(rpc)).eth.chain_id
        CONFIG.networks[NETWORK] = {"id": NETWORK, "name": NETWORK, "host": rpc, "chainid": str(chain_id)}
        brownie.network.connect(NETWORK)
    except Exception as error:
        raise UsageError(f"no chain answers at {rpc}", hint="check --rpc") from error
    # Brownie 1.22.2 fails to file live deployments in its database.
    brownie.network.contract._add_deployment = lambda contract: None


def _unlock(keystore: Path, passphrase_file: Path | None) -> bytes:
    from eth_account import Account

    try:
        text = keystore.read_text()
        passphrase = passphrase_file.read_text().rstrip("\n") if passphrase_file else getpass.getpass("passphrase: ")
        return bytes(Account.decrypt(text, passphrase))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot unlock {keystore}: {error}", hint="check --keystore and its passphrase") from error


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rpc", required=True, help="the node's JSON-RPC address")
    parser.add_argument("--keystore", required=True, type=Path, help="the deployer's key, encrypted JSON")
    parser.add_argument("--passphrase-file", type=Path, help="asked for at the terminal when absent")
    parser.add_argument("--parameters", default="production", help="production, devnet or a JSON file")
    parser.add_argument("--token", help="the payment token; a faucet token is deployed where there is none")
    parser.add_argument("--out", required=True, type=Path, help="where the addresses are written")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        print(json.dumps(run(_arguments()), indent=2))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
