# SPDX-License-Identifier: Apache-2.0
"""Fetches drand rounds over drand's HTTP API from several relays. The contract verifies them.

Source: drand HTTP API, GET /{chainHash}/public/{round} → {"round", "signature"}.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarm import hostile_json
from swarm.errors import IntegrityError, TransientError

_MAX_ANSWER = 4_096


class Drand:
    def __init__(self, urls: Sequence[str], chain_hash: str, *, timeout_seconds: float = 5) -> None:
        self._urls = tuple(urls)
        self._chain_hash = chain_hash
        self._timeout = timeout_seconds

    def signature(self, round_: int) -> tuple[int, int]:
        """The G1 point of a round. Raises TransientError when no relay has it yet or answers."""
        for url in self._urls:
            try:
                return self._fetch(url, round_)
            except (TransientError, IntegrityError):
                continue
        raise TransientError(f"no drand relay has round {round_} yet", hint="try again in a few seconds")

    def _fetch(self, url: str, round_: int) -> tuple[int, int]:
        import requests

        try:
            with requests.get(
                f"{url.rstrip('/')}/{self._chain_hash}/public/{round_}", timeout=self._timeout, stream=True
            ) as response:
                response.raise_for_status()
                body = response.raw.read(_MAX_ANSWER, decode_content=True)
            return parse_round(body, round_)
        except (requests.RequestException, OSError) as error:
            raise TransientError(f"the drand relay {url} does not answer") from error


def parse_round(body: bytes, round_: int) -> tuple[int, int]:
    """`(x, y)` from a relay's JSON. Raises IntegrityError for another round or a malformed signature."""
    try:
        answer = hostile_json.parse(body)
        signature = bytes.fromhex(answer["signature"])
        if answer["round"] != round_ or len(signature) != 64:
            raise ValueError("wrong round or length")
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"a drand relay sent no signature of round {round_}: {error}") from error
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
