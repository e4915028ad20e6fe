# SPDX-License-Identifier: Apache-2.0
"""What a judge found, and how its journal keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from swarm.protocol.types import Digest, Opening


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge found. `verdict` is what it says or seals: the leaf it recomputed, or a word, which has no opening.

    `proof` is empty unless our leaf is the seller's own.
    """

    segment: int  # or UNDELIVERED
    verdict: Digest
    opening: Opening | None
    matches: bool
    proof: tuple[Digest, ...]
    evidence_cid: Digest
    wall_seconds: float
    cpu_seconds: float

    def to_json(self) -> dict:
        """The finding as the journal keeps it; bytes as hexadecimal text."""
        return _hexed(asdict(self))

    @classmethod
    def from_json(cls, entry: dict) -> Finding:
        opened = entry["opening"]
        opening = Opening(**{name: _digest(text) for name, text in opened.items()}) if opened else None
        proof = tuple(_digest(text) for text in entry["proof"])
        digests = {name: _digest(entry[name]) for name in ("verdict", "evidence_cid")}
        return cls(**(entry | digests | {"opening": opening, "proof": proof}))


def _hexed(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _hexed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hexed(item) for item in value]
    return value


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))
