# SPDX-License-Identifier: Apache-2.0
"""A pinning service that refuses, fails, stalls or lies; everything over real sockets."""

import json

import pytest

from swarm.errors import IntegrityError, NotFound, TransientError, UsageError
from swarm.storage import pin_service, wire
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.pin_service import PinService

from .pinning_service import TOKEN, PinningService

CID = str(cid_of_block(b"result", RAW))
OTHER = str(cid_of_block(b"another", RAW))
PEER = "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@pytest.fixture
def service():
    service = PinningService(fetch=lambda cid, origins: None)
    yield service
    service.close()


@pytest.fixture
def pinner(service, monkeypatch):
    monkeypatch.setattr(pin_service, "FIRST_POLL_SECONDS", 0.01)
    return PinService(service.url, TOKEN)


def always(status, body, headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda method, path, content: (status, data, headers or {})


def state(**changes):
    return {"requestid": "7", "status": "pinned", "pin": {"cid": CID}, "delegates": [], "info": {}} | changes


def finding(status):
    """An empty list to whoever looks, `status` to whoever asks."""
    return lambda method, path, content: (
        (200, b'{"count": 0, "results": []}', {}) if "cid=" in path else (202, json.dumps(status).encode(), {})
    )


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [
        ("ftp://host", None, "not the address of a pinning service"),
        ("http://host?key=1", None, "not the address"),
        ("http://word@host", None, "not the address"),
        ("http://pins.example.org", TOKEN, "in the clear"),
        ("https://pins.example.org", "two words", "not one line"),
        ("https://pins.example.org", "bad\r\nX-Header: 1", "not one line"),
    ],
)
def test_refuses_an_address_or_a_token_that_would_leak(url, token, words):
    with pytest.raises(UsageError, match=words):
        PinService(url, token)


def test_a_wrong_token_is_the_persons_to_mend(service):
    with pytest.raises(UsageError, match="refused the token"):
        PinService(service.url, "wrong").check()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, UsageError, "BAD: no such thing"),
        (403, UsageError, "refused the token"),
        (404, NotFound, "no such request"),
        (409, UsageError, "refused the request"),
        (302, UsageError, "refused the request"),
        (429, TransientError, "not able to serve"),
        (503, TransientError, "not able to serve"),
    ],
)
def test_a_refusal_says_who_must_act(service, pinner, status, kind, words):
    error = {"error": {"reason": "BAD", "details": "no such\nthing"}}
    service.script = always(status, error, {"Location": "http://127.0.0.1:1/"} if status == 302 else None)
    with pytest.raises(kind, match=words) as raised:
        pinner.pin(CID)
    assert type(raised.value) is kind and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'{"results": 7}',
        b'{"results": [7]}',
        b"[" * 100_000,
        json.dumps({"results": [state(status="done")]}).encode(),
        json.dumps({"results": [state(requestid="")]}).encode(),
        json.dumps({"results": [state(requestid={})]}).encode(),
        json.dumps({"results": [state(requestid="x" * 513)]}).encode(),
        json.dumps({"results": [state(pin=None)]}).encode(),
        json.dumps({"results": [state(pin={"cid": OTHER})]}).encode(),
        json.dumps({"results": [state(delegates="abc")]}).encode(),
        json.dumps({"results": [state(info=[1])]}).encode(),
        b'{"results": "' + b"x" * (1 << 20) + b'"}',
    ],
)
def test_an_answer_that_is_none_is_never_believed(service, pinner, body):
    service.script = always(200, body)
    with pytest.raises(IntegrityError):
        pinner.pin(CID)


def test_an_answer_that_trickles_is_cut(service, pinner, monkeypatch):
    monkeypatch.setattr(pin_service, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(wire, "SOCKET_SECONDS", 60.0)
    service.script = always(200, b"{", {"Content-Length": "100"})
    with pytest.raises(TransientError, match=r"cannot reach|broke off"):
        pinner.pin(CID)


def test_a_service_that_is_away_is_transient(service, pinner):
    service.close()
    with pytest.raises(TransientError, match="cannot reach the pinning service"):
        pinner.pin(CID)


def test_pins_once_and_finds_its_request_again(service, pinner):
    pinner.pin(CID)
    pinner.pin(CID)
    assert [method for method, _, _ in service.seen].count("POST") == 1
    assert service.seen[1][2] == {"cid": CID, "name": "computeswarm", "origins": []}


def test_a_request_that_stays_queued_ends_in_bounded_time_and_is_gone_on_with(service, pinner):
    service._fetch = None
    with pytest.raises(TransientError, match="still queued"):
        pinner.pin(CID, seconds=0.2)
    (request,) = service.requests.values()
    request["status"] = "pinned"
    pinner.pin(CID)
    assert [method for method, _, _ in service.seen].count("POST") == 1


def test_a_failure_is_told_with_its_reason_and_asked_anew(service, pinner):
    def fail(cid, origins):
        raise RuntimeError("nobody\x1b[31m has it")

    service._fetch = fail
    with pytest.raises(TransientError, match="could not pin") as raised:
        pinner.pin(CID)
    assert "nobody" in str(raised.value) and "\x1b" not in str(raised.value)
    assert not service.requests, "else the next try would find the failed one"


def test_dials_only_what_looks_like_a_peer_and_each_once(service, pinner, monkeypatch):
    dialled = []
    pinner._dial = dialled.extend
    odd = [
        "/ip4/192.0.2.1/tcp/4001",
        7,
        None,
        "http://169.254.169.254/",
        "/unix/tmp/socket",
        PEER + "\n",
        PEER + "x" * 500,
    ]
    service.script = finding(state(status="queued", delegates=[*odd, PEER, PEER]))
    with pytest.raises(TransientError):
        pinner.pin(CID, seconds=0.1)
    assert dialled == [PEER]


def test_a_request_number_cannot_lead_to_another_path(service, pinner):
    service.script = finding(state(status="queued", requestid="../admin?x=1"))
    with pytest.raises(TransientError):
        pinner.pin(CID, seconds=0.05)
    assert service.seen[-1][1].startswith("/psa/pins/..%2Fadmin%3Fx%3D1")


def test_tells_at_most_twenty_origins(service, pinner):
    pinner._origins = lambda: [f"/ip4/192.0.2.1/tcp/{port}" for port in range(30)]
    pinner.pin(CID)
    assert len(service.seen[1][2]["origins"]) == 20


def test_unpin_takes_back_every_request_and_minds_none_that_is_gone(service, pinner):
    pinner.pin(CID)
    pinner.unpin(CID)
    pinner.unpin(CID)
    assert not service.requests
    service.script = lambda method, path, content: (
        (404, b"{}", {}) if method == "DELETE" else (200, json.dumps({"results": [state()]}).encode(), {})
    )
    pinner.unpin(CID)
