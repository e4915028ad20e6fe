# SPDX-License-Identifier: Apache-2.0
"""What web3 and requests raise, in our own terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from web3.exceptions import (
    ContractCustomError,
    ContractLogicError,
    TimeExhausted,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)

from swarm.chain import reverts
from swarm.errors import FundsError, NotMined, TransientError, UsageError

BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
UNREACHABLE = (requests.exceptions.RequestException, ConnectionError)


def shown(url: str) -> str:
    """An endpoint as a message may name it: its path or user name may be somebody's key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.scheme and parts.netloc else url


@contextmanager
def translated(named: Callable[[], str]) -> Iterator[None]:
    """Turns web3's and requests' exceptions into ours; `named` gives the endpoint as a message says it."""
    try:
        yield
    except (ContractCustomError, ContractLogicError) as error:
        raise reverts.from_data(revert_data(error)) from error
    except TimeExhausted as error:
        raise NotMined("the transaction was sent and is not mined yet", hint="watch it, then try again") from error
    except TransactionNotFound as error:
        raise NotMined("the transaction is not known to the endpoint yet", hint="try again") from error
    except BAD_ADDRESS as error:
        raise UsageError(f"{named()!r} is not an RPC address", hint="write it like http://127.0.0.1:8545") from error
    except UNREACHABLE as error:
        raise TransientError(f"the chain at {named()} does not answer", hint="is it up?") from error
    except Web3RPCError as error:
        raise rpc_error(error, named()) from error
    except Web3Exception as error:
        raise TransientError(f"the chain at {named()} answers oddly: {str(error)[:200]}") from error


def rpc_error(error: Web3RPCError, name: str) -> Exception:
    text = said(error)
    if "insufficient funds" in text:
        return FundsError("too little gas for this transaction", hint="swarm wallet fund")
    data = revert_data(error)
    if data:
        return reverts.from_data(data)
    if "nonce" in text or "underpriced" in text or "already known" in text:
        return TransientError(f"the chain refused the transaction: {text[:120]}", hint="another process uses this key?")
    return TransientError(f"the chain at {name} refused: {text[:200]}")


def said(error: Web3RPCError) -> str:
    """The endpoint's words, in lower case."""
    return str(getattr(error, "message", error)).lower()


def revert_data(error: Exception) -> bytes:
    candidates: list[Any] = [getattr(error, "data", None)]
    response = getattr(error, "rpc_response", None)
    if isinstance(response, dict):
        candidates.append((response.get("error") or {}).get("data"))
    for data in candidates:
        if isinstance(data, dict):
            data = data.get("data")
        if isinstance(data, str) and data.startswith("0x"):
            return bytes.fromhex(data[2:])
        if isinstance(data, bytes):
            return data
    return b""
