# SPDX-License-Identifier: Apache-2.0
"""Transactions on their way: nonces, fees, and what is done about one that is stuck, dropped or overtaken.

Signed bytes are idempotent: they may be sent as often and to as many endpoints as one likes. What follows is built on
that: whoever is unsure whether a transaction got out sends it again. A stuck one is replaced by itself at a higher fee,
under the same nonce, so that at most one of its forms is ever mined.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3RPCError

from swarm.chain.faults import UNREACHABLE, said
from swarm.errors import NotMined, TransientError
from swarm.log import Log

log = Log("swarm.chain")
_KNOWN = ("already known", "known transaction", "already imported", "already in pool")
_TAKEN = ("nonce too low", "nonce is too low")
_UNDERPRICED = "underpriced"
_TRIES = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0


@dataclass(frozen=True, slots=True)
class Fees:
    """When a transaction counts as stuck, and how far its fee may rise: `cap_wei` for one unit of gas."""

    stuck_seconds: float = 30
    mined_within_seconds: float = 90
    raise_permille: int = 1_125  # nodes refuse to replace for less than a tenth more
    cap_wei: int = 500 * 10**9


@dataclass
class Sent:
    """One nonce in use: the call as it was signed last, and the hashes of all its forms."""

    transaction: dict
    raw: bytes = b""
    hashes: list[bytes] = field(default_factory=list)
    is_out: bool = False  # whether an endpoint has taken the present form
    touched_at: float = 0.0
    is_watched: bool = True


@dataclass
class _Account:
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: dict[int, Sent] = field(default_factory=dict)
    is_new: bool = True  # whether this process has not sent anything from it yet


# Shared by all clients of this process: two of them may send from one account to one chain.
_ACCOUNTS: dict[tuple[str, str], _Account] = defaultdict(_Account)
_ACCOUNTS_LOCK = threading.Lock()


class Outbox:
    """Sends calls for local accounts. Any number of threads may send from one account."""

    def __init__(self, web3: Web3, chain: str, fees: Fees | None = None) -> None:
        self._eth, self._chain, self._fees = web3.eth, chain, fees or Fees()

    def send(self, prepare: Callable[[dict], dict], account: LocalAccount) -> tuple[dict, dict]:
        """Begins and finishes: what was sent and its receipt."""
        return self.finish(self.begin(prepare, account), account)

    def begin(self, prepare: Callable[[dict], dict], account: LocalAccount) -> Sent:
        """Sends what `prepare` makes of the present fees (all but the nonce). Whoever begins has to finish or leave."""
        own = self._account(account.address)
        self._await_former_life(account.address, own)
        for _ in range(_TRIES):
            with own.lock:
                transaction = prepare(self._fees_now())
                sent = self._same(transaction, own) or self._signed(transaction, account, own)
                out = sent.is_out or self._try_to_broadcast(sent)
            if out:
                sent.is_watched = True
                return sent
        raise TransientError("the chain refused three nonces in a row", hint="another process uses this key?")

    def finish(self, sent: Sent, account: LocalAccount) -> tuple[dict, dict]:
        """Waits for what was begun; returns what was mined of it and the receipt.

        Raises NotMined where it was sent, raised up to the cap, sent again, and is still not mined.
        """
        receipt = self._mined(sent, account, self._account(account.address))
        return sent.transaction, receipt

    def leave(self, sent: Sent) -> None:
        """Nobody waits for it any more."""
        sent.is_watched = False

    def pending(self) -> int:
        """Transactions of this process that were sent to this chain and are not known to be mined."""
        with _ACCOUNTS_LOCK:
            return sum(len(own.open) for (chain, _), own in _ACCOUNTS.items() if chain == self._chain)

    # sending

    def _await_former_life(self, address: str, own: _Account) -> None:
        """What a process that was killed had sent may just be what is sent now: whether it is still needed can be told
        once that is mined. Not for longer than a transaction may take before it counts as stuck."""
        if not own.is_new:
            return
        address, end = Web3.to_checksum_address(address), time.monotonic() + self._fees.stuck_seconds
        while (waiting := self._in_pool(address)) and not own.open and time.monotonic() < end:
            log.info("former_transactions_awaited", count=waiting)
            time.sleep(min(_LONGEST_PAUSE, self._fees.stuck_seconds / 4))
        own.is_new = False

    def _in_pool(self, address: str) -> int:
        """How many transactions of an account the endpoint holds that are not mined."""
        count = self._eth.get_transaction_count
        return count(address, "pending") - count(address, "latest")

    def _same(self, transaction: dict, own: _Account) -> Sent | None:
        """The same call that was given up waiting for: it is waited for again, not sent a second time."""
        given_up = (sent for sent in own.open.values() if not sent.is_watched)
        same = (sent for sent in given_up if all(sent.transaction.get(k) == transaction[k] for k in ("to", "data")))
        return next(same, None)

    def _signed(self, transaction: dict, account: LocalAccount, own: _Account) -> Sent:
        sent = Sent(transaction | {"nonce": self._next_nonce(account.address, own)})
        self._sign(sent, account)
        own.open[sent.transaction["nonce"]] = sent
        return sent

    def _sign(self, sent: Sent, account: LocalAccount) -> None:
        signed = account.sign_transaction(sent.transaction)
        sent.raw, sent.is_out, sent.touched_at = bytes(signed.raw_transaction), False, time.monotonic()
        sent.hashes.append(bytes(signed.hash))

    def _next_nonce(self, address: str, own: _Account) -> int:
        """After everything the chain waits for, and after our own that a new endpoint may not have heard of."""
        mined = self._eth.get_transaction_count(Web3.to_checksum_address(address), "latest")
        nonce = self._eth.get_transaction_count(Web3.to_checksum_address(address), "pending")
        own.open = {key: sent for key, sent in own.open.items() if key >= mined}
        for key, sent in list(own.open.items()):
            if not sent.is_watched and key >= nonce:
                del own.open[key]  # given up, and no endpoint knows it: its nonce is free
        while nonce in own.open:
            nonce += 1
        return nonce

    def _try_to_broadcast(self, sent: Sent) -> bool:
        """False where another transaction holds the nonce. An endpoint that fails leaves it to the next look."""
        try:
            self._broadcast(sent)
        except Web3RPCError as error:
            sent.is_watched = False
            if any(words in said(error) for words in (*_TAKEN, _UNDERPRICED)):
                return False
            raise
        except (TransientError, *UNREACHABLE) as error:
            log.warning("transaction_not_out", hash="0x" + sent.hashes[-1].hex(), reason=str(error))
        return True

    def _broadcast(self, sent: Sent) -> None:
        try:
            self._eth.send_raw_transaction(sent.raw)
        except Web3RPCError as error:
            is_mined = any(words in said(error) for words in _TAKEN) and self._receipt_of(sent) is not None
            if not is_mined and not any(words in said(error) for words in _KNOWN):
                raise
        sent.is_out = True

    # waiting

    def _mined(self, sent: Sent, account: LocalAccount, own: _Account) -> dict:
        """The receipt of whichever form was mined. An endpoint that fails meanwhile is waited for."""
        sent.is_watched = True
        try:
            receipt = self._awaited(sent, account, own)
            self._close(sent, own)
            return receipt
        finally:
            sent.is_watched = False

    def _awaited(self, sent: Sent, account: LocalAccount, own: _Account) -> dict:
        end, pause, trouble = time.monotonic() + self._fees.mined_within_seconds, _FIRST_PAUSE, ""
        while time.monotonic() < end:
            try:
                if (receipt := self._receipt_of(sent) or self._looked_after(sent, account, own)) is not None:
                    return receipt
            except NotMined:
                raise
            except (TransientError, Web3RPCError, *UNREACHABLE) as error:
                trouble = f": {error}"[:200]
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)
        raise NotMined(f"the transaction was sent and is not mined yet{trouble}", hint="watch it, then try again")

    def _close(self, sent: Sent, own: _Account) -> None:
        """Its nonce is history."""
        with own.lock:
            own.open.pop(sent.transaction["nonce"], None)

    def _receipt_of(self, sent: Sent) -> dict | None:
        for tx_hash in reversed(sent.hashes):
            try:
                return dict(self._eth.get_transaction_receipt(tx_hash))
            except TransactionNotFound:
                continue
        return None

    def _looked_after(self, sent: Sent, account: LocalAccount, own: _Account) -> dict | None:
        """Sends it again where it is not out, replaces it where it is stuck; the receipt if it was mined meanwhile."""
        if not sent.is_out:
            self._send_again(sent)
        if time.monotonic() - sent.touched_at < self._fees.stuck_seconds:
            return None
        nonce = sent.transaction["nonce"]
        mined = self._eth.get_transaction_count(account.address, "latest")
        if mined > nonce:
            return self._late_receipt(sent) or self._overtaken(sent, own)
        with own.lock:
            if mined < nonce and not getattr(own.open.get(mined), "is_watched", False):
                self._unblock(mined, account, own, like=sent)
            self._raise(sent, account)
        return None

    def _late_receipt(self, sent: Sent) -> dict | None:
        """An endpoint may count a transaction a moment before it shows its receipt."""
        for _ in range(4):
            if (receipt := self._receipt_of(sent)) is not None:
                return receipt
            time.sleep(_FIRST_PAUSE)
        return None

    def _overtaken(self, sent: Sent, own: _Account) -> None:
        self._close(sent, own)
        message = f"another transaction of this account took nonce {sent.transaction['nonce']}"
        raise NotMined(message, hint="another process uses this key? try again")

    def _unblock(self, nonce: int, account: LocalAccount, own: _Account, *, like: Sent) -> None:
        """Something nobody here waits for holds up the queue: a former life's, or one that was given up."""
        blocker = own.open.get(nonce)
        if blocker is None:
            fees = {key: like.transaction[key] for key in ("maxFeePerGas", "maxPriorityFeePerGas", "chainId")}
            empty = {"from": account.address, "to": account.address, "value": 0, "gas": 21_000, "nonce": nonce}
            blocker = own.open[nonce] = Sent(empty | fees, is_watched=False)
        log.warning("queue_blocked", nonce=nonce)
        self._raise(blocker, account)

    def _raise(self, sent: Sent, account: LocalAccount) -> None:
        """The same call under the same nonce at a higher fee; at the cap, the same bytes again."""
        raised = self._raised(sent.transaction)
        if raised is None and sent.raw:
            sent.touched_at = time.monotonic()
        else:
            sent.transaction = sent.transaction | (raised or {})
            self._sign(sent, account)
            log.info("transaction_replaced", nonce=sent.transaction["nonce"], fee=sent.transaction["maxFeePerGas"])
        self._send_again(sent)

    def _send_again(self, sent: Sent) -> None:
        """Idempotent. A refusal changes nothing: an earlier form is still there, or the next raise is enough."""
        try:
            self._broadcast(sent)
        except Web3RPCError as error:
            log.info("transaction_refused", nonce=sent.transaction["nonce"], reason=said(error)[:120])
            sent.is_out = True

    # fees

    def _fees_now(self) -> dict:
        """Twice the base fee and the usual tip, at most the cap. Raises TransientError when that cannot be enough."""
        base = self._eth.get_block("latest").get("baseFeePerGas", 0)
        tip = self._eth.max_priority_fee if base else 0
        cap = self._fees.cap_wei
        if base > cap:
            raise TransientError(f"gas costs {base} wei, the cap is {cap}", hint="wait, or raise max_fee_gwei")
        most = min(2 * base + tip, cap)
        return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}

    def _raised(self, transaction: dict) -> dict | None:
        """An eighth more than before, and not less than what is usual now; None at the cap."""
        now, permille = self._fees_now(), self._fees.raise_permille
        most, tip = (-(-transaction[key] * permille // 1_000) for key in ("maxFeePerGas", "maxPriorityFeePerGas"))
        most = max(most, now["maxFeePerGas"])
        if most > self._fees.cap_wei:
            return None
        return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(most, max(tip, now["maxPriorityFeePerGas"]))}

    def _account(self, address: str) -> _Account:
        with _ACCOUNTS_LOCK:
            return _ACCOUNTS[(self._chain, address)]
