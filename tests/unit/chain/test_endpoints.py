# SPDX-License-Identifier: Apache-2.0
"""Which of several endpoints is asked, without a socket; real nodes are in tests/integration/test_chain_faults.py."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import requests

from swarm.chain.endpoints import Endpoints, Patience
from swarm.errors import TransientError, UsageError

PATIENCE = Patience(slow_seconds=10, lag_blocks=3, lag_seconds=0.3, rest_seconds=0.3)


class Transport:
    """One endpoint's answers; `fault` is what it says instead, an exception or a message of an error."""

    def __init__(self, name: str) -> None:
        self.name, self.chain_id, self.head, self.fault, self.asked = name, 1, 100, None, []
        self.delay = 0.0

    def make_request(self, method: str, params) -> dict:
        self.asked.append(method)
        time.sleep(self.delay)
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault and method not in ("eth_chainId", "eth_getBlockByNumber"):
            return {"error": {"message": self.fault}}
        block = {"number": hex(self.head), "timestamp": hex(int(time.time()))}
        return {"result": {"eth_chainId": hex(self.chain_id), "eth_getBlockByNumber": block}.get(method, self.name)}

    def make_batch_request(self, batch: list) -> list:
        return [self.make_request(method, params) for method, params in batch]


@pytest.fixture
def two():
    """Endpoints a and b, and the provider over them."""
    return made("a", "b")


def made(*names: str, patience: Patience = PATIENCE):
    provider = Endpoints([f"http://{name}" for name in names], chain_id=1, patience=patience)
    transports = [Transport(name) for name in names]
    for endpoint, transport in zip(provider._endpoints, transports, strict=True):
        endpoint.transport = transport
    return *transports, provider


def answer(provider, method: str = "eth_call") -> str:
    return provider.make_request(method, [])["result"]


def test_sticks_to_the_first_that_is_fit(two):
    _, b, provider = two
    assert [answer(provider) for _ in range(3)] == ["a"] * 3
    assert b.asked.count("eth_call") == 0


@pytest.mark.parametrize(
    "fault",
    [
        requests.Timeout("slow"),
        requests.ConnectionError("down"),
        ValueError("<html>"),
        "header not found",
        "Rate limit",
    ],
)
def test_asks_another_where_one_fails_or_complains(two, fault):
    a, _, provider = two
    assert answer(provider) == "a"
    a.fault = fault
    assert answer(provider) == "b"
    a.fault = None
    assert answer(provider) == "b", "it stays where it is"


def test_an_error_that_is_the_calls_own_is_no_reason_to_leave(two):
    a, b, provider = two
    a.fault = "execution reverted"
    assert "error" in provider.make_request("eth_call", []) and not b.asked.count("eth_call")


def test_a_slow_one_gives_its_answer_and_is_left():
    a, _, provider = made("a", "b", patience=replace(PATIENCE, slow_seconds=0.3))
    a.delay = 0.4
    assert answer(provider) == "a" and answer(provider) == "b"


def test_a_batch_goes_to_one_endpoint(two):
    a, _, provider = two
    answer(provider)
    a.fault = requests.ConnectionError()
    assert [each["result"] for each in provider.make_batch_request([("eth_call", [])] * 3)] == ["b"] * 3


def test_what_changes_a_node_itself_is_not_asked_of_another(two):
    a, b, provider = two
    answer(provider)
    a.fault = requests.ConnectionError()
    with pytest.raises(requests.ConnectionError):
        provider.make_request("anvil_setBalance", [])
    assert "anvil_setBalance" not in b.asked


def test_one_that_stands_still_is_compared_and_left_when_others_go_on(two):
    _, b, provider = two
    assert answer(provider) == "a"
    b.head = 104
    time.sleep(0.35)
    assert answer(provider) == "b"


def test_where_all_stand_still_it_stays(two):
    *_, provider = two
    assert answer(provider) == "a"
    time.sleep(0.35)
    assert answer(provider) == "a"


def test_a_chain_that_went_back_for_good_is_taken_after_a_while(two):
    a, b, provider = two
    assert answer(provider) == "a"
    a.fault, b.head = requests.ConnectionError(), 90
    assert answer(provider) == "b"


def test_another_chain_is_never_asked_and_named_where_there_is_no_other(two):
    a, b, provider = two
    a.chain_id = 5
    assert answer(provider) == "b" and "eth_call" not in a.asked
    b.chain_id, b.fault = 7, requests.ConnectionError()
    with pytest.raises(TransientError, match="http://a serves chain 5, not 1; http://b does not answer"):
        answer(provider)
    b.fault = None
    with pytest.raises(UsageError, match="no endpoint serves this network"):
        answer(provider)


def test_one_endpoint_alone_is_simply_asked_twice():
    a, provider = made("a")
    a.fault, a.chain_id = requests.ConnectionError("down"), 5
    with pytest.raises(requests.ConnectionError):
        answer(provider)
    assert a.asked == ["eth_call", "eth_call"] and provider.name == "http://a"
    a.fault = None
    assert answer(provider) == "a"


def test_counts_what_is_asked():
    _, provider = made("a")
    answer(provider)
    provider.make_batch_request([("eth_call", [])] * 3)
    assert provider.calls["eth_call"] == 4 and provider.requests == 2


def test_tells_how_far_each_was_behind_when_they_were_compared(two):
    _, b, provider = two
    assert provider.lags() == {}
    b.head = 98
    answer(provider)
    assert sorted(provider.lags().values()) == [0, 2]
    b.fault = requests.ConnectionError("away")
    provider._take_first_fit(provider._endpoints)
    assert list(provider.lags().values()) == [0], "who does not answer is not measured"
