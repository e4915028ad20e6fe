# SPDX-License-Identifier: Apache-2.0
"""A spec as a person writes it, and a file of requests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.workloads.inference.requests import Allowed

CID = "ipfs://bafkrei" + "a" * 52
WRITTEN = {
    "version": 1,
    "type": "inference",
    "name": "summarise-tickets",
    "model": "file:model",
    "input": "file:requests.jsonl",
    "sampling": {"temperature": 0.5, "max_tokens": 16, "seed": 7},
    "shards": {"size": 4, "batch": 2},
    "budget": {"max_total": 3},
}


@pytest.fixture
def written() -> dict:
    return copy.deepcopy(WRITTEN)


@pytest.fixture
def resolved_keys() -> dict:
    return {"model": CID, "input": CID, "requests": 10}


@pytest.fixture
def allowed() -> Allowed:
    return Allowed(max_tokens=16, temperature=0.5, seed=7)


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes objects or raw bytes as the lines of a file."""

    def write(*entries: object) -> Path:
        path = tmp_path / "requests.jsonl"
        raw = (entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in entries)
        path.write_bytes(b"".join(line + b"\n" for line in raw))
        return path

    return write


def ask(custom_id: str, content: str = "Hello?", **more: object) -> dict:
    return {"custom_id": custom_id, "messages": [{"role": "user", "content": content}], **more}
