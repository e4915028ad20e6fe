# SPDX-License-Identifier: Apache-2.0
"""A buyer's place in tests of sweeps: a folder, a store, a market in memory, and what begins and goes on there."""

from __future__ import annotations

from pathlib import Path

from swarm.buyer.sweep.book import SweepBook
from swarm.buyer.sweep.controller import Controller
from swarm.buyer.sweep.prepare import begin
from swarm.storage.fake import FakeStore
from swarm.workloads.sweep.search import Sweep
from tests.unit.buyer.sweep.fake_market import FakeMarket, account

FEE_MIN = 10**15


class SweepPlace:
    """`base` is the folder of the sweep's file."""

    root: Path
    base: Path
    store: FakeStore
    sweep: Sweep
    market: FakeMarket

    def begin(self):
        places = {"base": self.base, "home": self.root / "home"}
        return begin(self.sweep, self.store, engine="process", fee_min=FEE_MIN, first_job=1, **places)

    def book(self) -> SweepBook:
        return SweepBook.begin(self.root / "home" / "sweeps", self.begin())

    def controller(self, book: SweepBook) -> Controller:
        home = self.root / "home"
        return Controller(chain=self.market.chain, store=self.store, account=account(), book=book, home=home)
