# SPDX-License-Identifier: Apache-2.0
"""What each function costs, and whole jobs, in a market that has been at work for a while.

The figures are those of docs/gas.json within 2 %; UPDATE_GAS=1 writes the file.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import brownie
import gas_stories
import pytest
from gas_stories import STORIES, WHOLE_JOBS
from world import Terms

FILE = Path(__file__).resolve().parents[2] / "docs" / "gas.json"
TOLERANCE = 0.02
BLOCK = 30_000_000
SHARED = "Beacon.submit"  # a seed serves all jobs of its epoch and is listed apart


def called(call, arguments: tuple) -> str:
    """The function's name; of several in one transaction, all of them."""
    name = call._name.split(".")[-1]
    if name != "multicall":
        return name
    known = brownie.network.state._find_contract(call._address).selectors
    return " + ".join(known["0x" + bytes.fromhex(data[2:])[:4].hex()] for data in arguments[0])


class Meter:
    """Counts the gas of everything the world sends, by contract and function."""

    def __init__(self, world) -> None:
        self._world, self._send = world, world.send
        self.used: dict[str, list[int]] = defaultdict(list)

    def __enter__(self):
        self._world.send = self._measured
        return self

    def __exit__(self, *failure: object) -> None:
        del self._world.send

    def _measured(self, call, *arguments, sender):
        done = self._send(call, *arguments, sender=sender)
        contract = next(name for name, at in gas_stories.contracts(self._world).items() if at == call._address)
        self.used[f"{contract}.{called(call, arguments)}"].append(done.gas_used)
        return done

    def total(self) -> int:
        """The job's own transactions."""
        return sum(sum(gas) for name, gas in self.used.items() if name != SHARED)

    def means(self) -> dict[str, int]:
        """By function; of several calls the mean."""
        return {name: round(sum(gas) / len(gas)) for name, gas in self.used.items()}


@pytest.fixture(scope="module")
def figures(market):
    """All stories, each in the same market. The first story that uses a function gives its figure."""
    jobs, functions = {}, {}
    for name, (story, suffix) in STORIES.items():
        with market.kept():
            gas_stories.warm(market)
            act = story(market)
            with Meter(market) as meter:
                act()
        if name in WHOLE_JOBS:
            jobs[name] = meter.total() // WHOLE_JOBS[name]
        for label, gas in meter.means().items():
            functions.setdefault(label if label == SHARED else label + suffix, gas)
    return {"whole_jobs": jobs, "functions": dict(sorted(functions.items()))}


def test_the_figures_are_those_of_the_file(figures):
    if os.environ.get("UPDATE_GAS") == "1":
        FILE.write_text(json.dumps(figures, indent=1) + "\n")
    written = json.loads(FILE.read_text())
    assert {group: set(entries) for group, entries in figures.items()} == {
        group: set(entries) for group, entries in written.items()
    }
    moved = [
        f"{name}: {gas:,} instead of {written[group][name]:,}"
        for group, entries in figures.items()
        for name, gas in entries.items()
        if abs(gas - written[group][name]) > TOLERANCE * written[group][name]
    ]
    assert not moved, "UPDATE_GAS=1 writes docs/gas.json: " + "; ".join(moved)


def test_every_call_fits_a_block_many_times(figures):
    """Threat 46: no committee is so large that its case cannot be ended."""
    assert max(figures["functions"].values()) < BLOCK / 10


def test_an_audit_costs_less_than_a_job_of_its_own(figures):
    jobs = figures["whole_jobs"]
    assert jobs["unaudited_total"] < jobs["audited_total"] < 2 * jobs["unaudited_total"]
    assert jobs["sweep20_per_trial"] < jobs["unaudited_total"] / 15


def test_no_call_grows_with_history(world):
    """Invariant 23: the same call costs the same after many jobs."""
    gas_stories.warm(world)
    with Meter(world) as first:
        world.post()
    for _ in range(40):
        world.send(world.escrow.post, Terms().values(), sender=world.buyer)
    with Meter(world) as later:
        world.post()
    assert abs(later.total() - first.total()) < 1_000
