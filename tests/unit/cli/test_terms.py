# SPDX-License-Identifier: Apache-2.0
"""What a spec says of its sellers is posted, and an option of the command wins."""

from __future__ import annotations

from swarm.buyer.offer import OPEN_SECONDS, Wishes
from swarm.cli.terms import open_seconds, with_terms
from swarm.protocol.types import ZERO_ADDRESS, Address
from swarm.workloads.spec import parse_spec

SELLER = Address("0x" + "11" * 20)
CID = "ipfs://bafkrei" + "a" * 52


def spec(**said: object):
    training = {"max_steps": 4, "steps_per_segment": 1, "seed": 1}
    inputs = {"base_model": CID, "datasets": [{"path": CID}], "training": training}
    return parse_spec({"type": "lora", "name": "x", "budget": {"max_total": 1}} | inputs | said)


def test_a_silent_spec_changes_nothing() -> None:
    assert with_terms(spec(), None) == Wishes()
    assert open_seconds(spec()) == OPEN_SECONDS


def test_what_a_spec_says_is_posted() -> None:
    said = spec(sellers={"only": SELLER, "where": "reputation >= 97.5"}, retry={"max_attempts": 3}, start_within="30m")
    assert with_terms(said, None) == Wishes(seller=SELLER, min_reputation=9750, parts=3)
    assert open_seconds(said) == 1800


def test_an_option_wins() -> None:
    said = spec(sellers={"where": "reputation >= 97"}, retry={"max_attempts": 3})
    asked = Wishes(seller=SELLER, min_reputation=5000, parts=2)
    assert with_terms(said, asked) == asked
    assert with_terms(said, Wishes(parts=2)).seller == ZERO_ADDRESS
