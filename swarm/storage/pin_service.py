# SPDX-License-Identifier: Apache-2.0
"""A Pinner behind the IPFS Pinning Service API 1.0 (ipfs.github.io/pinning-services-api-spec).

    POST   <base>/pins               {cid, name, origins} → a request, and `delegates`: peers of the service
    GET    <base>/pins/<requestid>   queued | pinning | pinned | failed
    GET    <base>/pins?cid=…         our requests for that CID: what a killed program asked for is found again
    DELETE <base>/pins/<requestid>

The service fetches the content itself. Whoever has no port to be dialled at dials the delegates instead: bitswap goes
both ways over whichever connection there is. No answer is trusted: lengths, numbers and words are bounded, redirects
are not followed (they would carry the token elsewhere).
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swarm import hostile_json
from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError
from swarm.log import Log
from swarm.storage.cid import parse
from swarm.storage.pinning import PIN_SECONDS
from swarm.storage.tally import PIN_SERVICE, counted
from swarm.storage.wire import address_of, bearer, bounded, checked_token, connect, cut_after, reason_of

log = Log(__name__)

ANSWER_BYTES = 1 << 20
REQUEST_SECONDS = 30.0
FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.5, 15.0
MAX_PEERS = 20  # delegates and origins, as in the specification
STATES = ("queued", "pinning", "pinned", "failed")
_MULTIADDR = re.compile(
    r"/(?:ip4|ip6|dns|dns4|dns6)/[0-9A-Za-z.:-]{1,253}/(?:tcp|udp)/[0-9]{1,5}(?:/[0-9A-Za-z._-]{1,128}){1,8}"
)


@dataclass(frozen=True, slots=True)
class PinRequest:
    """One wish as the service tells it; `delegates` are those that look like addresses."""

    request_id: str
    state: str
    delegates: tuple[str, ...]
    reason: str = ""


class PinService:
    """The service at `url`. `origins` tells where it can fetch from, `dial` connects our daemon to its peers."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        origins: Callable[[], Sequence[str]] = tuple,
        dial: Callable[[Sequence[str]], None] = lambda addresses: None,
        stop: threading.Event | None = None,
    ) -> None:
        self._parts = address_of(url, "a pinning service")
        self.name = f"{self._parts.scheme}://{self._parts.netloc}"
        self._token = checked_token(token, self._parts) if token else None
        self._origins, self._dial, self._stop = origins, dial, stop or threading.Event()

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset()

    def pin(self, cid: str, *, seconds: float = PIN_SECONDS) -> None:
        """Asks once, dials the service's peers, then looks at lengthening intervals until it says pinned."""
        end, pause, dialled = time.monotonic() + seconds, FIRST_POLL_SECONDS, frozenset()
        request = self._wish(str(parse(cid)))
        while request.state != "pinned":
            if request.state == "failed":
                self._delete(request.request_id)  # else the next try would find this one again
                raise TransientError(f"{self.name} could not pin {cid}", hint=request.reason or "it gave no reason")
            if fresh := set(request.delegates) - dialled:
                self._dial(sorted(fresh))
                dialled |= fresh
            left = end - time.monotonic()
            if left <= 0 or self._stop.wait(min(pause, left)):
                raise TransientError(f"{cid} is still {request.state} at {self.name} after {seconds:.0f} s")
            pause = min(2 * pause, LAST_POLL_SECONDS)
            request = self._read(cid, self._ask("GET", f"/pins/{quote(request.request_id, safe='')}"))

    def unpin(self, cid: str) -> None:
        for request in self._list(str(parse(cid)), ",".join(STATES)):
            self._delete(request.request_id)

    def check(self) -> None:
        self._ask("GET", "/pins?limit=1")

    def _wish(self, cid: str) -> PinRequest:
        known = {request.state: request for request in reversed(self._list(cid, "queued,pinning,pinned"))}
        for state in ("pinned", "pinning", "queued"):
            if state in known:
                return known[state]
        wish = {"cid": cid, "name": "computeswarm", "origins": list(self._origins())[:MAX_PEERS]}
        return self._read(cid, self._ask("POST", "/pins", wish))

    def _list(self, cid: str, states: str) -> list[PinRequest]:
        answer = self._ask("GET", f"/pins?cid={cid}&status={states}&limit=10")
        found = answer.get("results")
        if not isinstance(found, list):
            raise IntegrityError(f"{self.name} answered a list that is none")
        return [self._read(cid, each) for each in found[:10]]

    def _delete(self, request_id: str) -> None:
        try:
            self._ask("DELETE", f"/pins/{quote(request_id, safe='')}")
        except NotFound:
            log.info("pin_request_gone", service=self.name)

    def _read(self, cid: str, answer: Any) -> PinRequest:
        """A PinStatus. Raises IntegrityError for one that is none, or is about something else."""
        try:
            request_id, state, pinned = answer["requestid"], answer["status"], answer["pin"]["cid"]
            delegates, info = answer.get("delegates") or [], answer.get("info") or {}
            is_whole = isinstance(request_id, str) and 0 < len(request_id) <= 512 and isinstance(delegates, list)
            if not is_whole or state not in STATES or not isinstance(info, dict):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"{self.name} answered something that is no pin status") from error
        if pinned != cid:
            raise IntegrityError(f"{self.name} speaks of {_short(pinned)} where we asked for {cid}")
        peers = [each for each in delegates[:MAX_PEERS] if isinstance(each, str) and _MULTIADDR.fullmatch(each)]
        return PinRequest(request_id, state, tuple(peers), _short(info.get("status_details", "")))

    def _ask(self, method: str, path: str, content: dict | None = None) -> dict:
        with counted(PIN_SERVICE):
            return self._answer(method, path, content)

    def _answer(self, method: str, path: str, content: dict | None) -> dict:
        headers = {"Accept": "application/json", "User-Agent": "computeswarm"} | bearer(self._token)
        body = None
        if content is not None:
            body, headers["Content-Type"] = json.dumps(content).encode(), "application/json"
        connection = connect(self._parts)
        try:
            with cut_after(REQUEST_SECONDS, connection):
                connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
                response = connection.getresponse()
                data = bounded(response, ANSWER_BYTES, self.name)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"cannot reach the pinning service {self.name}", hint=reason_of(error)) from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise self._refusal(response.status, data)
        return self._parsed(data) if method != "DELETE" else {}

    def _parsed(self, data: bytes) -> dict:
        try:
            answer = hostile_json.parse(data)
        except ValueError as error:
            raise IntegrityError(f"{self.name} answered something that is no JSON") from error
        if not isinstance(answer, dict):
            raise IntegrityError(f"{self.name} answered something that is no object")
        return answer

    def _refusal(self, status: int, data: bytes) -> SwarmError:
        try:
            error = self._parsed(data)["error"]
            words = _short(f"{error['reason']}: {error.get('details') or ''}".rstrip(": "))
        except (IntegrityError, KeyError, TypeError, AttributeError):
            words = ""
        said = words or f"status {status}"
        if status in (401, 403):
            return UsageError(f"{self.name} refused the token", hint=f"{said}; see pin_token_file")
        if status == 404:
            return NotFound(f"{self.name} knows no such request", hint=said)
        if status >= 500 or status in (408, 425, 429):
            return TransientError(f"{self.name} is not able to serve now", hint=said)
        return UsageError(f"{self.name} refused the request", hint=said)


def _short(value: object) -> str:
    """Somebody else's words, on one line and short enough to be read."""
    return "".join(each if each.isprintable() else " " for each in str(value)[:200])
