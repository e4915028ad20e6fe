# SPDX-License-Identifier: Apache-2.0
"""A network file names one endpoint or several; what messages show of them; when a chain counts as one's own."""

import json
from dataclasses import replace

import pytest

from swarm.chain.endpoints import parse_urls
from swarm.chain.faults import shown
from swarm.chain.network import Chain, Network
from swarm.config import Config
from swarm.errors import UsageError
from swarm.units import parse_gwei
from tests.unit.chain.node import NETWORK

LOCAL, FAR = "http://127.0.0.1:8545", "https://rpc.example.org/v2/key"


@pytest.mark.parametrize("written", [[LOCAL, FAR], f"{LOCAL},{FAR}", f" {LOCAL} , {FAR},"])
def test_a_list_and_commas_name_the_same_endpoints(tmp_path, written):
    path = tmp_path / "network.json"
    replace(NETWORK, rpc_url=LOCAL).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rpc_url": written}))
    assert Network.load(path).rpc_urls == parse_urls(written) == (LOCAL, FAR)


def test_a_config_file_may_list_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swarm.toml").write_text(f'rpc_url = ["{LOCAL}", "{FAR}"]\n')
    assert Config(environ={}).get("rpc_url") == f"{LOCAL},{FAR}"


def test_one_endpoint_elsewhere_makes_it_no_devnet():
    """Strangers' jobs run as plain processes on a devnet only: everything must be on this machine."""
    assert replace(NETWORK, rpc_url=(LOCAL, "http://localhost:1")).is_devnet
    assert not replace(NETWORK, rpc_url=(LOCAL, FAR)).is_devnet
    assert not replace(NETWORK, rpc_url=()).is_devnet and not replace(NETWORK, rpc_url="").is_devnet


def test_refuses_a_network_without_an_endpoint():
    with pytest.raises(UsageError, match="--rpc-url"):
        Chain(replace(NETWORK, rpc_url=" , "))


def test_messages_show_no_key_of_an_endpoint():
    assert shown(FAR) == "https://rpc.example.org"
    assert shown("https://user:word@rpc.example.org:444/x?key=1") == "https://rpc.example.org:444"


@pytest.mark.parametrize("text", ["", "much", "0", "-1", "nan", "inf"])
def test_refuses_a_price_of_gas_that_is_none(text):
    with pytest.raises(UsageError, match="max_fee_gwei"):
        parse_gwei(text)


def test_a_price_of_gas_may_have_decimals():
    assert parse_gwei("0.5") == 5 * 10**8
