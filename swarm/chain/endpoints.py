# SPDX-License-Identifier: Apache-2.0
"""Several RPC endpoints of one chain as one web3 provider: sticks to one, passes over those that fail it.

An endpoint is passed over when it does not answer, answers slowly, serves another chain, or is behind what was seen
before; it is a candidate again after a rest. Whoever takes over has at least the last view's height, so that nobody
acts on an older state than the one it acted on before. One endpoint alone is simply asked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from web3 import HTTPProvider
from web3.providers.base import JSONBaseProvider

from swarm.chain.faults import BAD_ADDRESS, UNREACHABLE, shown
from swarm.errors import TransientError, UsageError
from swarm.log import Log

log = Log("swarm.chain")
# What an endpoint says that another one might not: it is asked too often, or has not seen the block yet.
_COMPLAINTS = (
    "too many requests",
    "rate limit",
    "header not found",
    "unknown block",
    "block not found",
    "missing trie node",
    "but requested was",
)
# Methods that change a node itself: the same words to another node would be another deed.
_LOCAL = ("evm_", "anvil_", "hardhat_", "eth_sendTransaction")
_ROUNDS, _PAUSE_SECONDS = 2, 0.25
_CATCH_UP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """When an endpoint is passed over, and how long it rests. Lag counts against the best head that is known."""

    answer_seconds: float = 10
    slow_seconds: float = 5
    lag_blocks: int = 5
    lag_seconds: float = 60
    rest_seconds: float = 60


@dataclass(frozen=True, slots=True, order=True)
class Head:
    number: int
    timestamp: int


class _Endpoint:
    def __init__(self, url: str, patience: Patience) -> None:
        self.name = shown(url)
        timeouts = {"timeout": (min(5, patience.answer_seconds), patience.answer_seconds)}
        self.transport = HTTPProvider(url, request_kwargs=timeouts, exception_retry_configuration=None)
        self.rests_until = 0.0
        self.reason = ""
        self.lag: int | None = None


class Endpoints(JSONBaseProvider):
    """Asks one of `urls`, in their order of preference. With `chain_id` those of another chain are passed over.

    `calls` counts what was asked, by method; a batch counts as the calls in it. `requests` counts what was sent.
    """

    def __init__(self, urls: Sequence[str], *, chain_id: int | None = None, patience: Patience | None = None) -> None:
        super().__init__()
        self._patience = patience or Patience()
        self._endpoints = [_Endpoint(url, self._patience) for url in urls]
        self._chain_id = chain_id
        self._current = self._endpoints[0] if len(self._endpoints) == 1 else None
        self._seen, self._advanced_at, self._compared_at = Head(0, 0), 0.0, 0.0
        self._choosing = threading.RLock()
        self.calls: Counter[str] = Counter()
        self.requests = 0

    @property
    def name(self) -> str:
        """The endpoint in use, or all where none is, without what may be a key."""
        return self._current.name if self._current else ", ".join(each.name for each in self._endpoints)

    def lags(self) -> dict[str, int]:
        """Blocks that each endpoint was behind the best when they were last compared; who was not is left out."""
        return {each.name: each.lag for each in self._endpoints if each.lag is not None}

    def make_request(self, method: Any, params: Any) -> Any:
        self.calls[method] += 1
        response = self._ask(lambda transport: transport.make_request(method, params), is_local=_is_local(method))
        self._note(method, params, response)
        return response

    def make_batch_request(self, batch_requests: list) -> Any:
        self.calls.update(method for method, _ in batch_requests)
        return self._ask(lambda transport: transport.make_batch_request(batch_requests))

    def _ask(self, request: Callable[[HTTPProvider], Any], *, is_local: bool = False) -> Any:
        """One answer. What changes a node itself is asked once, everything else where it can be had."""
        for left in range(_ROUNDS * len(self._endpoints) - 1, -1, -1):
            endpoint = self._in_use()
            started = time.monotonic()
            self.requests += 1
            try:
                response = request(endpoint.transport)
            except BAD_ADDRESS as error:
                raise UsageError(f"{endpoint.name!r} is not an RPC address", hint="http://127.0.0.1:8545") from error
            except UNREACHABLE:
                self._pass_over(endpoint, "does not answer")
                if is_local or not left:
                    raise
            except ValueError as error:  # no JSON: a page of some proxy
                self._pass_over(endpoint, "answers oddly")
                if is_local or not left:
                    raise TransientError(f"{endpoint.name} answers oddly: {str(error)[:80]}") from error
            else:
                complaint = "" if is_local else _complaint(response)
                if not complaint and time.monotonic() - started > self._patience.slow_seconds:
                    self._pass_over(endpoint, "is slow")
                if not complaint or not left:
                    return response
                self._pass_over(endpoint, complaint)
            if len(self._endpoints) == 1:
                time.sleep(_PAUSE_SECONDS)
        raise AssertionError("the last round returns or raises")

    # which endpoint

    def _in_use(self) -> _Endpoint:
        with self._choosing:
            if self._current is None or self._is_suspect():
                self._choose()
            assert self._current is not None
            return self._current

    def _pass_over(self, endpoint: _Endpoint, reason: str) -> None:
        if len(self._endpoints) == 1:
            return
        with self._choosing:
            endpoint.rests_until = time.monotonic() + self._patience.rest_seconds
            if reason != endpoint.reason:
                log.warning("endpoint_passed_over", endpoint=endpoint.name, reason=reason)
            endpoint.reason = reason
            if self._current is endpoint:
                self._current = None

    def _choose(self) -> None:
        """Takes the first endpoint that is fit. Those that are only a little behind get a moment to catch up."""
        end = time.monotonic() + _CATCH_UP_SECONDS
        while True:
            awake = [each for each in self._endpoints if each.rests_until <= time.monotonic()]
            awake.sort(key=lambda each: each is not self._current)  # who serves stays while it is fit
            if self._take_first_fit(awake) or self._take_first_fit([e for e in self._endpoints if e not in awake]):
                return
            if time.monotonic() > end or not any(each.reason.endswith("behind") for each in self._endpoints):
                raise self._nobody()
            time.sleep(_PAUSE_SECONDS)

    def _take_first_fit(self, candidates: list[_Endpoint]) -> bool:
        """Asks all of them at once, so that one that never answers costs its time only once."""
        if not candidates:
            return False
        with ThreadPoolExecutor(len(candidates)) as pool:
            found = list(pool.map(self._head_of, candidates))
        self._compared_at = time.monotonic()
        best = max([self._last_seen(), *(head for head in found if isinstance(head, Head))])
        fit = None
        for endpoint, head in zip(candidates, found, strict=True):
            endpoint.lag = None if isinstance(head, str) else max(best.number - head.number, 0)
            reason = head if isinstance(head, str) else self._lag(head, best)
            if reason:
                self._pass_over(endpoint, reason)
                continue
            endpoint.reason, endpoint.rests_until = "", 0.0
            if fit is None:
                fit = self._current = endpoint
                self._advance(head)
        return fit is not None

    def _head_of(self, endpoint: _Endpoint) -> Head | str:
        """Its latest block, or why it cannot be used."""
        self.calls.update(("eth_chainId", "eth_getBlockByNumber"))
        self.requests += 2
        try:
            chain_id = int(endpoint.transport.make_request("eth_chainId", [])["result"], 16)
            if self._chain_id not in (None, chain_id):
                return f"serves chain {chain_id}, not {self._chain_id}"
            return _head(endpoint.transport.make_request("eth_getBlockByNumber", ["latest", False])["result"])
        except BAD_ADDRESS as error:
            raise UsageError(f"{endpoint.name!r} is not an RPC address", hint="http://127.0.0.1:8545") from error
        except UNREACHABLE:
            return "does not answer"
        except (KeyError, TypeError, ValueError):
            return "answers oddly"

    def _lag(self, head: Head, best: Head) -> str:
        missing = max(best.number - head.number, 0)
        is_old = missing and best.timestamp - head.timestamp > self._patience.lag_seconds
        if missing > self._patience.lag_blocks or is_old or head.number < self._last_seen().number:
            return f"is {missing} block(s) behind"
        return ""

    def _last_seen(self) -> Head:
        """The height nobody may fall below; forgotten after a while, for a chain that went back for good."""
        is_fresh = time.monotonic() - self._advanced_at < self._patience.lag_seconds
        return self._seen if is_fresh else Head(0, 0)

    def _is_suspect(self) -> bool:
        """Whether the endpoint in use should be compared: its head stands still, or is old by our own clock."""
        if len(self._endpoints) == 1 or not self._seen.number:
            return False
        now, limit = time.monotonic(), self._patience.lag_seconds
        is_old = now - self._advanced_at > limit or time.time() - self._seen.timestamp > limit
        return is_old and now - self._compared_at > limit

    def _note(self, method: str, params: Any, response: Any) -> None:
        if method == "eth_getBlockByNumber" and params and params[0] == "latest" and response.get("result"):
            self._advance(_head(response["result"]))

    def _advance(self, head: Head) -> None:
        if head.number > self._last_seen().number:
            self._seen, self._advanced_at = head, time.monotonic()

    def _nobody(self) -> Exception:
        reasons = "; ".join(f"{each.name} {each.reason}" for each in self._endpoints)
        if all("serves chain" in each.reason for each in self._endpoints):
            return UsageError(f"no endpoint serves this network: {reasons}", hint="check the RPC addresses")
        return TransientError(f"no chain endpoint can be used: {reasons}", hint="are they up? rpc_url takes several")


def parse_urls(text: str | Sequence[str]) -> tuple[str, ...]:
    """Endpoints from a list, or from a text with commas between them."""
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(part.strip() for part in parts if part.strip())


def _is_local(method: str) -> bool:
    return method.startswith(_LOCAL)


def _complaint(response: Any) -> str:
    error = response.get("error") if isinstance(response, dict) else None
    text = str(error.get("message") if isinstance(error, dict) else error or "").lower()
    return next((f"says {words!r}" for words in _COMPLAINTS if words in text), "")


def _head(block: dict) -> Head:
    return Head(int(block["number"], 16), int(block["timestamp"], 16))
