# SPDX-License-Identifier: Apache-2.0
"""What a load run showed, for people and as JSON."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.load_market import Market
from swarm.protocol.types import JobStatus
from swarm.units import format_amount


@dataclass
class Report:
    """The figures of a run as they are now; `tokens` are there once every job is final."""

    market: Market
    wanted: dict
    begin: float = field(default_factory=time.monotonic)
    statuses: Counter[JobStatus] = field(default_factory=Counter)
    tokens: dict[str, int] = field(default_factory=dict)
    last: float = 0.0  # seconds to the last job that became final
    all_seconds: float = 0.0

    def look(self, statuses: Counter[JobStatus]) -> None:
        """Takes in a look at the jobs."""
        if sum(self._final(statuses)) > sum(self._final(self.statuses)):
            self.last = self.seconds
        self.statuses = statuses

    def end(self) -> None:
        """The daemons have ended."""
        self.all_seconds = self.seconds

    @property
    def seconds(self) -> float:
        """Since the first post."""
        return time.monotonic() - self.begin

    @property
    def settled(self) -> int:
        return self.statuses[JobStatus.SETTLED]

    @property
    def live(self) -> int:
        return sum(self.statuses.values()) - sum(self._final(self.statuses))

    @property
    def rate(self) -> float:
        """Settled jobs a minute, from the first post to the last settlement."""
        return 60 * self.settled / self.last if self.last else 0.0

    @property
    def gas_each(self) -> float:
        """Gas of all our calls for each settled job."""
        return self.market.gas.total / max(1, self.settled)

    def daemons(self, role: str) -> dict[str, float]:
        """Memory, processor time and calls of the daemons of a role; empty before their end."""
        facts = self.market.facts(role)
        if not facts or not self.all_seconds:
            return {}
        peaks, calls = [each["peak_mb"] for each in facts], [sum(each["calls"].values()) for each in facts]
        return {
            "number": len(facts),
            "peak_mb_mean": statistics.mean(peaks),
            "peak_mb_most": max(peaks),
            "cores": sum(each["cpu_seconds"] for each in facts) / self.all_seconds,
            "calls_a_minute_each": 60 * statistics.mean(calls) / self.all_seconds,
        }

    def to_json(self) -> dict:
        return {
            "wanted": {name: value for name, value in self.wanted.items() if name != "out"},
            "ended_as": {status.name.lower(): count for status, count in sorted(self.statuses.items())},
            "jobs_a_minute": round(self.rate, 1),
            "seconds": round(self.last),
            "posting_failed": self.market.failed_posts,
            "died": [] if self.all_seconds else self.market.dead(),
            "warnings": dict(self.market.complaints().most_common(20)),
            "races_lost": dict(sorted(self.market.races_lost().items())),
            "daemons": {role: self.daemons(role) for role in ("seller", "judge")},
            "gas_a_settled_job": round(self.gas_each),
            "gas": {name: {"times": times, "mean": round(mean)} for name, times, mean in self.market.gas.calls()},
            "tokens": {name: format_amount(amount) for name, amount in self.tokens.items()},
        }

    @staticmethod
    def _final(statuses: Counter[JobStatus]) -> list[int]:
        return [count for status, count in statuses.items() if status.is_final]


def print_report(report: Report) -> None:
    wanted, facts = report.wanted, report.to_json()
    people = f"{wanted['buyers']} buyers, {wanted['sellers']} sellers, {wanted['judges']} judges"
    print(f"\n{wanted['jobs']} jobs of {people}")
    print(f"ended as            {facts['ended_as']}; {wanted['jobs'] - report.settled} not settled")
    print(f"jobs per minute     {report.rate:.1f} ({report.last:.0f} s; posted at {wanted['per_minute']} a minute)")
    print(f"posting failed      {facts['posting_failed'] or 'never'}")
    print(f"races lost          {facts['races_lost'] or 'none'}")
    print("warnings, errors" if facts["warnings"] else "warnings, errors    none")
    for words, times in facts["warnings"].items():
        print(f"{times:>8} x {words}")
    for role, each in facts["daemons"].items():
        if each:
            peak = f"peak {each['peak_mb_mean']:.0f} MB on average, {each['peak_mb_most']} MB at most"
            used = f"{each['cores']:.2f} cores together; {each['calls_a_minute_each']:.0f} calls a minute each"
            print(f"{role:<8} x {each['number']:<3}      {peak}; {used}")
    print(f"gas                 {report.gas_each:,.0f} a settled job")
    for name, times, mean in report.market.gas.calls():
        print(f"  {name:<28}{times:>6} x {mean:>9,.0f}")
    counted, missing = f"every one accounted for: {facts['tokens']}", f"not counted: {report.live} jobs are not over"
    print(f"tokens              {counted if report.tokens else missing}")
