# SPDX-License-Identifier: Apache-2.0
"""A worker's facts as Prometheus metrics. Amounts are tokens here, because floats lose digits of the smallest unit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from swarm.monitoring import by_label, counter, gauge
from swarm.runtime.gpus import Gpu
from swarm.units import DECIMALS

STALE_SECONDS = 120


def readiness(facts: Mapping[str, Any]) -> str | None:
    """Why the worker cannot earn now, because it does not see the chain."""
    at = (facts.get("chain") or {}).get("at")
    if at is None:
        return "the chain was not seen yet"
    age = time.time() - at
    return f"the chain was not seen for {age:.0f} s" if age > STALE_SECONDS else None


def collect(facts: Mapping[str, Any], gpus: Sequence[Gpu] = ()) -> Iterator[Metric]:
    """Every metric of a worker; what is not known yet is left out."""
    yield gauge("swarm_worker_up", "1 while the worker runs.", 1)
    yield from _work(facts)
    yield from _money(facts)
    yield from _chain(facts)
    yield from _gpus(gpus)


def _work(facts: Mapping[str, Any]) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "swarm_worker_jobs_total", "Jobs that have ended, by type and outcome.", labels=["type", "outcome"]
    )
    for name, count in (facts.get("totals") or {}).get("jobs", {}).items():
        kind, _, outcome = name.partition(" ")
        ended.add_metric([kind, outcome], count)
    yield ended
    states = (facts.get("jobs") or {}).items()
    yield by_label(GaugeMetricFamily, "swarm_worker_live_jobs", "Jobs of this seller by state.", "state", states)
    phases = (facts.get("phase_seconds") or {}).items()
    about = "Seconds spent by phase since the start."
    yield by_label(CounterMetricFamily, "swarm_worker_job_phase_seconds_total", about, "phase", phases)
    paused = [("manual", float(facts.get("mode") == "pause")), ("schedule", float(facts.get("blocked") == "schedule"))]
    yield by_label(GaugeMetricFamily, "swarm_worker_paused", "1 while nothing is taken, by reason.", "reason", paused)
    running = facts.get("running") or {}
    if since := running.get("checkpoint_at") or running.get("started_at"):
        age = time.time() - since
        yield gauge("swarm_worker_checkpoint_age_seconds", "What a crash now would cost.", age)
    yield gauge("swarm_worker_open_jobs", "Open jobs that were seen.", facts.get("open_jobs") or 0)
    reasons = (facts.get("not_taken") or {}).items()
    about = "Open jobs that are not taken, by reason."
    yield by_label(GaugeMetricFamily, "swarm_worker_not_taken_jobs", about, "reason", reasons)


def _money(facts: Mapping[str, Any]) -> Iterator[Metric]:
    earned = _tokens((facts.get("totals") or {}).get("earned", 0))
    yield counter("swarm_worker_earned_tokens_total", "Tokens of settled jobs.", earned)
    yield gauge(
        "swarm_worker_unpaid_tokens",
        "Prices of jobs that are submitted and not final.",
        _tokens(facts.get("unpaid", 0)),
    )
    stake = facts.get("stake") or {}
    states = [(name, _tokens(amount)) for name, amount in stake.items()]
    yield by_label(GaugeMetricFamily, "swarm_worker_stake_tokens", "Stake by state.", "state", states)
    if gas := facts.get("gas"):
        yield gauge("swarm_wallet_gas_tokens", "Native coin of the account.", _tokens(gas["wei"]))
        yield gauge("swarm_wallet_gas_jobs", "Jobs whose transactions it can pay.", gas["jobs"])


def _chain(facts: Mapping[str, Any]) -> Iterator[Metric]:
    if chain := facts.get("chain"):
        yield gauge("swarm_chain_seen_age_seconds", "Since the chain was last seen.", time.time() - chain["at"])
        yield gauge(
            "swarm_chain_head_age_seconds", "Age of the latest block when it was seen.", chain["at"] - chain["time"]
        )


def _gpus(gpus: Sequence[Gpu]) -> Iterator[Metric]:
    info = GaugeMetricFamily("swarm_worker_gpu_info", "The GPUs of the machine.", labels=["gpu", "model"])
    used = GaugeMetricFamily("swarm_gpu_memory_used_bytes", "Memory in use on a GPU.", labels=["gpu"])
    heat = GaugeMetricFamily("swarm_gpu_temperature_celsius", "Temperature of a GPU.", labels=["gpu"])
    power = GaugeMetricFamily("swarm_gpu_power_watts", "What a GPU draws.", labels=["gpu"])
    for gpu in gpus:
        label = [str(gpu.index)]
        info.add_metric([*label, gpu.name], 1)
        used.add_metric(label, gpu.memory_bytes - gpu.free_bytes)
        for family, reading in ((heat, gpu.temperature_celsius), (power, gpu.power_watts)):
            if reading is not None:
                family.add_metric(label, reading)
    yield from (info, used, heat, power)


def _tokens(amount: str | int) -> float:
    return int(amount) / 10**DECIMALS
