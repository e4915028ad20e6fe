# SPDX-License-Identifier: Apache-2.0
"""The whole protocol in one object: every contract's storage, every call anybody can make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swarm.protocol.commitment import sha256
from swarm.protocol.lifecycle.ballots import Ballots
from swarm.protocol.lifecycle.bench import Bench
from swarm.protocol.lifecycle.court import Court
from swarm.protocol.lifecycle.escrow import Escrow
from swarm.protocol.lifecycle.vault import Beacon, Reputation, Token, Vault
from swarm.protocol.parameters import LINE, DeploymentParameters
from swarm.protocol.types import Address, Digest, Terms

PARTS = ("token", "vault", "beacon", "bench", "ballots", "court", "reputation", "escrow")


def hash_by_values(terms: Terms) -> Digest:
    """Tells terms apart where the chain's own hash, keccak256 of their ABI encoding, is not at hand."""
    return sha256(repr(terms.values()).encode())


class Market:
    """A deployment and everybody's money in it. `at` gives the contracts' addresses where they matter."""

    def __init__(
        self,
        parameters: DeploymentParameters,
        *,
        at: Mapping[str, Address] | None = None,
        hash_terms: Callable[[Terms], Digest] = hash_by_values,
        unpayable: Iterable[Address] = (),
    ) -> None:
        self.parameters = parameters
        self.at = dict(at or {name: Address(name) for name in LINE})
        self.hash_terms = hash_terms
        self.unpayable = frozenset(unpayable)  # whom the token refuses to pay
        self.token = Token(self)
        self.vault = Vault(self)
        self.beacon = Beacon(self)
        self.bench = Bench(self)
        self.ballots = Ballots(self)
        self.court = Court(self)
        self.reputation = Reputation(self)
        self.escrow = Escrow(self)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """A copy of the storage of every part."""
        return {name: getattr(self, name).snapshot() for name in PARTS}

    def restore(self, storage: dict[str, dict[str, Any]]) -> None:
        """Puts a snapshot back; it must not be used again."""
        for name, part in storage.items():
            getattr(self, name).restore(part)
