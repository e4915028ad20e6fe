# SPDX-License-Identifier: Apache-2.0
"""One market for all stories; every test starts from it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parents[1]):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture(scope="session")
def market():
    from rpc import Rpc
    from world import START, World

    rpc = Rpc()
    rpc.travel_to(START)
    # A second a block, whatever the machine's clock says: every run draws the same judges.
    rpc.call("anvil_setBlockTimestampInterval", 1)
    return World().open_market()


@pytest.fixture
def world(market):
    """The market as it opened. The chain goes back after the test."""
    with market.kept():
        yield market


@pytest.fixture
def large(world):
    """The market with twenty-six judges: one to be drawn, and committees of three, seven and fifteen."""
    world.more_judges(20)
    world.travel(1)
    return world
