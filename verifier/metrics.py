# SPDX-License-Identifier: Apache-2.0
"""A judge's facts as Prometheus metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from swarm.monitoring import by_label, gauge
from verifier.queue import Watch

STALE_SECONDS = 120


def readiness(watch: Watch) -> str | None:
    """Why nothing can be judged now: the chain is not seen."""
    if watch.seen_at is None:
        return "the chain was not seen yet"
    age = time.time() - watch.seen_at
    return f"the chain was not seen for {age:.0f} s" if age > STALE_SECONDS else None


def collect(watch: Watch) -> Iterator[Metric]:
    yield gauge("swarm_judge_up", "1 while the judge runs.", 1)
    yield gauge("swarm_judge_queue_length", "Cases in which something is owed.", len(watch.duties))
    yield gauge("swarm_judge_at_risk_cases", "Of them, those whose deadline may be missed.", _at_risk(watch))
    if watch.duties:
        left = min(duty.left_seconds for duty in watch.duties)
        yield gauge("swarm_judge_deadline_seconds", "Until the next deadline, when it was last looked at.", left)
    about = "Verdicts and votes since the start."
    verdicts = sorted(watch.said.items())
    yield by_label(CounterMetricFamily, "swarm_judge_verdicts_total", about, "verdict", verdicts)
    if watch.seen_at is not None:
        yield gauge("swarm_chain_seen_age_seconds", "Since the chain was last seen.", time.time() - watch.seen_at)


def _at_risk(watch: Watch) -> int:
    return sum(duty.is_at_risk for duty in watch.duties)
