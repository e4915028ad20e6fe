# SPDX-License-Identifier: Apache-2.0
"""Who earns what: sellers and judges of several kinds play thousands of jobs by the protocol's rules, in integer money.

    python benchmarks/economics.py [--jobs N] [--seed N] [--cost-bps N] [--rules NAME] [--json FILE]

Draws are the protocol's own; what computing costs is tallied beside the books. The model: docs/economics.md.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from books import Books
from market import PARAMETERS, RULES, SLOW_PERCENT, Place, Play, Rules, Slot, skipped_segments

from swarm.protocol import money
from swarm.protocol.economics import Deal, cheating_value, honest_value
from swarm.protocol.parameters import TOKEN

SELLERS = ("honest", "lazy", "partial", "withholding", "publishing late", "colluding", "slow")
BENCH = {"honest": 68, "bribed": 20, "lazy": 6, "absent": 6}
SEGMENTS = (1, 2, 5, 10, 20, 50, 100, 250, 1_024)
FETCHING = ", fetching"
COLLATERALS_PERCENT = (25, 100, 150, 400, 2_400)  # of the price, or the least there may be


@dataclass
class Row:
    """What all of one kind did, in the token's smallest unit."""

    jobs: int = 0
    earned: int = 0
    lost: int = 0
    compute: int = 0
    profits: list[int] = field(default_factory=list)

    def add(self, net: int, compute: int) -> None:
        """One job or one assignment: tokens won or lost, and what computing cost."""
        self.jobs += 1
        self.earned += max(net, 0)
        self.lost += max(-net, 0)
        self.compute += compute
        self.profits.append(net - compute)


class Market:
    """Plays jobs one after another."""

    def __init__(self, jobs: int, seed: int, cost_bps: int | None, rules: Rules) -> None:
        self.jobs, self.cost_bps = jobs, cost_bps
        self.terms, chance = random.Random(seed), random.Random(-1 - seed)
        slots = [Slot(name, kind) for name, kind in enumerate(k for k, count in BENCH.items() for _ in range(count))]
        chance.shuffle(slots)
        books = Books(["buyer", *SELLERS, *(slot.name for slot in slots)])
        self.place = Place(chance, rules, slots, books)
        self.sellers = {kind: Row() for kind in SELLERS}
        self.judges = {f"{kind}{task}": Row() for task in ("", FETCHING) for kind in BENCH}
        self.coalition = Row()
        self.models = dict.fromkeys(SELLERS, Fraction(0))

    def run(self) -> None:
        """Every kind of seller meets the same terms in turn, so that kinds differ only in what they do."""
        kinds = {slot.name: slot.kind for slot in self.place.slots}
        for number in range(self.jobs):
            if number % len(SELLERS) == 0:
                deal = self._terms()
            seller = SELLERS[number % len(SELLERS)]
            play = Play(self.place, number, seller, deal)
            ending = play.run()
            self.place.totals[ending] += 1
            self.place.totals[f"{ending}: {seller}"] += 1
            self._book(seller, deal, kinds, play.fetchers)

    def _book(self, seller: str, deal: Deal, kinds: dict[int, str], fetchers: set[int]) -> None:
        net, compute = self.place.books.close_job()
        self.sellers[seller].add(net[seller], compute[seller])
        self.models[seller] += expected(seller, deal) or 0
        bribed = [judge for judge in net.keys() | compute.keys() if kinds.get(judge) == "bribed"]
        for judge in (net.keys() | compute.keys()) & kinds.keys():
            task = FETCHING if judge in fetchers else ""
            self.judges[kinds[judge] + task].add(net[judge], compute[judge])
        if seller == "colluding":
            team = [seller, *bribed]
            self.coalition.add(sum(net[who] for who in team), sum(compute[who] for who in team))

    def _terms(self) -> Deal:
        price = self.terms.randint(PARAMETERS.min_price, 20 * TOKEN)
        segments = self.terms.choice(SEGMENTS)
        wanted = price * self.terms.choice(COLLATERALS_PERCENT) // 100
        collateral = max(wanted, money.min_collateral(price, segments, PARAMETERS.fee_min))
        cost_bps = self.cost_bps if self.cost_bps is not None else self.terms.randint(5_000, 8_000)
        return Deal(price, collateral, segments, PARAMETERS.fee_min, price * cost_bps // money.BPS)


def expected(seller: str, deal: Deal) -> Fraction | None:
    """What the formula says of a seller that no judge sides with; None where it says nothing."""
    if seller in ("honest", "lazy", "partial"):
        return cheating_value(deal, skipped_segments(seller, deal.segments), Fraction(0))
    if seller == "slow":
        late = -money.bps_up(deal.price, money.LATE_BPS) - deal.cost
        return Fraction(SLOW_PERCENT * late + (100 - SLOW_PERCENT) * honest_value(deal), 100)
    return None


def summary(row: Row, honest: Row) -> dict:
    """Tokens; the standard error is that of the profit per job."""
    mean = statistics.fmean(row.profits) if row.profits else 0.0
    spread = statistics.stdev(row.profits) if row.jobs > 1 else 0.0
    baseline = statistics.fmean(honest.profits) if honest.profits else 0.0
    return {
        "jobs": row.jobs,
        "earned": row.earned / TOKEN,
        "lost": row.lost / TOKEN,
        "compute": row.compute / TOKEN,
        "profit_per_job": mean / TOKEN,
        "standard_error": spread / max(row.jobs, 1) ** 0.5 / TOKEN,
        "of_honest": mean / baseline if baseline else 0.0,
    }


def report(market: Market) -> dict:
    """Everything that is printed, as plain values."""
    sellers = {kind: summary(row, market.sellers["honest"]) for kind, row in market.sellers.items()}
    for kind, row in sellers.items():
        known = row["jobs"] and kind in ("honest", "lazy", "partial", "slow")
        row["formula_per_job"] = float(market.models[kind] / row["jobs"]) / TOKEN if known else None
    sellers["colluding + bribed"] = summary(market.coalition, market.sellers["honest"]) | {"formula_per_job": None}
    judges = {kind: summary(row, market.judges["honest"]) for kind, row in market.judges.items()}
    totals = dict(sorted(market.place.totals.items()))
    for name in ("bonds lost", "cost of the jobs", "cost of re-execution"):
        totals[name] = totals.get(name, 0) / TOKEN
    totals |= {name: market.place.books.balances[name] / TOKEN for name in ("pool", "burned")}
    return {"sellers": sellers, "judges": judges, "totals": totals}


def print_table(title: str, rows: dict[str, dict]) -> None:
    columns = f"{'jobs':>6}{'earned':>9}{'lost':>9}{'compute':>9}{'profit/job':>12}{'± s.e.':>8}"
    print(f"{title:<20}{columns}{'formula':>9}{'of honest':>11}")
    for kind, row in rows.items():
        if not row["jobs"]:
            continue
        formula = "" if row.get("formula_per_job") is None else f"{row['formula_per_job']:.3f}"
        text = f"{kind:<20}{row['jobs']:>6}{row['earned']:>9.0f}{row['lost']:>9.0f}{row['compute']:>9.0f}"
        text += f"{row['profit_per_job']:>12.3f}{row['standard_error']:>8.3f}{formula:>9}"
        print(text + f"{row['of_honest']:>11.0%}")
    print()


def print_report(result: dict) -> None:
    print_table("seller", result["sellers"])
    print_table("judge", result["judges"])
    totals = Counter(result["totals"])
    print(f"jobs {totals['jobs']}, audits {totals['audits']}")
    print(f"challenges {totals['challenges']}, bonds lost by challengers {totals['bonds lost']:.0f}")
    segments, cost = totals["segments"], totals["cost of the jobs"]
    share = totals["segments re-executed"] / max(segments, 1)
    weighted = totals["cost of re-execution"] / max(cost, 1)
    print(f"segments re-executed {totals['segments re-executed']} of {segments}: {share:.2%}, by cost {weighted:.2%}")
    print(f"judges drawn {totals['drawn']}, of them bribed {totals['drawn bribed'] / max(totals['drawn'], 1):.1%}")
    print(f"suspensions {totals['suspensions']}, unjudged {totals['unjudged']}")
    for ending in ("settled", "slashed", "void", "refunded late", "acquitted"):
        by_kind = ", ".join(f"{kind} {totals[f'{ending}: {kind}']}" for kind in SELLERS if totals[f"{ending}: {kind}"])
        print(f"{ending}: {by_kind or 'none'}")
    print(f"honest sellers slashed: {totals['slashed: honest']}")
    print(f"pool {totals['pool']:.0f}, burned {totals['burned']:.0f} tokens; every job conserved money")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="how many jobs are played")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cost-bps", type=int, help="cost of computing in bps of the price; default: 5000 to 8000 at random"
    )
    parser.add_argument("--rules", choices=RULES, default="protocol", help="version of the protocol")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    arguments = parser.parse_args()
    market = Market(arguments.jobs, arguments.seed, arguments.cost_bps, RULES[arguments.rules])
    market.run()
    result = report(market)
    print_report(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
