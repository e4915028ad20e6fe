#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Deploys the contracts with Brownie and writes their addresses, after reading back what every constructor took.

On a live network or a local node of one's own:
    python scripts/deploy.py --rpc URL --keystore FILE --parameters production --token ADDRESS
It writes deployments/<chain id>.json and, started again after a break, goes on where it was.
As a Brownie script, on its development network with a test key and a faucet token:
    brownie run deploy
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from swarm.chain.deploy import addresses, network_addresses  # noqa: E402
from swarm.errors import SwarmError, UsageError  # noqa: E402
from swarm.protocol.parameters import EVMNET_CHAIN_HASH, EVMNET_KEY, LINE, DeploymentParameters  # noqa: E402

NETWORK = "swarm-deployment"
PRESETS = ("production", "devnet")
# The npm compiler, run by .venv's Node, unless the person has chosen another.
os.environ.setdefault("SOLCX_BINARY_PATH", str(ROOT / "scripts" / "solc_wrapper"))
os.environ["PATH"] = f"{os.environ.get('PATH', '')}{os.pathsep}{ROOT / '.venv' / 'bin'}"


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
    out = arguments.out.resolve() if arguments.out else None
    named = arguments.parameters if arguments.parameters in PRESETS else str(Path(arguments.parameters).resolve())
    os.chdir(ROOT)  # Brownie looks for the libraries' sources from here
    contracts = brownie.project.load(ROOT, "Contracts")
    _connect(arguments.rpc)
    parameters = _parameters(named, genesis=brownie.chain[-1].timestamp)
    out = out or ROOT / "deployments" / f"{brownie.chain.id}.json"
    return deploy(contracts, brownie.accounts.add(key), parameters, token=arguments.token, out=out)


def deploy(
    contracts, account, parameters: DeploymentParameters, *, token: str | None = None, out: Path | None = None
) -> dict:
    """Deploys in a line and reads everything back. What stands already, by the record at `out`, is not created again.

    Raises UsageError when the record is of another deployer or of other parameters, SwarmError when a contract landed
    elsewhere or the chain holds another value than was meant.
    """
    import brownie

    who = {"from": account}
    record = _record_of(out, account.address, parameters)
    if record is None:
        block = brownie.chain.height
        token = token or contracts.FaucetToken.deploy(who).address
        record = _new_record(account, token, block, parameters)
        _write(record, out)
    at = addresses(account.address, record["first_nonce"], record["token"])
    for place, name in enumerate(LINE):
        if brownie.web3.eth.get_code(at[name]):
            continue
        if account.nonce != record["first_nonce"] + place:
            raise SwarmError(
                f"{name} cannot land at {at[name]} any more: the deployer has sent something else meanwhile",
                hint=f"move {out} away and deploy again",
            )
        getattr(contracts, name).deploy(*parameters.constructor_arguments(name, at), who)
    _read_back(parameters, {name: getattr(contracts, name).at(at[name]) for name in LINE}, at)
    record |= {"complete": True}
    _write(record, out)
    return record


def _new_record(account, token: str, block: int, parameters: DeploymentParameters) -> dict:
    import brownie

    at = addresses(account.address, account.nonce, token)
    return {
        "chain_id": brownie.chain.id,
        "deployment_block": block,
        "complete": False,
        "deployer": account.address,
        "first_nonce": account.nonce,
        **network_addresses(at),
        "drand_chain_hash": EVMNET_CHAIN_HASH if parameters.beacon_key == EVMNET_KEY else "",
        "parameters": parameters.to_json(),
    }


def _record_of(out: Path | None, deployer: str, parameters: DeploymentParameters) -> dict | None:
    """What an interrupted deployment left at `out`. Raises UsageError when it does not belong to this one."""
    import brownie

    if out is None or not out.exists():
        return None
    try:
        record = json.loads(out.read_text())
        mine = {"chain_id": brownie.chain.id, "deployer": deployer}
        is_ours = all(record[key] == value for key, value in mine.items())
        same = {**record["parameters"], **_devnet_only(parameters)} == parameters.to_json()
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{out} is not a deployment's record: {error}", hint="move it away") from error
    if record["complete"]:
        raise UsageError(f"{out} records a finished deployment", hint="move it away, or give another --out")
    if not is_ours or not same:
        raise UsageError(f"{out} is of another deployer, chain or parameters", hint="move it away")
    return record


def _devnet_only(parameters: DeploymentParameters) -> dict:
    """A test key is drawn anew at every start: a resumed devnet deployment goes on with the recorded one."""
    if parameters.beacon_key == EVMNET_KEY:
        return {}
    both = ("beacon_key", "beacon_genesis")
    return {key: parameters.to_json()[key] for key in both}


def _write(record: dict, out: Path | None) -> None:
    """Written beside and renamed, so that a break leaves the old record or the new one."""
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_suffix(".part")
    fresh.write_text(json.dumps(record, indent=2) + "\n")
    fresh.replace(out)


def _read_back(parameters: DeploymentParameters, deployed: dict, at: dict[str, str]) -> None:
    """Raises SwarmError when the chain holds another value than was meant: nothing can be set afterwards."""
    vault, beacon, bench, ballots, court, reputation, escrow = (deployed[name] for name in LINE)
    fallback = tuple(map(int, beacon.fallbackParameters()))
    found = {
        "StakeVault": (vault.token(), vault.unbondDelay()),
        "Beacon": (
            list(beacon.publicKey()), beacon.genesis(), beacon.period(), beacon.roundsPerEpoch(), beacon.bench(),
            fallback,
        ),
        "JudgeBench": (
            bench.vault(), bench.court(), bench.ballots(), bench.treasury(), bench.slotBond(), bench.slotExitDelay()
        ),
        "Ballots": (
            ballots.beacon(), ballots.bench(), ballots.court(), ballots.auditable(),
            tuple(map(int, ballots.parameters())),
        ),
        "AuditCourt": (
            court.beacon(), court.bench(), court.ballots(), court.auditable(), tuple(map(int, court.parameters()))
        ),
        "Reputation": (reputation.escrow(), reputation.unit()),
        "JobEscrow": (
            (escrow.token(), escrow.vault(), escrow.beacon(), escrow.bench(), escrow.court(), escrow.reputation()),
            tuple(map(int, escrow.parameters())),
        ),
    }  # fmt: skip
    for name, there in found.items():
        meant = parameters.constructor_arguments(name, at)
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
    parser.add_argument("--out", type=Path, help="where the addresses are written: deployments/<chain id>.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        print(json.dumps(run(_arguments()), indent=2))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
